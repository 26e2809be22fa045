using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// The backward of attention. An item is one query head, block of queries by block: probabilities are computed again as in the forward, then dValue += P^T dy,
/// dS = scale * P * (dP - sum of P * dP), dQuery = dS key, dKey += dS^T query. Key and value gradients of heads that share them go to buffers of their own and are summed in order
/// afterwards, so no two threads add to one number.
/// </summary>
internal readonly unsafe struct AttentionBackwardBody(
    WorkerPool pool, AttentionBackwardBody.Inputs inputs, float* dQuery, float* dKey, float* dValue, AttentionSizes sizes, AttentionMask mask, float scale) : ILaneBody
{
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var blockLength = (long)sizes.BlockRows * sizes.Stride;
        using var scratch = pool.RentScratch(2 * blockLength * sizeof(float));
        var probabilities = (float*)scratch.Pointer;
        var gradients = probabilities + blockLength;
        for (var head = from; head < to; head++)
        {
            var perHead = (long)sizes.Keys * sizes.HeadDim;
            for (long at = 0; at < perHead; at += 1 << 28)
            {
                var length = (int)Math.Min(1 << 28, perHead - at);
                new Span<float>(dKey + (head * perHead) + at, length).Clear();
                new Span<float>(dValue + (head * perHead) + at, length).Clear();
            }

            for (var first = 0; first < sizes.Seq; first += sizes.BlockRows)
                Block<T>(probabilities, gradients, head, first);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Block<T>(float* probabilities, float* gradients, long head, int first)
        where T : unmanaged, ILanes<T>
    {
        var (batch, h) = Math.DivRem(head, sizes.Heads);
        var (rows, dim) = (Math.Min(sizes.BlockRows, sizes.Seq - first), sizes.HeadDim);
        var keyHead = sizes.KeyHead(head);
        var panelsAt = keyHead * sizes.Stride * dim;
        var queries = inputs.Query + (((head * sizes.Seq) + first) * dim);
        var width = (long)sizes.Heads * dim;
        var outputAt = (((batch * sizes.Seq) + first) * width) + (h * dim);
        var dy = inputs.Dy + outputAt;

        var keys = AttentionBody.Scores<T>(probabilities, queries, inputs.KeyPanels + panelsAt, sizes, mask, first, rows);
        var padded = (keys + 15) & -16;
        AttentionBody.Against<T>(gradients, dy, width, inputs.ValuePanels + panelsAt, sizes, rows, keys);
        for (var r = 0; r < rows; r++)
        {
            float* p = probabilities + ((long)r * sizes.Stride), dp = gradients + ((long)r * sizes.Stride);
            mask.Score<T>(p, batch, first + r, 0, keys, padded, scale);
            var (_, sum) = SoftmaxRow.Exponentiate<T>(p, padded);
            SoftmaxRow.Scale<T>(p, padded, SoftmaxRow.Inverse(sum));
            mask.Drop<T>(dp, batch, (int)h, first + r, 0, keys);

            // The sum of P * dP equals dy.y, but comes from the same roundings as dP: a query that sees one key gets a gradient of exactly 0.
            var dot = T.Broadcast(Dot<T>(p, dp, padded));
            for (var j = 0; j < padded; j += 16)
                (T.Broadcast(scale) * T.Load(p + j) * (T.Load(dp + j) - dot)).Store(dp + j);

            // The score of a hidden key is a constant: nothing flows back through it, even where its probability is not 0.
            mask.Hide<T>(dp, batch, first + r, 0, keys, 0);
            mask.Drop<T>(p, batch, (int)h, first + r, 0, keys);
        }

        var stride = sizes.Stride;
        var perHead = (long)sizes.Keys * dim;
        BlockProduct.Multiply<T>(probabilities, 1, stride, dy, width, dValue + (head * perHead), dim, keys, dim, rows, accumulate: true);
        BlockProduct.Multiply<T>(gradients, 1, stride, queries, dim, dKey + (head * perHead), dim, keys, dim, rows, accumulate: true);
        var key = inputs.Key + (keyHead * sizes.Capacity * dim);
        BlockProduct.Multiply<T>(gradients, stride, 1, key, dim, dQuery + (((head * sizes.Seq) + first) * dim), dim, rows, dim, keys, accumulate: false);
    }

    /// <summary>The sum of products of rows whose length is a multiple of 16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Dot<T>(float* a, float* b, int padded)
        where T : unmanaged, ILanes<T>
    {
        var (s0, s1) = (T.Broadcast(0), T.Broadcast(0));
        var i = 0;
        for (; i <= padded - 32; i += 32)
        {
            s0 = T.MultiplyAdd(T.Load(a + i), T.Load(b + i), s0);
            s1 = T.MultiplyAdd(T.Load(a + i + 16), T.Load(b + i + 16), s1);
        }

        if (i < padded)
            s0 = T.MultiplyAdd(T.Load(a + i), T.Load(b + i), s0);
        return (s0 + s1).Sum();
    }

    /// <summary>What is read.</summary>
    public readonly struct Inputs(float* dy, float* query, float* key, float* keyPanels, float* valuePanels)
    {
        public readonly float* Dy = dy;
        public readonly float* Query = query;
        public readonly float* Key = key;
        public readonly float* KeyPanels = keyPanels;
        public readonly float* ValuePanels = valuePanels;
    }
}
