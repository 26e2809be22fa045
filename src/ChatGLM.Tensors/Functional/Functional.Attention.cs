namespace ChatGLM.Tensors;

public static partial class Functional
{
    /// <summary>softmax(scale * query key^T, masked) value, with the heads joined.</summary>
    /// <param name="query">float32 [batch, heads, seq, headDim].</param>
    /// <param name="key">float32 [batch, keyValueHeads, capacity, headDim]; each key head serves heads / keyValueHeads query heads in order.</param>
    /// <param name="value">Of key's shape.</param>
    /// <param name="options">Scale, key length, masks and dropout.</param>
    /// <returns>float32 [batch, seq, heads * headDim].</returns>
    public static Tensor Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options)
    {
        RequireAttention(query, key, value, options);
        if (!GradFunction.Records(query, key, value))
            return query.Backend.Attention(query, key, value, options, logSumExp: null);
        using var logSumExp = Tensor.Empty([query.Shape[0], query.Shape[1], query.Shape[2]], DType.Float32, query.Backend);
        var y = query.Backend.Attention(query, key, value, options, logSumExp);
        return new AttentionFunction(query, key, value, options, y, logSumExp).Attach(y);
    }

    private static void RequireAttention(Tensor query, Tensor key, Tensor value, in AttentionOptions options)
    {
        const string operation = nameof(Attention);
        Require.Float32(operation, "query", query);
        Require.Float32(operation, "key", key);
        Require.Float32(operation, "value", value);
        Require.SameBackend(operation, query, key, value, options.Hidden, options.DropoutMask);
        Require.Rank(operation, "query", query, 4, "[batch, heads, seq, headDim]");
        Require.Rank(operation, "key", key, 4, "[batch, keyValueHeads, capacity, headDim]");
        Require.Shape(operation, "value", value, key.Shape);
        var (batch, heads, seq) = (query.Shape[0], query.Shape[1], query.Shape[2]);
        if (key.Shape[0] != batch || key.Shape[3] != query.Shape[3] || key.Shape[1] == 0 || heads % key.Shape[1] != 0)
            throw new TensorException(operation, $"key {key.Shape} does not fit query {query.Shape}: expected the same batch and headDim, and heads that divide {heads}.");
        if (options.KeyLength < 1 || options.KeyLength > key.Shape[2])
            throw new TensorException(operation, $"KeyLength: expected 1 to the {key.Shape[2]} of key {key.Shape}, found {options.KeyLength}.");
        if (options.Causal && options.KeyLength < seq)
            throw new TensorException(operation, $"Causal: {seq} queries stand at the end of the keys, of which there are only {options.KeyLength}.");
        if (options.Hidden is { } hidden)
        {
            Require.ElementType(operation, "Hidden", hidden, DType.Bool);
            if (hidden.Shape != [batch, seq, options.KeyLength] && hidden.Shape != [batch, 1, options.KeyLength])
                throw new TensorException(operation, $"Hidden: expected [{batch}, {seq} or 1, {options.KeyLength}], found {hidden.Shape}.");
        }

        if (options.DropoutMask is { } mask)
        {
            Require.Float32(operation, "DropoutMask", mask);
            Require.Shape(operation, "DropoutMask", mask, [batch, heads, seq, options.KeyLength]);
        }
    }

    private sealed class AttentionFunction : GradFunction
    {
        private readonly Tensor _query;
        private readonly Tensor _key;
        private readonly Tensor _value;
        private readonly Tensor _y;
        private readonly Tensor _logSumExp;
        private readonly AttentionOptions _options;

        public AttentionFunction(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor y, Tensor logSumExp)
            : base(query, key, value)
        {
            (_query, _key, _value, _y, _logSumExp) = (Save(query), Save(key), Save(value), Save(y), Save(logSumExp));
            _options = options with { Hidden = SaveOptional(options.Hidden), DropoutMask = SaveOptional(options.DropoutMask) };
        }

        protected internal override void Backward(ReadOnlySpan<Tensor?> gradOutputs, GradSink sink)
        {
            var (dQuery, dKey, dValue) = _query.Backend.AttentionBackward(gradOutputs[0]!, _query, _key, _value, _y, _logSumExp, _options);
            sink.Add(0, dQuery);
            if (NeedsGrad(1))
                sink.Add(1, PadKeys(dKey, _key.Shape));
            if (NeedsGrad(2))
                sink.Add(2, PadKeys(dValue, _value.Shape));
        }

        /// <summary>Keys beyond KeyLength had no part in the result: their gradient is zero.</summary>
        private static Tensor PadKeys(Tensor gradient, in Shape shape)
        {
            if (gradient.Shape == shape)
                return gradient;
            var padded = Tensor.Zeros(shape, DType.Float32, gradient.Backend);
            padded.Backend.WriteSlice(padded, gradient, axis: 2, start: 0);
            return padded;
        }
    }
}
