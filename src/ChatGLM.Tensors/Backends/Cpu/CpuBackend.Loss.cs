namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override Tensor CrossEntropy(Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor? logSumExp)
    {
        var (rows, classes) = CheckLabels(nameof(CrossEntropy), logits, labels, ignoreIndex);
        if (logSumExp is not null)
            RequireFloat32(nameof(CrossEntropy), logSumExp, "logSumExp");
        var y = New(Shape.Scalar);
        using var scratch = Pool.RentScratch(rows * sizeof(double));
        var losses = (double*)scratch.Pointer;
        var sums = logSumExp is null ? null : logSumExp.Pointer<float>();
        Parallel(rows, 8L * classes, new CrossEntropyBody(logits.Pointer<float>(), labels.Pointer<long>(), classes, ignoreIndex, labelSmoothing, sums, losses));
        double loss = 0;
        for (long row = 0; row < rows; row++)
            loss += losses[row];
        *y.Pointer<float>() = (float)(loss / CountLabels(labels, ignoreIndex));
        GC.KeepAlive(logits);
        GC.KeepAlive(labels);
        GC.KeepAlive(logSumExp);
        return y;
    }

    /// <inheritdoc/>
    public override Tensor CrossEntropyBackward(Tensor dy, Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor logSumExp)
    {
        RequireFloat32(nameof(CrossEntropyBackward), dy, "dy", logSumExp, "logSumExp");
        var (rows, classes) = CheckLabels(nameof(CrossEntropyBackward), logits, labels, ignoreIndex);
        var dx = New(logits.Shape);
        var scale = *dy.Pointer<float>() / Math.Max(1, CountLabels(labels, ignoreIndex));
        Parallel(rows, 8L * classes, new CrossEntropyBackwardBody(
            logits.Pointer<float>(), labels.Pointer<long>(), classes, ignoreIndex, labelSmoothing, logSumExp.Pointer<float>(), scale, dx.Pointer<float>()));
        GC.KeepAlive(dy);
        GC.KeepAlive(logits);
        GC.KeepAlive(labels);
        GC.KeepAlive(logSumExp);
        return dx;
    }

    private static (int Rows, int Classes) CheckLabels(string operation, Tensor logits, Tensor labels, int ignoreIndex)
    {
        RequireFloat32(operation, logits, "logits");
        RequireInt64(operation, labels, "labels");
        if (logits.Shape.Rank != 2 || labels.ElementCount != logits.Shape[0])
            throw new TensorException(operation, $"expected logits [rows, classes] and one label per row, found {logits.Shape} and {labels.Shape}.");
        var (rows, classes) = (logits.Shape[0], logits.Shape[1]);
        var values = labels.Pointer<long>();
        for (var row = 0; row < rows; row++)
        {
            if (values[row] != ignoreIndex && (ulong)values[row] >= (ulong)classes)
                throw new TensorException(operation, $"label {values[row]} at row {row} is not in 0..{classes - 1}, nor is it the ignored {ignoreIndex}.");
        }

        GC.KeepAlive(labels);
        return (rows, classes);
    }

    private static long CountLabels(Tensor labels, int ignoreIndex)
    {
        long counted = 0;
        var values = labels.Pointer<long>();
        for (long row = 0; row < labels.ElementCount; row++)
            counted += values[row] == ignoreIndex ? 0 : 1;
        GC.KeepAlive(labels);
        return counted;
    }
}
