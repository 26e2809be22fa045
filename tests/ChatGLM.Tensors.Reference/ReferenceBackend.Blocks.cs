namespace ChatGLM.Tensors;

public partial class ReferenceBackend
{
    /// <inheritdoc/>
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon)
    {
        var y = New(x.Shape);
        var width = x.Shape[^1];
        for (long row = 0; row < x.Shape.RowCount; row++)
        {
            var (mean, rstd) = Moments(x, row, width, epsilon);
            for (var i = 0; i < width; i++)
                Set(y, (row * width) + i, ((Get(x, (row * width) + i) - mean) * rstd * Get(weight, i)) + Get(bias, i));
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor LayerNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad, Tensor? biasGrad)
    {
        var dx = New(x.Shape);
        var width = x.Shape[^1];
        for (long row = 0; row < x.Shape.RowCount; row++)
        {
            var at = row * width;
            var (mean, rstd) = Moments(x, row, width, epsilon);
            double sum = 0, sumOfProducts = 0;
            for (var i = 0; i < width; i++)
            {
                var normed = (Get(x, at + i) - mean) * rstd;
                var d = Get(dy, at + i);
                sum += d * Get(weight, i);
                sumOfProducts += d * Get(weight, i) * normed;
                if (weightGrad is not null)
                    Set(weightGrad, i, Get(weightGrad, i) + (d * normed));
                if (biasGrad is not null)
                    Set(biasGrad, i, Get(biasGrad, i) + d);
            }

            for (var i = 0; i < width; i++)
            {
                var normed = (Get(x, at + i) - mean) * rstd;
                Set(dx, at + i, rstd * ((Get(dy, at + i) * Get(weight, i)) - (sum / width) - (normed * sumOfProducts / width)));
            }
        }

        return dx;
    }

    /// <inheritdoc/>
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon)
    {
        var y = New(x.Shape);
        var width = x.Shape[^1];
        for (long row = 0; row < x.Shape.RowCount; row++)
        {
            var rstd = RootMeanSquare(x, row, width, epsilon);
            for (var i = 0; i < width; i++)
                Set(y, (row * width) + i, Get(x, (row * width) + i) * rstd * Get(weight, i));
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor RmsNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad)
    {
        var dx = New(x.Shape);
        var width = x.Shape[^1];
        for (long row = 0; row < x.Shape.RowCount; row++)
        {
            var at = row * width;
            var rstd = RootMeanSquare(x, row, width, epsilon);
            double sumOfProducts = 0;
            for (var i = 0; i < width; i++)
            {
                var normed = Get(x, at + i) * rstd;
                sumOfProducts += Get(dy, at + i) * Get(weight, i) * normed;
                if (weightGrad is not null)
                    Set(weightGrad, i, Get(weightGrad, i) + (Get(dy, at + i) * normed));
            }

            for (var i = 0; i < width; i++)
                Set(dx, at + i, rstd * ((Get(dy, at + i) * Get(weight, i)) - (Get(x, at + i) * rstd * sumOfProducts / width)));
        }

        return dx;
    }

    /// <inheritdoc/>
    public override Tensor SwiGlu(Tensor x)
    {
        var width = x.Shape[^1] / 2;
        var y = New(x.Shape.With(x.Shape.Rank - 1, width));
        for (long i = 0; i < y.ElementCount; i++)
        {
            var at = (i / width * 2 * width) + (i % width);
            Set(y, i, Value(UnaryOp.Silu, Get(x, at)) * Get(x, at + width));
        }

        return y;
    }

    /// <inheritdoc/>
    public override Tensor SwiGluBackward(Tensor dy, Tensor x)
    {
        var width = dy.Shape[^1];
        var dx = New(x.Shape);
        for (long i = 0; i < dy.ElementCount; i++)
        {
            var at = (i / width * 2 * width) + (i % width);
            Set(dx, at, Get(dy, i) * Derivative(UnaryOp.Silu, Get(x, at)) * Get(x, at + width));
            Set(dx, at + width, Get(dy, i) * Value(UnaryOp.Silu, Get(x, at)));
        }

        return dx;
    }

    /// <inheritdoc/>
    public override Tensor CrossEntropy(Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor? logSumExp)
    {
        var classes = logits.Shape[1];
        double loss = 0;
        long counted = 0;
        for (long row = 0; row < logits.Shape[0]; row++)
        {
            double max = double.NegativeInfinity, sum = 0, total = 0;
            for (var c = 0; c < classes; c++)
                max = Math.Max(max, Get(logits, (row * classes) + c));
            for (var c = 0; c < classes; c++)
            {
                sum += Math.Exp(Get(logits, (row * classes) + c) - max);
                total += Get(logits, (row * classes) + c);
            }

            var lse = max + Math.Log(sum);
            if (logSumExp is not null)
                Set(logSumExp, row, lse);
            var label = GetInteger(labels, row);
            if (label == ignoreIndex)
                continue;
            if (label < 0 || label >= classes)
                throw new TensorException(nameof(CrossEntropy), $"label {label} at row {row} is not in 0..{classes - 1}.");
            counted++;
            loss += ((1 - labelSmoothing) * (lse - Get(logits, (row * classes) + label))) + (labelSmoothing * (lse - (total / classes)));
        }

        var y = New(Shape.Scalar);
        Set(y, 0, loss / counted);
        return y;
    }

    /// <inheritdoc/>
    public override Tensor CrossEntropyBackward(Tensor dy, Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor logSumExp)
    {
        var classes = logits.Shape[1];
        var dx = New(logits.Shape);
        long counted = 0;
        for (long row = 0; row < labels.ElementCount; row++)
            counted += GetInteger(labels, row) == ignoreIndex ? 0 : 1;
        for (long row = 0; row < labels.ElementCount; row++)
        {
            var label = GetInteger(labels, row);
            for (var c = 0; c < classes; c++)
            {
                var target = (c == label ? 1 - labelSmoothing : 0) + (labelSmoothing / classes);
                var p = Math.Exp(Get(logits, (row * classes) + c) - Get(logSumExp, row));
                Set(dx, (row * classes) + c, label == ignoreIndex ? 0 : Get(dy, 0) * (p - target) / counted);
            }
        }

        return dx;
    }

    private static (double Mean, double Rstd) Moments(Tensor x, long row, int width, float epsilon)
    {
        double sum = 0, squares = 0;
        for (var i = 0; i < width; i++)
            sum += Get(x, (row * width) + i);
        var mean = sum / width;
        for (var i = 0; i < width; i++)
            squares += (Get(x, (row * width) + i) - mean) * (Get(x, (row * width) + i) - mean);
        return (mean, 1 / Math.Sqrt((squares / width) + epsilon));
    }

    private static double RootMeanSquare(Tensor x, long row, int width, float epsilon)
    {
        double squares = 0;
        for (var i = 0; i < width; i++)
            squares += Get(x, (row * width) + i) * Get(x, (row * width) + i);
        return 1 / Math.Sqrt((squares / width) + epsilon);
    }
}
