namespace ChatGLM.TorchSharp;

/// <content>Matrix products over weights of every format. Quantized ones are widened on the device, one layer at a time.</content>
public sealed partial class TorchBackend
{
    /// <inheritdoc/>
    public override Tensor Linear(Tensor x, LinearWeight weight, Tensor? bias)
    {
        using var scope = Torch.NewDisposeScope();
        var type = ComputeTypeOf(weight);
        var y = Float(Rows(x).to_type(type).mm(Matrix(weight, type).t()));
        if (bias is not null)
            y.add_(Float(View(bias)));
        return Wrap(y.view(x.Shape.With(x.Shape.Rank - 1, weight.OutFeatures).ToTorch()));
    }

    /// <inheritdoc/>
    public override Tensor LinearBackwardInput(Tensor dy, LinearWeight weight)
    {
        using var scope = Torch.NewDisposeScope();
        var type = ComputeTypeOf(weight);
        var dx = Float(Rows(dy).to_type(type).mm(Matrix(weight, type)));
        return Wrap(dx.view(dy.Shape.With(dy.Shape.Rank - 1, weight.InFeatures).ToTorch()));
    }

    /// <inheritdoc/>
    public override void LinearBackwardWeight(Tensor dy, Tensor x, Tensor grad)
    {
        using var scope = Torch.NewDisposeScope();
        View(grad).add_(Rows(dy).t().mm(Rows(x)));
    }

    /// <inheritdoc/>
    public override RowQuantizedWeight Quantize(Tensor matrix, in RowQuantization how)
    {
        var (rows, columns) = (matrix.Shape[0], matrix.Shape[1]);
        if (how.Bits == 4 && columns % 2 != 0)
            throw new TensorException(nameof(Quantize), $"4 bits need an even number of columns, found {matrix.Shape}.");
        using var scope = Torch.NewDisposeScope();
        var largest = how.Bits == 8 ? 127 : 7;
        var wide = Float(View(matrix));
        RequireFinite(wide);
        // A row without columns has no largest magnitude; its scale is 0 as that of a row of zeros.
        var scale = columns == 0 ? Torch.zeros([rows], Torch.ScalarType.Float32, _device) : wide.abs().amax([1]).div_(Torch.tensor((float)largest, Torch.ScalarType.Float32, _device));
        var stored = scale.to_type(how.ScaleType.ToTorch());
        var divisor = (how.DividesByStoredScale ? Float(stored) : scale).unsqueeze(1);
        var integers = wide.div(divisor.masked_fill(divisor.eq(I(0)), S(1))).masked_fill_(divisor.eq(I(0)), S(0)).round_().clamp_(I(-largest), I(largest)).to_type(Torch.ScalarType.Int16);
        if (how.Bits == 4)
        {
            // A byte holds two columns, the even one in its high half. As 16-bit numbers: 16 * even + (odd and 15), which is within a signed byte.
            var pairs = integers.view(rows, columns / 2, 2);
            integers = pairs.select(2, 0).mul(I(16)).add_(pairs.select(2, 1).remainder(I(16)));
        }

        return new RowQuantizedWeight(Wrap(integers.to_type(Torch.ScalarType.Int8)), Wrap(Fresh(stored)), how.Bits);
    }

    /// <summary>Quantizes on the processor, whose numbers are the format's own, and brings the result here.</summary>
    public override GroupQuantizedWeight Quantize(Tensor matrix, GroupQuantization how)
    {
        using var onHost = matrix.On(CpuBackend.Shared);
        var made = CpuBackend.Shared.Quantize(onHost, how);
        using (made.Weight)
        using (made.Scale)
        using (made.Minimum)
            return new GroupQuantizedWeight(made.Weight.On(this), made.Scale.On(this), made.Minimum?.On(this), made.OutFeatures, made.InFeatures, how);
    }

    /// <inheritdoc/>
    public override Tensor Dequantize(LinearWeight weight)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(Fresh(Matrix(weight, Torch.ScalarType.Float32)));
    }

    /// <inheritdoc/>
    public override Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false)
    {
        using var scope = Torch.NewDisposeScope();
        var (left, right) = (View(a), View(b));
        return Wrap((transposeA ? left.transpose(-1, -2) : left).matmul(transposeB ? right.transpose(-1, -2) : right));
    }

    /// <inheritdoc/>
    public override (Tensor Sum, bool IsFinite) AddLowRank(Tensor matrix, ReadOnlySpan<LowRankTerm> terms)
    {
        using var scope = Torch.NewDisposeScope();
        var sum = View(matrix).to_type(Torch.ScalarType.Float32);
        if (matrix.DType == DType.Float32)
            sum = sum.clone();
        foreach (var term in terms)
            sum.add_(View(term.Left).mm(View(term.Right)), S(term.Scale));
        var rounded = sum.to_type(matrix.DType.ToTorch());
        return (Wrap(rounded), rounded.isfinite().all().item<bool>());
    }

    private Torch.ScalarType ComputeTypeOf(LinearWeight weight)
    {
        if (Options.ComputeType is { } chosen)
            return chosen.ToTorch();
        if (IsHost)
            return Torch.ScalarType.Float32;
        return weight is DenseWeight { Tensor.DType: var dtype } ? dtype.ToTorch() : Torch.ScalarType.Float16;
    }

    /// <summary>A weight of any format as [out, in] of a floating-point type. An element of a quantized one is its integer times its scale, in float32, rounded once.</summary>
    private Torch.Tensor Matrix(LinearWeight weight, Torch.ScalarType type) => weight switch
    {
        DenseWeight dense => View(dense.Tensor).to_type(type),
        RowQuantizedWeight rows => Integers(rows).mul_(Float(View(rows.Scale)).unsqueeze(1)).to_type(type),
        GroupQuantizedWeight groups => Widened(groups).to_type(type),
        _ => throw new TensorException(nameof(Linear), $"a {weight.GetType().Name} has no kernel on {Device}; expected a dense, row-wise or group-wise quantized weight. Load the model without it, or on the processor."),
    };

    /// <summary>The integers of a quantized weight as float32 [out, in].</summary>
    private Torch.Tensor Integers(RowQuantizedWeight weight)
    {
        var bytes = View(weight.Weight);
        if (weight.Bits == 8)
            return Float(bytes);
        // The high half, as a signed number, is the byte over 16 rounded down; the low half is what is left, of which 8 and more stand for negative numbers.
        var wide = bytes.to_type(Torch.ScalarType.Int16);
        var low = wide.remainder(I(16));
        var high = wide.sub(low).div(I(16), Torch.RoundingMode.floor);
        low = low.add(I(8)).remainder(I(16)).sub_(I(8));
        return Float(Torch.stack(new[] { high, low }, 2).view(weight.OutFeatures, weight.InFeatures));
    }

    /// <summary>A group-wise weight as float32 [out, in]: undoes the interleaving of sixteen rows that <see cref="GroupQuantizedWeight"/> describes.</summary>
    private Torch.Tensor Widened(GroupQuantizedWeight weight)
    {
        const int Rows = GroupQuantizedWeight.RowsPerBlock;
        var (blocks, groups, size) = ((long)weight.Blocks, (long)weight.Groups, (long)weight.Format.GroupSize);
        var bytes = View(weight.Weight);
        Torch.Tensor numbers;
        if (weight.Format.Bits == 8)
        {
            numbers = Float(bytes).view(blocks, groups, size / 4, Rows, 4).permute(0, 3, 1, 2, 4);
        }
        else
        {
            var wide = bytes.to_type(Torch.ScalarType.Int16).view(blocks, groups, size / 8, Rows, 4);
            var low = wide.remainder(I(16));
            numbers = Float(Torch.stack(new[] { low, wide.sub(low).div(I(16), Torch.RoundingMode.floor) }, 4)).permute(0, 3, 1, 2, 4, 5);
        }

        // A number times a scale is exact in float32, so that adding the minimum rounds once.
        var matrix = numbers.reshape(blocks * Rows, groups, size);
        if (weight.Minimum is null)
            matrix.sub_(S(1 << (weight.Format.Bits - 1)));
        matrix = matrix.mul(PerGroup(weight.Scale));
        if (weight.Minimum is { } minimum)
            matrix.add_(PerGroup(minimum));
        return matrix.view(blocks * Rows, groups * size).narrow(0, 0, weight.OutFeatures).narrow(1, 0, weight.InFeatures);

        Torch.Tensor PerGroup(Tensor values) => Float(View(values)).permute(0, 2, 1).reshape(blocks * Rows, groups, 1);
    }

    private static void RequireFinite(Torch.Tensor matrix)
    {
        var finite = matrix.isfinite().all(1);
        if (finite.all().item<bool>())
            return;
        throw new TensorException(nameof(Quantize), $"row {finite.to_type(Torch.ScalarType.Int32).argmin().item<long>()} holds NaN or infinity.");
    }
}
