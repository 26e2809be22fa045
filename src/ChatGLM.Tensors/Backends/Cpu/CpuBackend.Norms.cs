namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon)
    {
        var width = CheckLayerNorm(x, weight, bias);
        var y = New(x.Shape);
        LayerNorm(x, weight, bias, width, epsilon, y);
        return y;
    }

    private void LayerNorm(Tensor x, Tensor weight, Tensor bias, int width, float epsilon, Tensor y)
    {
        using var weights = Widen(weight);
        using var biases = Widen(bias);
        Parallel(x.Shape.RowCount, 4L * width, new LayerNormBody(x.Pointer<float>(), weights.Pointer, biases.Pointer, y.Pointer<float>(), width, epsilon));
        GC.KeepAlive(x);
        GC.KeepAlive(y);
    }

    /// <inheritdoc/>
    public override Tensor LayerNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad, Tensor? biasGrad)
    {
        RequireFloat32(nameof(LayerNormBackward), dy, "dy");
        return NormBackward(nameof(LayerNormBackward), dy, x, weight, epsilon, weightGrad, biasGrad, centered: true);
    }

    /// <inheritdoc/>
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon)
    {
        var width = CheckNorm(nameof(RmsNorm), x, weight);
        var y = New(x.Shape);
        RmsNorm(x, weight, width, epsilon, y);
        return y;
    }

    private void RmsNorm(Tensor x, Tensor weight, int width, float epsilon, Tensor y)
    {
        using var weights = Widen(weight);
        Parallel(x.Shape.RowCount, 3L * width, new RmsNormBody(x.Pointer<float>(), weights.Pointer, y.Pointer<float>(), width, epsilon));
        GC.KeepAlive(x);
        GC.KeepAlive(y);
    }

    /// <inheritdoc/>
    public override Tensor RmsNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad)
    {
        RequireFloat32(nameof(RmsNormBackward), dy, "dy");
        return NormBackward(nameof(RmsNormBackward), dy, x, weight, epsilon, weightGrad, null, centered: false);
    }

    private Tensor NormBackward(string operation, Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad, Tensor? biasGrad, bool centered)
    {
        var width = CheckNorm(operation, x, weight);
        var rows = x.Shape.RowCount;
        var dx = New(x.Shape);
        if (rows == 0)
            return dx;
        using var weights = Widen(weight);
        var rowsPerGroup = NormBackwardBody.RowsPerGroup(rows);
        var groups = (rows + rowsPerGroup - 1) / rowsPerGroup;
        var partialLength = groups * width;
        using var partials = Pool.RentScratch(2 * partialLength * sizeof(float));
        var weightPartials = weightGrad is null ? null : (float*)partials.Pointer;
        var biasPartials = biasGrad is null ? null : (float*)partials.Pointer + partialLength;
        Parallel(groups, rowsPerGroup * width * 6, new NormBackwardBody(
            dy.Pointer<float>(), x.Pointer<float>(), weights.Pointer, dx.Pointer<float>(), weightPartials, biasPartials, rows, width, epsilon, centered));
        if (weightGrad is not null)
            SumColumns(weightPartials, weightGrad.Pointer<float>(), groups, width, accumulate: true);
        if (biasGrad is not null)
            SumColumns(biasPartials, biasGrad.Pointer<float>(), groups, width, accumulate: true);
        GC.KeepAlive(dy);
        GC.KeepAlive(x);
        GC.KeepAlive(weightGrad);
        GC.KeepAlive(biasGrad);
        return dx;
    }

    private static int CheckLayerNorm(Tensor x, Tensor weight, Tensor bias)
    {
        var width = CheckNorm(nameof(LayerNorm), x, weight);
        return bias.ElementCount == width ? width : throw new TensorException(nameof(LayerNorm), $"bias {bias.Shape} does not fit x {x.Shape}.");
    }

    private static int CheckNorm(string operation, Tensor x, Tensor weight)
    {
        RequireFloat32(operation, x, "x");
        RequireAxis(operation, x.Shape, 0);
        if (weight.ElementCount != x.Shape[^1])
            throw new TensorException(operation, $"weight {weight.Shape} does not fit x {x.Shape}.");
        return x.Shape[^1];
    }

    /// <summary>A small vector as float32: in place, or widened into scratch memory.</summary>
    private WidenedVector Widen(Tensor tensor) => new(this, tensor);

    private readonly ref struct WidenedVector
    {
        private readonly WorkerPool.Scratch _scratch;
        private readonly Tensor _tensor;
        private readonly bool _rented;

        public WidenedVector(CpuBackend backend, Tensor tensor)
        {
            RequireFloatingPoint(nameof(Widen), tensor);
            _tensor = tensor;
            if (tensor.DType == DType.Float32)
            {
                Pointer = tensor.Pointer<float>();
                return;
            }

            _scratch = backend.Pool.RentScratch(tensor.ElementCount * sizeof(float));
            _rented = true;
            Pointer = (float*)_scratch.Pointer;
            backend.Parallel(tensor.ElementCount, 2, new FloatCastBody(tensor.DType, (void*)tensor.Address, DType.Float32, Pointer), 16);
        }

        public float* Pointer { get; }

        public void Dispose()
        {
            if (_rented)
                _scratch.Dispose();
            GC.KeepAlive(_tensor);
        }
    }
}
