namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    // A shorter b is repeated up to this length first, so that short rows do not cost a loop each.
    private const int MinPeriod = 512;

    /// <inheritdoc/>
    public override Tensor Add(Tensor a, Tensor b, float scale = 1) => Binary(nameof(Add), a, b, new AddScaledOperator(scale));

    /// <inheritdoc/>
    public override Tensor Multiply(Tensor a, Tensor b) => Binary(nameof(Multiply), a, b, default(MultiplyOperator));

    /// <inheritdoc/>
    public override Tensor Divide(Tensor a, Tensor b) => Binary(nameof(Divide), a, b, default(DivideOperator));

    /// <inheritdoc/>
    public override Tensor Affine(Tensor x, float scale, float offset) => Unary(nameof(Affine), x, new AffineOperator(scale, offset));

    /// <inheritdoc/>
    public override Tensor Unary(UnaryOp op, Tensor x) => op switch
    {
        UnaryOp.GeluTanh => Value<GeluTanhFunction>(x),
        UnaryOp.Silu => Value<SiluFunction>(x),
        UnaryOp.Tanh => Value<TanhFunction>(x),
        UnaryOp.Sigmoid => Value<SigmoidFunction>(x),
        UnaryOp.Relu => Value<ReluFunction>(x),
        UnaryOp.Softplus => Value<SoftplusFunction>(x),
        UnaryOp.Exp => Value<ExpFunction>(x),
        UnaryOp.Log => Value<LogFunction>(x),
        UnaryOp.Sqrt => Value<SqrtFunction>(x),
        UnaryOp.Square => Value<SquareFunction>(x),
        _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),
    };

    /// <inheritdoc/>
    public override Tensor UnaryBackward(UnaryOp op, Tensor dy, Tensor x) => op switch
    {
        UnaryOp.GeluTanh => ChainRule<GeluTanhFunction>(dy, x),
        UnaryOp.Silu => ChainRule<SiluFunction>(dy, x),
        UnaryOp.Tanh => ChainRule<TanhFunction>(dy, x),
        UnaryOp.Sigmoid => ChainRule<SigmoidFunction>(dy, x),
        UnaryOp.Relu => ChainRule<ReluFunction>(dy, x),
        UnaryOp.Softplus => ChainRule<SoftplusFunction>(dy, x),
        UnaryOp.Exp => ChainRule<ExpFunction>(dy, x),
        UnaryOp.Log => ChainRule<LogFunction>(dy, x),
        UnaryOp.Sqrt => ChainRule<SqrtFunction>(dy, x),
        UnaryOp.Square => ChainRule<SquareFunction>(dy, x),
        _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),
    };

    /// <inheritdoc/>
    public override void AddInPlace(Tensor target, Tensor source, float scale = 1)
    {
        if (target.ElementCount != source.ElementCount)
            throw new TensorException(nameof(AddInPlace), $"{source.Shape} cannot be added to {target.Shape}.");
        RequireFloatingPoint(nameof(AddInPlace), target);
        target.MakeWritable();
        RequireFloatingPoint(nameof(AddInPlace), source);
        void* a = (void*)target.Address, b = (void*)source.Address;
        var op = new AddScaledOperator(scale);
        if (target.DType == DType.Float32 && source.DType == DType.Float32)
            Parallel(target.ElementCount, 2, new BinaryBody<AddScaledOperator>((float*)a, (float*)b, (float*)a, target.ElementCount, op), 16);
        else
            Parallel(target.ElementCount, 2, new UpdateBody<AddScaledOperator>(target.DType, a, source.DType, b, op), 16);
        GC.KeepAlive(target);
        GC.KeepAlive(source);
    }

    /// <inheritdoc/>
    public override void ScaleInPlace(Tensor target, float scale)
    {
        RequireFloatingPoint(nameof(ScaleInPlace), target);
        target.MakeWritable();
        var x = (void*)target.Address;
        if (target.DType == DType.Float32)
            Parallel(target.ElementCount, 1, new UnaryBody<ScaleOperator>((float*)x, (float*)x, new ScaleOperator(scale)), 16);
        else
            Parallel(target.ElementCount, 1, new ScaleBody(target.DType, x, scale), 16);
        GC.KeepAlive(target);
    }

    private Tensor Value<TFunction>(Tensor x)
        where TFunction : struct, IUnaryFunction => Unary(nameof(Unary), x, default(ValueOperator<TFunction>));

    private Tensor ChainRule<TFunction>(Tensor dy, Tensor x)
        where TFunction : struct, IUnaryFunction => Binary(nameof(UnaryBackward), dy, x, default(ChainRuleOperator<TFunction>));

    private Tensor Unary<TOperator>(string operation, Tensor x, TOperator op)
        where TOperator : struct, IUnaryOperator
    {
        RequireFloat32(operation, x, "x");
        var y = New(x.Shape);
        Parallel(x.ElementCount, 2, new UnaryBody<TOperator>(x.Pointer<float>(), y.Pointer<float>(), op), 16);
        GC.KeepAlive(x);
        return y;
    }

    private Tensor Binary<TOperator>(string operation, Tensor a, Tensor b, TOperator op)
        where TOperator : struct, IBinaryOperator
    {
        RequireFloat32(operation, a, "a", b, "b");
        var (count, period) = (a.ElementCount, b.ElementCount);
        if (count != 0 && (period == 0 || count % period != 0))
            throw new TensorException(operation, $"{b.Shape} cannot be repeated along the outer axes of {a.Shape}.");
        var y = New(a.Shape);
        if (count == 0)
            return y;
        if (period < MinPeriod && period < count)
        {
            var repeats = Math.Min(count / period, (MinPeriod + period - 1) / period);
            var repeated = stackalloc float[(int)(repeats * period)];
            for (long i = 0; i < repeats; i++)
                Buffer.MemoryCopy(b.Pointer<float>(), repeated + (i * period), period * sizeof(float), period * sizeof(float));
            Parallel(count, 3, new BinaryBody<TOperator>(a.Pointer<float>(), repeated, y.Pointer<float>(), repeats * period, op), 16);
        }
        else
        {
            Parallel(count, 3, new BinaryBody<TOperator>(a.Pointer<float>(), b.Pointer<float>(), y.Pointer<float>(), period, op), 16);
        }

        GC.KeepAlive(a);
        GC.KeepAlive(b);
        return y;
    }

    private static void RequireFloatingPoint(string operation, Tensor tensor)
    {
        if (!tensor.DType.IsFloatingPoint())
            throw new TensorException(operation, $"expected floating-point numbers, found {tensor.DType} {tensor.Shape}.");
    }
}
