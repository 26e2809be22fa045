using ChatGLM.Tensors.Kernels;

namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    // Up to here a row of the weight is multiplied as it streams by; from here on packing it pays.
    private const int FewRows = 8;

    // From here on arithmetic bounds a product with row-quantized weights so much that rounding activations to 16 bits pays.
    private const int ManyRows = 64;

    private MatrixKernels? _matrices;

    private MatrixKernels Matrices => _matrices ??= MatrixKernels.For(VectorBits);

    /// <inheritdoc/>
    public override Tensor Linear(Tensor x, LinearWeight weight, Tensor? bias) => Linear(x, weight, bias, roundsActivations: false);

    /// <inheritdoc/>
    public override Tensor LinearInference(Tensor x, LinearWeight weight, Tensor? bias) => Linear(x, weight, bias, Options.RoundsActivations);

    private Tensor Linear(Tensor x, LinearWeight weight, Tensor? bias, bool roundsActivations)
    {
        RequireFloat32(nameof(Linear), x);
        var y = New(x.Shape.With(x.Shape.Rank - 1, weight.OutFeatures));
        Linear(x, weight, bias, y, roundsActivations);
        return y;
    }

    private void Linear(Tensor x, LinearWeight weight, Tensor? bias, Tensor y, bool roundsActivations)
    {
        var rows = x.Shape.RowCount;
        if (weight.InFeatures == 0)
            rows = y.Shape.RowCount;
        if (bias is null || bias.DType == DType.Float32)
        {
            Linear(x, rows, weight, bias is null ? null : bias.Pointer<float>(), y, roundsActivations);
        }
        else
        {
            using var scratch = Pool.RentScratch(bias.ElementCount * sizeof(float));
            var widened = (float*)scratch.Pointer;
            Matrices.Widen(bias.Pointer<byte>(), bias.DType, bias.ElementCount, widened);
            Linear(x, rows, weight, widened, y, roundsActivations);
        }

        GC.KeepAlive(x);
        GC.KeepAlive(weight);
        GC.KeepAlive(bias);
        GC.KeepAlive(y);
    }

    /// <inheritdoc/>
    public override Tensor LinearBackwardInput(Tensor dy, LinearWeight weight)
    {
        RequireFloat32(nameof(LinearBackwardInput), dy);
        var dx = New(dy.Shape.With(dy.Shape.Rank - 1, weight.InFeatures));
        switch (weight)
        {
            case DenseWeight { Tensor: var tensor }:
                var left = new LeftOperand(dy.Address, weight.OutFeatures, 1);
                var right = new DenseOperand(tensor.Pointer<byte>(), tensor.DType, isTransposed: false);
                Matrices.Multiply(Pool, dx.Shape.RowCount, weight.InFeatures, weight.OutFeatures, left, right, dx.Pointer<float>(), null, 0);
                break;
            case RowQuantizedWeight quantized:
                LinearQuantizedBackwardInput(dy, quantized, dx);
                break;
            case GroupQuantizedWeight grouped:
                Matrices.Multiply(Pool, dx.Shape.RowCount, new LeftOperand(dy.Address, weight.OutFeatures, 1), new GroupMatrix(grouped), isTransposed: false, dx.Pointer<float>(), null);
                break;
            case BlockQuantizedWeight blocks:
                Matrices.Multiply(Pool, dx.Shape.RowCount, new LeftOperand(dy.Address, weight.OutFeatures, 1), new BlockMatrix(blocks), isTransposed: false, dx.Pointer<float>(), null);
                break;
            default:
                throw Unsupported(nameof(LinearBackwardInput), weight);
        }

        GC.KeepAlive(dy);
        GC.KeepAlive(weight);
        return dx;
    }

    /// <inheritdoc/>
    public override void LinearBackwardWeight(Tensor dy, Tensor x, Tensor grad)
    {
        RequireFloat32(nameof(LinearBackwardWeight), dy);
        RequireFloat32(nameof(LinearBackwardWeight), x);
        RequireFloat32(nameof(LinearBackwardWeight), grad);
        var (outputs, inputs) = (grad.Shape[0], grad.Shape[1]);
        if (grad.ElementCount == 0)
            return;
        var rows = checked((int)(dy.ElementCount / outputs));
        var left = new LeftOperand(dy.Address, 1, outputs);
        var right = new DenseOperand(x.Pointer<byte>(), DType.Float32, isTransposed: false);
        Matrices.Multiply(Pool, outputs, inputs, rows, left, right, grad.Pointer<float>(), grad.Pointer<float>(), inputs);
        GC.KeepAlive(dy);
        GC.KeepAlive(x);
        GC.KeepAlive(grad);
    }

    private void Linear(Tensor x, long rows, LinearWeight weight, float* bias, Tensor y, bool roundsActivations)
    {
        switch (weight)
        {
            case DenseWeight dense:
                LinearDense(x, rows, dense.Tensor, bias, y);
                break;
            case RowQuantizedWeight quantized when roundsActivations && (rows is 1 or >= ManyRows):
                LinearQuantizedInteger(x, rows, quantized, bias, y);
                break;
            case RowQuantizedWeight quantized:
                LinearQuantized(x, rows, quantized, bias, y);
                break;
            case GroupQuantizedWeight grouped when roundsActivations:
                LinearGroupedInteger(x, rows, grouped, bias, y);
                break;
            case GroupQuantizedWeight grouped:
                LinearGrouped(x, rows, grouped, bias, y);
                break;
            case BlockQuantizedWeight blocks:
                LinearBlocks(x, rows, blocks, bias, y, roundsActivations);
                break;
            default:
                throw Unsupported(nameof(Linear), weight);
        }
    }

    private void LinearDense(Tensor x, long rows, Tensor weight, float* bias, Tensor y)
    {
        var (outputs, inputs) = (weight.Shape[0], weight.Shape[1]);
        var matrix = new DenseOperand(weight.Pointer<byte>(), weight.DType, isTransposed: true);
        if (rows <= FewRows)
            Matrices.FewRows(Pool, (int)rows, outputs, inputs, x.Pointer<float>(), matrix, bias, y.Pointer<float>());
        else
            Matrices.Multiply(Pool, rows, outputs, inputs, new LeftOperand(x.Address, inputs, 1), matrix, y.Pointer<float>(), bias, 0);
    }

    private static void RequireFloat32(string operation, Tensor tensor)
    {
        if (tensor.DType != DType.Float32)
            throw new TensorException(operation, $"activations and gradients are float32, found {tensor.Shape} {tensor.DType.TorchName()}; cast it first.");
    }

    private static TensorException Unsupported(string operation, LinearWeight weight) =>
        new(operation, $"the cpu backend has no kernel for the weight format {weight.GetType().Name}; use a dense, a row-quantized, a group-quantized or a block-quantized one.");
}
