using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Adafactor (Shazeer and Stern 2018) as transformers has it: of a matrix it keeps the mean squared gradient of each row and each column instead of each number, so its state is
/// small.
/// </summary>
public sealed class Adafactor : Optimizer
{
    private const int Momentum = 0;
    private const int Square = 1;
    private const int SquareRow = 2;
    private const int SquareColumn = 3;
    private const int VectorChunk = 8192;
    private static readonly string[] Names = ["exp_avg", "exp_avg_sq", "exp_avg_sq_row", "exp_avg_sq_col"];

    private readonly AdafactorOptions _options;

    /// <summary>Trains parameters as one group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">The numbers; transformers' defaults if null.</param>
    public Adafactor(IEnumerable<Tensor> parameters, AdafactorOptions? options = null)
        : this([new ParameterGroup(parameters, (options ??= new()).LearningRate, options.WeightDecay)], options)
    {
    }

    /// <summary>Trains groups of parameters, each with its own learning rate and weight decay; those of the options are not used.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="options">The other numbers; transformers' defaults if null.</param>
    public Adafactor(IEnumerable<ParameterGroup> groups, AdafactorOptions? options = null)
        : base(groups)
    {
        _options = options ?? new();
        if (_options is not { Beta1: null or (>= 0 and < 1), ClipThreshold: > 0, DecayRate: <= 0 })
            throw new ArgumentOutOfRangeException(nameof(options), options, "Beta1 is at least 0 and less than 1, the clip threshold positive and the decay rate not positive.");
        if (_options is { WarmupInit: true, RelativeStep: false })
            throw new ArgumentOutOfRangeException(nameof(options), options, "WarmupInit needs RelativeStep.");
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, object?> Defaults => new Dictionary<string, object?>
    {
        ["eps"] = new object?[] { _options.SquaredGradientEpsilon, _options.ParameterScaleEpsilon },
        ["clip_threshold"] = _options.ClipThreshold,
        ["decay_rate"] = _options.DecayRate,
        ["beta1"] = _options.Beta1,
        ["scale_parameter"] = _options.ScaleParameter,
        ["relative_step"] = _options.RelativeStep,
        ["warmup_init"] = _options.WarmupInit,
    };

    private protected override ReadOnlySpan<string> StateNames => Names;

    private protected override bool IsOptional(int index, int slot) => slot switch
    {
        Momentum => _options.Beta1 is null,
        Square => ParameterShape(index).Rank >= 2,
        _ => ParameterShape(index).Rank < 2,
    };

    private protected override Shape StateShape(int index, int slot) => slot switch
    {
        SquareRow => RowShape(ParameterShape(index)),
        SquareColumn => ColumnShape(ParameterShape(index)),
        _ => ParameterShape(index),
    };

    private protected override void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale)
    {
        parameter.MakeWritable();
        var shape = parameter.Shape;
        var isFactored = shape.Rank >= 2;
        var columns = isFactored ? shape[^1] : (int)Math.Min(VectorChunk, shape.ElementCount);
        if (columns == 0 || shape.ElementCount == 0)
            return;
        var rate = Rate(group.LearningRate, parameter, step);
        var decay = (float)(1 - Math.Pow(step, _options.DecayRate));
        using var pass = new Pass(this, index, parameter, gradient, gradientScale, columns);
        if (isFactored)
            pass.UpdateFactors(shape[^2], decay, (float)_options.SquaredGradientEpsilon);
        else
            pass.UpdateSquares(decay, (float)_options.SquaredGradientEpsilon);
        var rootMeanSquare = Math.Sqrt(pass.SumOfSquaredUpdates() / shape.ElementCount);
        var scale = rate / Math.Max(1, rootMeanSquare / _options.ClipThreshold);
        pass.Apply((float)scale, (float?)_options.Beta1, (float)(1 - (group.WeightDecay * rate)));
    }

    private static Shape RowShape(in Shape shape)
    {
        Span<int> axes = stackalloc int[Math.Max(0, shape.Rank - 1)];
        for (var axis = 0; axis < axes.Length; axis++)
            axes[axis] = shape[axis];
        return new Shape(axes);
    }

    private static Shape ColumnShape(in Shape shape)
    {
        if (shape.Rank < 2)
            return shape;
        Span<int> axes = stackalloc int[shape.Rank - 1];
        for (var axis = 0; axis < axes.Length; axis++)
            axes[axis] = shape[axis < axes.Length - 1 ? axis : shape.Rank - 1];
        return new Shape(axes);
    }

    private double Rate(double learningRate, Tensor parameter, long step)
    {
        if (_options.RelativeStep)
            learningRate = Math.Min(_options.WarmupInit ? 1e-6 * step : 1e-2, 1 / Math.Sqrt(step));
        if (!_options.ScaleParameter)
            return learningRate;
        using var wide = parameter.DType == DType.Float32 ? null : parameter.Backend.Cast(parameter, DType.Float32);
        var rootMeanSquare = Math.Sqrt(parameter.Backend.SumOfSquares(wide ?? parameter) / parameter.ElementCount);
        return learningRate * Math.Max(_options.ParameterScaleEpsilon, rootMeanSquare);
    }

    /// <summary>
    /// The walks over one parameter, row by row: means first, then the size of the update, then the update itself. The update is computed twice instead of being kept, so that
    /// nothing as large as the parameter is allocated.
    /// </summary>
    private ref struct Pass
    {
        private readonly Tensor _parameter;
        private readonly Tensor _gradient;
        private readonly Tensor? _square;
        private readonly Tensor? _momentum;
        private readonly float _gradientScale;
        private readonly int _columns;
        private readonly float[] _buffer;
        private readonly byte[] _scratch;
        private float[]? _rowFactors;
        private float[]? _columnFactors;
        private int _rowsOfMatrix;

        public Pass(Adafactor owner, int index, Tensor parameter, Tensor gradient, float gradientScale, int columns)
        {
            (_parameter, _gradient, _gradientScale, _columns) = (parameter, gradient, gradientScale, columns);
            _momentum = owner._options.Beta1 is null ? null : owner.StateOrZeros(index, Momentum);
            if (parameter.Shape.Rank < 2)
            {
                _square = owner.StateOrZeros(index, Square);
            }
            else
            {
                (RowState, ColumnState) = (owner.StateOrZeros(index, SquareRow), owner.StateOrZeros(index, SquareColumn));
            }

            _buffer = ArrayPool<float>.Shared.Rent(3 * columns);
            _scratch = ArrayPool<byte>.Shared.Rent(columns * sizeof(double));
        }

        private readonly Tensor? RowState { get; }

        private readonly Tensor? ColumnState { get; }

        public void UpdateFactors(int rowsOfMatrix, float decay, float epsilon)
        {
            _rowsOfMatrix = rowsOfMatrix;
            var rows = _rowFactors = RowState!.ToArray<float>();
            var columns = _columnFactors = ColumnState!.ToArray<float>();
            var sums = new double[_columns];
            for (var matrix = 0; matrix < rows.Length / rowsOfMatrix; matrix++)
            {
                Array.Clear(sums);
                for (var row = matrix * rowsOfMatrix; row < (matrix + 1) * rowsOfMatrix; row++)
                {
                    var squares = ReadGradient((long)row * _columns, _columns);
                    double sum = 0;
                    for (var column = 0; column < squares.Length; column++)
                    {
                        var square = (squares[column] * squares[column]) + epsilon;
                        sum += square;
                        sums[column] += square;
                    }

                    rows[row] = (decay * rows[row]) + ((1 - decay) * (float)(sum / _columns));
                }

                var means = columns.AsSpan(matrix * _columns, _columns);
                for (var column = 0; column < means.Length; column++)
                    means[column] = (decay * means[column]) + ((1 - decay) * (float)(sums[column] / rowsOfMatrix));
            }

            RowState.Backend.Write(RowState, 0, MemoryMarshal.AsBytes(rows.AsSpan()));
            ColumnState.Backend.Write(ColumnState, 0, MemoryMarshal.AsBytes(columns.AsSpan()));
            for (var matrix = 0; matrix < rows.Length / rowsOfMatrix; matrix++)
            {
                var factors = rows.AsSpan(matrix * rowsOfMatrix, rowsOfMatrix);
                TensorPrimitives.Divide(factors, TensorPrimitives.Sum<float>(factors) / rowsOfMatrix, factors);
            }

            TensorPrimitives.ReciprocalSqrt(rows, rows);
            TensorPrimitives.ReciprocalSqrt(columns, columns);
        }

        public readonly void UpdateSquares(float decay, float epsilon)
        {
            for (long at = 0; at < _parameter.ElementCount; at += _columns)
            {
                var slopes = ReadGradient(at, CountFrom(at));
                var squares = Read(_square!, at, slopes.Length, slot: 1);
                for (var i = 0; i < slopes.Length; i++)
                    squares[i] = (decay * squares[i]) + ((1 - decay) * ((slopes[i] * slopes[i]) + epsilon));
                _square!.Backend.Write(_square, at * sizeof(float), MemoryMarshal.AsBytes(squares));
            }
        }

        public readonly double SumOfSquaredUpdates()
        {
            double sum = 0;
            for (long at = 0; at < _parameter.ElementCount; at += _columns)
            {
                foreach (var value in ReadUpdate(at))
                    sum += (double)value * value;
            }

            return sum;
        }

        public readonly void Apply(float scale, float? beta1, float weightScale)
        {
            for (long at = 0; at < _parameter.ElementCount; at += _columns)
            {
                var update = ReadUpdate(at);
                TensorPrimitives.Multiply(update, scale, update);
                if (beta1 is { } decay)
                {
                    var mean = Read(_momentum!, at, update.Length, slot: 1);
                    TensorPrimitives.Multiply(mean, decay, mean);
                    TensorPrimitives.MultiplyAdd(update, 1 - decay, mean, mean);
                    _momentum!.Backend.Write(_momentum, at * sizeof(float), MemoryMarshal.AsBytes(mean));
                    update = mean;
                }

                var values = _buffer.AsSpan(2 * _columns, update.Length);
                ChunkedStep.ReadFloats(_parameter, at, values, _scratch);
                if (weightScale != 1)
                    TensorPrimitives.Multiply(values, weightScale, values);
                TensorPrimitives.Subtract(values, update, values);
                ChunkedStep.WriteFloats(_parameter, at, values, _scratch);
            }
        }

        public readonly void Dispose()
        {
            ArrayPool<float>.Shared.Return(_buffer);
            ArrayPool<byte>.Shared.Return(_scratch);
        }

        /// <summary>The update of a row before the learning rate.</summary>
        private readonly Span<float> ReadUpdate(long at)
        {
            var update = ReadGradient(at, CountFrom(at));
            if (_rowFactors is not null)
            {
                var row = (int)(at / _columns);
                TensorPrimitives.Multiply(update, _rowFactors[row], update);
                TensorPrimitives.Multiply(update, _columnFactors.AsSpan(row / _rowsOfMatrix * _columns, _columns), update);
            }
            else
            {
                var squares = Read(_square!, at, update.Length, slot: 1);
                TensorPrimitives.ReciprocalSqrt(squares, squares);
                TensorPrimitives.Multiply(update, squares, update);
            }

            return update;
        }

        private readonly int CountFrom(long at) => (int)Math.Min(_columns, _parameter.ElementCount - at);

        private readonly Span<float> ReadGradient(long at, int count)
        {
            var values = Read(_gradient, at, count, slot: 0);
            if (_gradientScale != 1)
                TensorPrimitives.Multiply(values, _gradientScale, values);
            return values;
        }

        private readonly Span<float> Read(Tensor tensor, long at, int count, int slot)
        {
            var values = _buffer.AsSpan(slot * _columns, count);
            tensor.Read(at * sizeof(float), MemoryMarshal.AsBytes(values));
            return values;
        }
    }
}
