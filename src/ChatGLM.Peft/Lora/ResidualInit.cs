using ChatGLM.Peft.Factorization;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>
/// First values that are taken out of the base's weight: the adapter begins as an important part of W, and what stands in W's place while the adapter is active is the rest, W - scaling B A. W itself is
/// kept, for when it is not.
/// </summary>
internal static class ResidualInit
{
    /// <summary>Makes an adapter and its residual.</summary>
    /// <param name="path">The layer, for an error.</param>
    /// <param name="weight">W, [out, in]. It stays as it is.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="scaling">The adapter's scaling.</param>
    /// <param name="config">Which way, and the dropout.</param>
    /// <param name="generator">Where random vectors are drawn from.</param>
    public static LoraAdapter Create(string path, DenseWeight weight, int rank, float scaling, LoraConfig config, TorchGenerator generator)
    {
        using var noGrad = GradMode.NoGrad();
        var matrix = new DenseMatrix(weight.Tensor.ToFloatArray(), weight.OutFeatures, weight.InFeatures);
        if (!Array.TrueForAll(matrix.Values, float.IsFinite))
            throw new AdapterConfigException(config.Origin, "init_lora_weights", $"takes the base's weights apart, and that of '{path}' holds NaN or infinity.");
        float[]? rounded = null;
        var (a, b) = config.InitLoraWeights switch
        {
            InitLoraWeights.Olora => Olora(matrix, rank),
            InitLoraWeights.Loftq => Loftq(path, matrix, rank, scaling, config, out rounded),
            _ => Factors(config.PissaIterations is { } iterations ? TruncatedSvd.Randomized(matrix, rank, iterations, generator) : TruncatedSvd.Largest(matrix, rank), scaling),
        };
        using var outliving = TensorScope.Suspend();
        var backend = weight.Backend;
        var adapter = new LoraAdapter(Tensor.From(a, [rank, matrix.Columns], backend), Tensor.From(b, [matrix.Rows, rank], backend), scaling, config.LoraDropout);
        adapter.Residual = new DenseWeight(rounded is null ? backend.AddLowRank(weight.Tensor, [new LowRankTerm(adapter.B, adapter.A, -scaling)]).Sum : Narrow(rounded, weight.Tensor));
        // What LoftQ takes out is not of a low rank, so such an adapter has no plain form.
        adapter.Initial = rounded is null ? (a, b) : null;
        return adapter;
    }

    /// <summary>The largest singular values and vectors, their roots on both sides (PiSSA, Meng et al. 2024).</summary>
    private static (float[] A, float[] B) Factors(SingularValues found, float scaling)
    {
        var (left, values, right) = found;
        var (rank, rows, columns) = (values.Length, left[0].Length, right[0].Length);
        var a = new float[rank * columns];
        var b = new float[rows * rank];
        for (var k = 0; k < rank; k++)
        {
            var root = Math.Sqrt(values[k] / scaling);
            for (var column = 0; column < columns; column++)
                a[(k * columns) + column] = (float)(root * right[k][column]);
            for (var row = 0; row < rows; row++)
                b[(row * rank) + k] = (float)(root * left[k][row]);
        }

        return (a, b);
    }

    /// <summary>The first columns of Q and rows of R of W = Q R (OLoRA, Büyükakyüz 2024).</summary>
    private static (float[] A, float[] B) Olora(DenseMatrix matrix, int rank)
    {
        var (q, r) = FirstColumnsQr.Decompose(matrix, rank);
        var b = new float[matrix.Rows * rank];
        for (var k = 0; k < rank; k++)
        {
            for (var row = 0; row < matrix.Rows; row++)
                b[(row * rank) + k] = (float)q[k][row];
        }

        return ([.. r.SelectMany(row => row.Select(value => (float)value))], b);
    }

    /// <summary>W rounded to few bits, and the best adapter for what the rounding loses, in turns (LoftQ, Li et al. 2023).</summary>
    private static (float[] A, float[] B) Loftq(string path, DenseMatrix matrix, int rank, float scaling, LoraConfig config, out float[] rounded)
    {
        var options = config.LoftqConfig ?? new LoftqConfig();
        if (matrix.Values.LongLength % NormalFloat.BlockLength != 0)
            throw new AdapterConfigException(config.Origin, "init_lora_weights", $"is loftq, which rounds blocks of {NormalFloat.BlockLength} values, and '{path}' has {matrix.Values.LongLength}.");
        var table = NormalFloat.Table(options.LoftqBits);
        (float[] A, float[] B) factors = default;
        var rest = matrix.Values;
        rounded = rest;
        for (var i = 0; i < options.LoftqIter; i++)
        {
            rounded = NormalFloat.Round(rest, table);
            var lost = matrix.Values.Zip(rounded, (value, near) => value - near).ToArray();
            factors = Factors(TruncatedSvd.Largest(new DenseMatrix(lost, matrix.Rows, matrix.Columns), rank), scaling);
            if (i + 1 < options.LoftqIter)
                rest = Rest(matrix, factors, rank, scaling);
        }

        return factors;
    }

    private static float[] Rest(DenseMatrix matrix, (float[] A, float[] B) factors, int rank, float scaling)
    {
        using var scope = new TensorScope();
        var change = new LowRankTerm(Tensor.From(factors.B, [matrix.Rows, rank]), Tensor.From(factors.A, [rank, matrix.Columns]), -scaling);
        return Backend.Default.AddLowRank(Tensor.From(matrix.Values, [matrix.Rows, matrix.Columns]), [change]).Sum.ToFloatArray();
    }

    private static Tensor Narrow(float[] values, Tensor like)
    {
        var wide = Tensor.From(values, like.Shape, like.Backend);
        if (like.DType == DType.Float32)
            return wide;
        using (wide)
            return like.Backend.Cast(wide, like.DType);
    }
}
