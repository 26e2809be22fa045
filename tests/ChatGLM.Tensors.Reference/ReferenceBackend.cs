namespace ChatGLM.Tensors;

/// <summary>
/// Every kernel of the contract written the obvious way: scalar loops, sums in double, one thread. It is the witness that the fast backends are checked against,
/// and the example of how little a backend needs.
/// </summary>
public partial class ReferenceBackend : HostBackend
{
    private delegate double Binary(double a, double b);

    /// <inheritdoc/>
    public override DecodeKernels Decoding => new(this);

    /// <inheritdoc/>
    public override void Fill(Tensor target, double value)
    {
        target.MakeWritable();
        for (long i = 0; i < target.ElementCount; i++)
            Set(target, i, value);
    }

    /// <inheritdoc/>
    public override Tensor Copy(Tensor x) => Gather(x, x.Shape, i => i);

    /// <inheritdoc/>
    public override Tensor Cast(Tensor x, DType dtype)
    {
        var y = New(x.Shape, dtype);
        for (long i = 0; i < x.ElementCount; i++)
        {
            if (x.DType.IsFloatingPoint() || dtype.IsFloatingPoint())
                Set(y, i, Get(x, i));
            else
                SetInteger(y, i, GetInteger(x, i));
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor Permute(Tensor x, ReadOnlySpan<int> axes)
    {
        var order = axes.ToArray();
        var from = x.Shape;
        var shape = new Shape(order.Select(axis => from[axis]).ToArray());
        return Gather(x, shape, i =>
        {
            var index = Unravel(i, shape);
            var source = new int[order.Length];
            for (var axis = 0; axis < order.Length; axis++)
                source[order[axis]] = index[axis];
            return Ravel(source, from);
        });
    }

    /// <inheritdoc/>
    public override Tensor Concat(ReadOnlySpan<Tensor> tensors, int axis)
    {
        var length = 0;
        foreach (var tensor in tensors)
            length += tensor.Shape[axis];
        var y = New(tensors[0].Shape.With(axis, length), tensors[0].DType);
        var at = 0;
        foreach (var tensor in tensors)
        {
            WriteSlice(y, tensor, axis, at);
            at += tensor.Shape[axis];
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor Slice(Tensor x, int axis, int start, int length)
    {
        var from = x.Shape;
        var shape = from.With(axis, length);
        return Gather(x, shape, i =>
        {
            var index = Unravel(i, shape);
            index[axis] += start;
            return Ravel(index, from);
        });
    }

    /// <inheritdoc/>
    public override void WriteSlice(Tensor target, Tensor source, int axis, int start)
    {
        target.MakeWritable();
        for (long i = 0; i < source.ElementCount; i++)
        {
            var index = Unravel(i, source.Shape);
            index[axis] += start;
            CopyElement(source, i, target, Ravel(index, target.Shape));
        }
    }

    /// <inheritdoc/>
    public override Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows)
    {
        var chosen = rows.ToArray();
        var perRow = x.Shape[0] == 0 ? 0 : x.ElementCount / x.Shape[0];
        return Gather(x, x.Shape.With(0, chosen.Length), i => (chosen[i / perRow] * perRow) + (i % perRow));
    }

    /// <inheritdoc/>
    public override Tensor Add(Tensor a, Tensor b, float scale = 1) => Combine(a, b, (p, q) => p + (scale * q));

    /// <inheritdoc/>
    public override Tensor Multiply(Tensor a, Tensor b) => Combine(a, b, (p, q) => p * q);

    /// <inheritdoc/>
    public override Tensor Divide(Tensor a, Tensor b) => Combine(a, b, (p, q) => p / q);

    /// <inheritdoc/>
    public override Tensor Affine(Tensor x, float scale, float offset) => Map(x, v => (scale * v) + offset);

    /// <inheritdoc/>
    public override Tensor Unary(UnaryOp op, Tensor x) => Map(x, v => Value(op, v));

    /// <inheritdoc/>
    public override Tensor UnaryBackward(UnaryOp op, Tensor dy, Tensor x) => Combine(dy, x, (d, v) => d * Derivative(op, v));

    /// <inheritdoc/>
    public override void AddInPlace(Tensor target, Tensor source, float scale = 1)
    {
        target.MakeWritable();
        for (long i = 0; i < target.ElementCount; i++)
            Set(target, i, Get(target, i) + (scale * Get(source, i)));
    }

    /// <inheritdoc/>
    public override void ScaleInPlace(Tensor target, float scale)
    {
        target.MakeWritable();
        for (long i = 0; i < target.ElementCount; i++)
            Set(target, i, scale * Get(target, i));
    }

    /// <inheritdoc/>
    public override Tensor SumTo(Tensor x, in Shape shape)
    {
        var y = New(shape);
        for (long i = 0; i < y.ElementCount; i++)
        {
            double sum = 0;
            for (var j = i; j < x.ElementCount; j += y.ElementCount)
                sum += Get(x, j);
            Set(y, i, sum);
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor SumLast(Tensor x)
    {
        var y = New(new Shape(x.Shape.ToArray().AsSpan(0, x.Shape.Rank - 1)));
        var width = x.Shape[^1];
        for (long row = 0; row < y.ElementCount; row++)
        {
            double sum = 0;
            for (var i = 0; i < width; i++)
                sum += Get(x, (row * width) + i);
            Set(y, row, sum);
        }

        return y;
    }

    /// <inheritdoc/>
    public override double SumOfSquares(Tensor x)
    {
        double sum = 0;
        for (long i = 0; i < x.ElementCount; i++)
            sum += Get(x, i) * Get(x, i);
        return sum;
    }

    /// <inheritdoc/>
    public override void AdamWStep(Tensor parameter, Tensor gradient, Tensor firstMoment, Tensor secondMoment, in AdamWStep step)
    {
        parameter.MakeWritable();
        var correction1 = 1 - Math.Pow(step.Beta1, step.Step);
        var correction2 = 1 - Math.Pow(step.Beta2, step.Step);
        for (long i = 0; i < parameter.ElementCount; i++)
        {
            var g = Get(gradient, i) * step.GradientScale;
            var m = (step.Beta1 * Get(firstMoment, i)) + ((1 - step.Beta1) * g);
            var v = (step.Beta2 * Get(secondMoment, i)) + ((1 - step.Beta2) * g * g);
            Set(firstMoment, i, m);
            Set(secondMoment, i, v);
            var decayed = Get(parameter, i) * (1 - (step.LearningRate * step.WeightDecay));
            Set(parameter, i, decayed - (step.LearningRate / correction1 * m / ((Math.Sqrt(v) / Math.Sqrt(correction2)) + step.Epsilon)));
        }
    }

    private static double Value(UnaryOp op, double x) => op switch
    {
        UnaryOp.GeluTanh => 0.5 * x * (1 + Math.Tanh(0.7978845608028654 * x * (1 + (0.044715 * x * x)))),
        UnaryOp.Silu => x / (1 + Math.Exp(-x)),
        UnaryOp.Tanh => Math.Tanh(x),
        UnaryOp.Sigmoid => 1 / (1 + Math.Exp(-x)),
        UnaryOp.Relu => Math.Max(x, 0),
        UnaryOp.Softplus => Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x))),
        UnaryOp.Exp => Math.Exp(x),
        UnaryOp.Log => Math.Log(x),
        UnaryOp.Sqrt => Math.Sqrt(x),
        UnaryOp.Square => x * x,
        _ => throw new ArgumentOutOfRangeException(nameof(op), op, null),
    };

    private static double Derivative(UnaryOp op, double x)
    {
        switch (op)
        {
            case UnaryOp.GeluTanh:
                var tanh = Math.Tanh(0.7978845608028654 * x * (1 + (0.044715 * x * x)));
                return (0.5 * (1 + tanh)) + (0.5 * x * (1 - (tanh * tanh)) * 0.7978845608028654 * (1 + (3 * 0.044715 * x * x)));
            case UnaryOp.Silu:
                var sigmoid = 1 / (1 + Math.Exp(-x));
                return sigmoid * (1 + (x * (1 - sigmoid)));
            case UnaryOp.Tanh:
                return 1 - (Math.Tanh(x) * Math.Tanh(x));
            case UnaryOp.Sigmoid:
                return 1 / (1 + Math.Exp(-x)) * (1 - (1 / (1 + Math.Exp(-x))));
            case UnaryOp.Relu:
                return x > 0 ? 1 : 0;
            case UnaryOp.Softplus:
                return 1 / (1 + Math.Exp(-x));
            case UnaryOp.Exp:
                return Math.Exp(x);
            case UnaryOp.Log:
                return 1 / x;
            case UnaryOp.Sqrt:
                return 0.5 / Math.Sqrt(x);
            case UnaryOp.Square:
                return 2 * x;
            default:
                throw new ArgumentOutOfRangeException(nameof(op), op, null);
        }
    }

    private Tensor Map(Tensor x, Func<double, double> f)
    {
        var y = New(x.Shape);
        for (long i = 0; i < x.ElementCount; i++)
            Set(y, i, f(Get(x, i)));
        return y;
    }

    private Tensor Combine(Tensor a, Tensor b, Binary f)
    {
        var y = New(a.Shape);
        for (long i = 0; i < a.ElementCount; i++)
            Set(y, i, f(Get(a, i), Get(b, i % b.ElementCount)));
        return y;
    }

    private Tensor Gather(Tensor x, Shape shape, Func<long, long> source)
    {
        var y = New(shape, x.DType);
        for (long i = 0; i < y.ElementCount; i++)
            CopyElement(x, source(i), y, i);
        return y;
    }
}
