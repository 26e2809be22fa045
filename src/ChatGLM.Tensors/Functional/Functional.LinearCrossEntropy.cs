namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>Scores that are held at once.</summary>
    private const long ScoreBytes = 64L << 20;

    /// <summary>
    /// The mean cross entropy of scores x W^T, without ever holding the scores of all rows: <see cref="Linear"/> and <see cref="CrossEntropy"/> in one, a block of rows at a time, and only for rows
    /// whose label counts. With a vocabulary of 65,024 and 2,048 tokens the scores and their gradient would take a gigabyte. Where the weight is frozen the gradient of x is computed along with the loss;
    /// where it is trained the scores are computed once more in the backward pass.
    /// </summary>
    /// <param name="x">float32 [rows, in].</param>
    /// <param name="weight">[classes, in] in any format; only a <see cref="DenseWeight"/> can be trained itself.</param>
    /// <param name="labels">int64 [rows].</param>
    /// <param name="ignoreIndex">The label of a row that does not count.</param>
    /// <param name="blockRows">How many rows are scored at once; 0 for 64 MiB of scores.</param>
    /// <returns>A single number; NaN if no row counts.</returns>
    /// <exception cref="TensorException">A label is not a class, or a shape or type does not fit.</exception>
    public static Tensor LinearCrossEntropy(Tensor x, LinearWeight weight, Tensor labels, int ignoreIndex = -100, int blockRows = 0)
    {
        Require.Float32(nameof(LinearCrossEntropy), "x", x);
        Require.Rank(nameof(LinearCrossEntropy), "x", x, 2, "[rows, in]");
        Require.Width(nameof(LinearCrossEntropy), "x", x, weight.InFeatures);
        Require.ElementType(nameof(LinearCrossEntropy), "labels", labels, DType.Int64);
        Require.Shape(nameof(LinearCrossEntropy), "labels", labels, [x.Shape[0]]);
        Require.SameBackend(nameof(LinearCrossEntropy), x.Backend, weight.Backend);
        Require.SameBackend(nameof(LinearCrossEntropy), x, labels);
        if (blockRows < 0)
            throw new TensorException(nameof(LinearCrossEntropy), $"blockRows: expected 0 or more, found {blockRows}.");
        if (blockRows == 0)
            blockRows = (int)Math.Clamp(ScoreBytes / sizeof(float) / weight.OutFeatures, 64, int.MaxValue);

        var matrix = (weight as DenseWeight)?.Tensor;
        var blocks = new ScoredRows(labels, ignoreIndex, blockRows);
        if (!GradFunction.Records(x, matrix))
            return blocks.Loss(x, weight, inputGrad: null);
        if (matrix is { RequiresGrad: true })
            return new LinearCrossEntropyFunction(x, matrix, blocks, inputGrad: null).Attach(blocks.Loss(x, weight, inputGrad: null));
        using var inputGrad = Tensor.Zeros(x.Shape, DType.Float32, x.Backend);
        var loss = blocks.Loss(x, weight, inputGrad);
        return new LinearCrossEntropyFunction(x, matrix: null, blocks, inputGrad).Attach(loss);
    }

    /// <summary>The rows that count, in blocks.</summary>
    private sealed class ScoredRows
    {
        private readonly long[] _labels;
        private readonly int[] _counted;
        private readonly int _ignoreIndex;
        private readonly int _blockRows;

        public ScoredRows(Tensor labels, int ignoreIndex, int blockRows)
        {
            _labels = labels.ToArray<long>();
            _counted = [.. Enumerable.Range(0, _labels.Length).Where(row => _labels[row] != ignoreIndex)];
            (_ignoreIndex, _blockRows) = (ignoreIndex, blockRows);
        }

        /// <summary>The mean loss; the gradient of x goes to <paramref name="inputGrad"/>, zeros [rows, in], if it is given.</summary>
        public Tensor Loss(Tensor x, LinearWeight weight, Tensor? inputGrad)
        {
            var backend = x.Backend;
            if (_counted.Length == 0)
                return Tensor.Full([], double.NaN, DType.Float32, backend);
            using var one = inputGrad is null ? null : Tensor.Full([], 1, DType.Float32, backend);
            var sum = 0.0;
            foreach (var (start, count) in Blocks())
            {
                var share = (float)((double)count / _counted.Length);
                using var block = Select(x, start, count);
                using var labels = Labels(start, count, backend);
                using var scores = GradMode.IsOff ? backend.LinearInference(block, weight, null) : backend.Linear(block, weight, null);
                using var logSumExp = inputGrad is null ? null : Tensor.Empty([count], DType.Float32, backend);
                var loss = backend.CrossEntropy(scores, labels, _ignoreIndex, 0, logSumExp);
                if (inputGrad is not null)
                {
                    using var scale = backend.Affine(one!, share, 0);
                    using var scoreGrad = backend.CrossEntropyBackward(scale, scores, labels, _ignoreIndex, 0, logSumExp!);
                    AddInputGrad(scoreGrad, weight, start, count, inputGrad);
                }

                if (count == _counted.Length)
                    return loss;
                sum += loss.Item() * share;
                loss.Dispose();
            }

            return Tensor.Full([], sum, DType.Float32, backend);
        }

        /// <summary>Computes the scores once more, for the gradients of the weight, times dy, and of x (if wanted), which is not multiplied: as it is where the loss brought it along.</summary>
        public void Backward(Tensor dy, Tensor x, DenseWeight weight, Tensor? inputGrad, Tensor weightGrad)
        {
            var backend = x.Backend;
            using var one = Tensor.Full([], 1, DType.Float32, backend);
            foreach (var (start, count) in Blocks())
            {
                using var block = Select(x, start, count);
                using var labels = Labels(start, count, backend);
                using var scores = backend.Linear(block, weight, null);
                using var logSumExp = Tensor.Empty([count], DType.Float32, backend);
                backend.CrossEntropy(scores, labels, _ignoreIndex, 0, logSumExp).Dispose();
                using var scale = backend.Affine(one, (float)((double)count / _counted.Length), 0);
                using var scoreGrad = backend.CrossEntropyBackward(scale, scores, labels, _ignoreIndex, 0, logSumExp);
                using var scaled = backend.Multiply(block, dy);
                backend.LinearBackwardWeight(scoreGrad, scaled, weightGrad);
                if (inputGrad is not null)
                    AddInputGrad(scoreGrad, weight, start, count, inputGrad);
            }
        }

        private IEnumerable<(int Start, int Count)> Blocks()
        {
            for (var start = 0; start < _counted.Length; start += _blockRows)
                yield return (start, Math.Min(_blockRows, _counted.Length - start));
        }

        private Tensor Select(Tensor x, int start, int count) => count == _labels.Length ? x.Alias() : x.Backend.SelectRows(x, _counted.AsSpan(start, count));

        private Tensor Labels(int start, int count, Backend backend) => Tensor.From(Array.ConvertAll(_counted[start..(start + count)], row => _labels[row]), [count], backend);

        private void AddInputGrad(Tensor scoreGrad, LinearWeight weight, int start, int count, Tensor inputGrad)
        {
            var backend = inputGrad.Backend;
            using var grad = backend.LinearBackwardInput(scoreGrad, weight);
            // Adding rows at their places is what the gradient of an embedding does.
            using var places = Tensor.From(Array.ConvertAll(_counted[start..(start + count)], row => (long)row), [count], backend);
            backend.EmbeddingBackward(grad, places, inputGrad);
        }
    }

    private sealed class LinearCrossEntropyFunction : GradFunction
    {
        private readonly ScoredRows _rows;
        private readonly Tensor? _inputGrad;
        private readonly Tensor? _x;
        private readonly Tensor? _matrix;

        public LinearCrossEntropyFunction(Tensor x, Tensor? matrix, ScoredRows rows, Tensor? inputGrad)
            : base(x, matrix)
        {
            _rows = rows;
            _inputGrad = SaveOptional(inputGrad);
            if (matrix is not null)
                (_x, _matrix) = (Save(x), Save(matrix));
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var dy = gradOutputs[0]!;
            if (_inputGrad is not null)
            {
                sink.Add(0, dy.Backend.Multiply(_inputGrad, dy));
                return;
            }

            var inputGrad = NeedsGrad(0) ? Tensor.Zeros(_x!.Shape, DType.Float32, _x.Backend) : null;
            _rows.Backward(dy, _x!, new DenseWeight(_matrix!), inputGrad, sink.Accumulator(1));
            if (inputGrad is not null)
            {
                sink.Add(0, dy.Backend.Multiply(inputGrad, dy));
                inputGrad.Dispose();
            }
        }
    }
}
