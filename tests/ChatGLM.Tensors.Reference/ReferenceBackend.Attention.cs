namespace ChatGLM.Tensors;

public partial class ReferenceBackend
{
    /// <inheritdoc/>
    public override (Tensor Query, Tensor Key, Tensor Value) SplitHeads(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        var (batch, seq) = (qkv.Shape[0], qkv.Shape[1]);
        var query = New([batch, layout.Heads, seq, layout.HeadDim]);
        var key = New([batch, layout.KeyValueHeads, seq, layout.HeadDim]);
        var value = New([batch, layout.KeyValueHeads, seq, layout.HeadDim]);
        for (var part = 0; part < 3; part++)
        {
            var target = part == 0 ? query : part == 1 ? key : value;
            ForEachHeadElement(target.Shape, layout, part, (headAt, fusedAt) => Set(target, headAt, Get(qkv, fusedAt)));
        }

        if (rotary is not null)
        {
            Rotate(query, positions!, rotary, 1);
            Rotate(key, positions!, rotary, 1);
        }

        return (query, key, value);
    }

    /// <inheritdoc/>
    public override Tensor SplitHeadsBackward(Tensor dQuery, Tensor dKey, Tensor dValue, Tensor? positions, in HeadLayout layout, RotaryTable? rotary)
    {
        var dqkv = New([dQuery.Shape[0], dQuery.Shape[2], layout.Width]);
        var (q, k) = (Copy(dQuery), Copy(dKey));
        if (rotary is not null)
        {
            Rotate(q, positions!, rotary, -1);
            Rotate(k, positions!, rotary, -1);
        }

        for (var part = 0; part < 3; part++)
        {
            var source = part == 0 ? q : part == 1 ? k : dValue;
            ForEachHeadElement(source.Shape, layout, part, (headAt, fusedAt) => Set(dqkv, fusedAt, Get(source, headAt)));
        }

        return dqkv;
    }

    /// <inheritdoc/>
    public override Tensor Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor? logSumExp)
    {
        var (batch, heads, seq, dim) = (query.Shape[0], query.Shape[1], query.Shape[2], query.Shape[3]);
        var (keyHeads, capacity) = (key.Shape[1], key.Shape[2]);
        var y = New([batch, seq, heads * dim]);
        for (var b = 0; b < batch; b++)
        {
            for (var h = 0; h < heads; h++)
            {
                var keyAt = (((long)b * keyHeads) + (h / (heads / keyHeads))) * capacity * dim;
                for (var i = 0; i < seq; i++)
                {
                    var (p, lse) = Probabilities(query, key, options, b, h, i, keyAt);
                    if (logSumExp is not null)
                        Set(logSumExp, ((((long)b * heads) + h) * seq) + i, lse);
                    for (var d = 0; d < dim; d++)
                    {
                        double sum = 0;
                        for (var j = 0; j < options.KeyLength; j++)
                            sum += p[j] * Dropped(options, b, h, i, j, heads, seq) * Get(value, keyAt + ((long)j * dim) + d);
                        Set(y, ((((long)b * seq) + i) * heads * dim) + ((long)h * dim) + d, sum);
                    }
                }
            }
        }

        return y;
    }

    /// <inheritdoc/>
    public override (Tensor Query, Tensor Key, Tensor Value) AttentionBackward(Tensor dy, Tensor query, Tensor key, Tensor value, Tensor y, Tensor logSumExp, in AttentionOptions options)
    {
        var (batch, heads, seq, dim) = (query.Shape[0], query.Shape[1], query.Shape[2], query.Shape[3]);
        var (keyHeads, capacity, keys) = (key.Shape[1], key.Shape[2], options.KeyLength);
        var dQuery = New(query.Shape);
        var dKey = Tensor.Zeros(key.Shape.With(2, keys), DType.Float32, this);
        var dValue = Tensor.Zeros(value.Shape.With(2, keys), DType.Float32, this);
        Fill(dQuery, 0);
        for (var b = 0; b < batch; b++)
        {
            for (var h = 0; h < heads; h++)
            {
                var keyHead = ((long)b * keyHeads) + (h / (heads / keyHeads));
                for (var i = 0; i < seq; i++)
                {
                    var (p, _) = Probabilities(query, key, options, b, h, i, keyHead * capacity * dim);
                    var outAt = ((((long)b * seq) + i) * heads * dim) + ((long)h * dim);
                    var queryAt = ((((long)b * heads) + h) * seq * dim) + ((long)i * dim);
                    var dp = new double[keys];
                    double dot = 0;
                    for (var j = 0; j < keys; j++)
                    {
                        var kept = Dropped(options, b, h, i, j, heads, seq);
                        for (var d = 0; d < dim; d++)
                        {
                            dp[j] += Get(dy, outAt + d) * Get(value, (keyHead * capacity * dim) + ((long)j * dim) + d);
                            Accumulate(dValue, (((keyHead * keys) + j) * dim) + d, p[j] * kept * Get(dy, outAt + d));
                        }

                        dp[j] *= kept;
                        dot += dp[j] * p[j];
                    }

                    for (var j = 0; j < keys; j++)
                    {
                        if (IsHidden(options, b, i, j, seq))
                            continue;
                        var ds = options.Scale * p[j] * (dp[j] - dot);
                        for (var d = 0; d < dim; d++)
                        {
                            Accumulate(dQuery, queryAt + d, ds * Get(key, (keyHead * capacity * dim) + ((long)j * dim) + d));
                            Accumulate(dKey, (((keyHead * keys) + j) * dim) + d, ds * Get(query, queryAt + d));
                        }
                    }
                }
            }
        }

        return (dQuery, dKey, dValue);
    }

    private static void Accumulate(Tensor x, long at, double value) => Set(x, at, Get(x, at) + value);

    private static (double[] Probabilities, double LogSumExp) Probabilities(Tensor query, Tensor key, in AttentionOptions options, int b, int h, int i, long keyAt)
    {
        var (heads, seq, dim) = (query.Shape[1], query.Shape[2], query.Shape[3]);
        var p = new double[options.KeyLength];
        var max = double.NegativeInfinity;
        for (var j = 0; j < p.Length; j++)
        {
            if (IsHidden(options, b, i, j, seq))
            {
                p[j] = options.HiddenScore;
            }
            else
            {
                for (var d = 0; d < dim; d++)
                    p[j] += Get(query, ((((long)b * heads) + h) * seq * dim) + ((long)i * dim) + d) * Get(key, keyAt + ((long)j * dim) + d);
                p[j] *= options.Scale;
            }

            max = Math.Max(max, p[j]);
        }

        if (double.IsNegativeInfinity(max))
            return (new double[p.Length], max);
        double sum = 0;
        for (var j = 0; j < p.Length; j++)
            sum += p[j] = Math.Exp(p[j] - max);
        for (var j = 0; j < p.Length; j++)
            p[j] /= sum;
        return (p, max + Math.Log(sum));
    }

    private static bool IsHidden(in AttentionOptions options, int b, int i, int j, int seq)
    {
        if (options.Causal && j > options.KeyLength - seq + i)
            return true;
        if (options.Hidden is not { } hidden)
            return false;
        var row = hidden.Shape[1] == 1 ? 0 : i;
        return GetInteger(hidden, ((((long)b * hidden.Shape[1]) + row) * options.KeyLength) + j) != 0;
    }

    private static double Dropped(in AttentionOptions options, int b, int h, int i, int j, int heads, int seq) =>
        options.DropoutMask is { } mask ? Get(mask, (((((long)b * heads) + h) * seq) + i) * options.KeyLength + j) : 1;

    private static void ForEachHeadElement(Shape shape, HeadLayout layout, int part, Action<long, long> copy)
    {
        var (batch, heads, seq, dim) = (shape[0], shape[1], shape[2], shape[3]);
        for (var b = 0; b < batch; b++)
        {
            for (var h = 0; h < heads; h++)
            {
                for (var i = 0; i < seq; i++)
                {
                    var column = layout.InterleavedPerHead
                        ? ((3 * h) + part) * dim
                        : (h + (part == 0 ? 0 : part == 1 ? layout.Heads : layout.Heads + layout.KeyValueHeads)) * dim;
                    for (var d = 0; d < dim; d++)
                        copy((((((long)b * heads) + h) * seq) + i) * dim + d, ((((long)b * seq) + i) * layout.Width) + column + d);
                }
            }
        }
    }

    private static void Rotate(Tensor x, Tensor positions, RotaryTable table, int direction)
    {
        var (batch, heads, seq, dim) = (x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]);
        var half = table.RotaryDim / 2;
        for (var b = 0; b < batch; b++)
        {
            for (var h = 0; h < heads; h++)
            {
                for (var i = 0; i < seq; i++)
                {
                    for (var section = 0; section < table.Sections; section++)
                    {
                        var position = GetInteger(positions, ((((long)b * table.Sections) + section) * seq) + i);
                        if (position < 0 || position >= table.Positions)
                            throw new TensorException(nameof(SplitHeads), $"position {position} is not in 0..{table.Positions - 1}.");
                        var at = ((((((long)b * heads) + h) * seq) + i) * dim) + (section * table.RotaryDim);
                        for (var pair = 0; pair < half; pair++)
                        {
                            var first = at + (table.Style == RotaryStyle.HalfSplit ? pair : 2 * pair);
                            var second = first + (table.Style == RotaryStyle.HalfSplit ? half : 1);
                            var (cos, sin) = (Get(table.Cos, (position * half) + pair), direction * Get(table.Sin, (position * half) + pair));
                            var (p, q) = (Get(x, first), Get(x, second));
                            Set(x, first, (p * cos) - (q * sin));
                            Set(x, second, (q * cos) + (p * sin));
                        }
                    }
                }
            }
        }
    }
}
