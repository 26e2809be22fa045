namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    private DecodeKernels? _decoding;

    /// <inheritdoc/>
    public override DecodeKernels Decoding => _decoding ??= new InPlaceKernels(this);

    /// <summary>The kernels of the other files, into tensors that exist.</summary>
    private sealed class InPlaceKernels(CpuBackend cpu) : DecodeKernels(cpu)
    {
        // Gated activations of so many numbers take 13 microseconds; a hand-over takes 2 or 3, and much more where the other thread is not on a core.
        private const int AloneElements = 32 * 1024;

        public override void Embedding(Tensor ids, Tensor table, Tensor target)
        {
            RequireFloatingPoint(nameof(Embedding), table);
            CheckIds(nameof(Embedding), ids, table.Shape);
            RequireTarget(nameof(Embedding), target, ids.ElementCount, table.Shape[1]);
            cpu.Embedding(ids, table, table.Shape[1], target);
        }

        public override void Linear(Tensor x, LinearWeight weight, Tensor? bias, Tensor target)
        {
            RequireFloat32(nameof(Linear), x, "x");
            if (x.Shape.Rank == 0 || x.Shape[^1] != weight.InFeatures || (bias is not null && bias.ElementCount != weight.OutFeatures))
                throw new TensorException(nameof(Linear), $"x {x.Shape} and bias {bias?.Shape.ToString() ?? "none"} do not fit a weight [{weight.OutFeatures}, {weight.InFeatures}].");
            RequireTarget(nameof(Linear), target, x.Shape.RowCount, weight.OutFeatures);
            cpu.Linear(x, weight, bias, target, cpu.Options.RoundsActivations);
        }

        public override void LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor target)
        {
            var width = CheckLayerNorm(x, weight, bias);
            RequireTarget(nameof(LayerNorm), target, x.Shape.RowCount, width);
            cpu.LayerNorm(x, weight, bias, width, epsilon, target);
        }

        public override void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor target)
        {
            var width = CheckNorm(nameof(RmsNorm), x, weight);
            RequireTarget(nameof(RmsNorm), target, x.Shape.RowCount, width);
            cpu.RmsNorm(x, weight, width, epsilon, target);
        }

        public override void Add(Tensor a, Tensor b, float scale, Tensor target)
        {
            RequireFloat32(nameof(Add), a, "a", b, "b");
            if (a.Shape != b.Shape)
                throw new TensorException(nameof(Add), $"b: expected {a.Shape}, found {b.Shape}.");
            RequireTarget(nameof(Add), target, 1, a.ElementCount);
            Run(a.ElementCount, 3, new BinaryBody<AddScaledOperator>(a.Pointer<float>(), b.Pointer<float>(), target.Pointer<float>(), a.ElementCount, new AddScaledOperator(scale)));
            GC.KeepAlive(a);
            GC.KeepAlive(b);
            GC.KeepAlive(target);
        }

        public override void Unary(UnaryOp op, Tensor x, Tensor target)
        {
            if (op != UnaryOp.GeluTanh)
            {
                base.Unary(op, x, target); // no model decodes through another one
                return;
            }

            RequireFloat32(nameof(Unary), x, "x");
            RequireTarget(nameof(Unary), target, 1, x.ElementCount);
            Run(x.ElementCount, 2, new UnaryBody<ValueOperator<GeluTanhFunction>>(x.Pointer<float>(), target.Pointer<float>(), default));
            GC.KeepAlive(x);
            GC.KeepAlive(target);
        }

        public override void SwiGlu(Tensor x, Tensor target)
        {
            RequireFloat32(nameof(SwiGlu), x, "x");
            var width = HalfWidth(nameof(SwiGlu), x.Shape);
            RequireTarget(nameof(SwiGlu), target, x.Shape.RowCount, width);
            Run(target.ElementCount, 8, new SwiGluBody(x.Pointer<float>(), target.Pointer<float>(), width));
            GC.KeepAlive(x);
            GC.KeepAlive(target);
        }

        public override void SplitHeads(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable? rotary, Tensor query, Tensor keys, Tensor values, int place)
        {
            const string operation = nameof(SplitHeads);
            var (batch, seq) = CheckProjection(qkv, layout);
            CheckRotary(operation, batch, seq, positions, layout, rotary);
            RequireFloat32(operation, keys, "keys", values, "values");
            RequireFloat32(operation, query, "query");
            if (query.Shape != new Shape(batch, layout.Heads, seq, layout.HeadDim))
                throw new TensorException(operation, $"query: expected [{batch}, {layout.Heads}, {seq}, {layout.HeadDim}], found {query.Shape}.");
            var cache = keys.Shape;
            if (cache.Rank != 4 || values.Shape != cache || cache[0] != batch || cache[1] != layout.KeyValueHeads || cache[3] != layout.HeadDim)
                throw new TensorException(operation, $"expected keys and values [{batch}, {layout.KeyValueHeads}, capacity, {layout.HeadDim}], found {keys.Shape} and {values.Shape}.");
            if (place < 0 || place > cache[2] - seq)
                throw new TensorException(operation, $"{seq} positions from {place} on do not fit into a cache of {cache[2]}.");
            query.MakeWritable();
            keys.MakeWritable();
            values.MakeWritable();
            cpu.MoveHeads(qkv, query, keys, values, positions, layout, rotary, backward: false, place);
        }

        public override void Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor target)
        {
            var sizes = CheckAttention(nameof(Attention), query, key, value, options);
            var mask = Mask(nameof(Attention), sizes, options);
            RequireTarget(nameof(Attention), target, (long)sizes.Batch * sizes.Seq, (long)sizes.Heads * sizes.HeadDim);
            cpu.Attention(query, key, value, options, null, target, sizes, mask);
        }

        /// <summary>What one token's kernel before it left is in the cache still: so few numbers are done before another thread has heard of them.</summary>
        private void Run<TBody>(long elements, long elementsPerItem, in TBody body)
            where TBody : struct, ILaneBody
        {
            if (elements <= AloneElements)
                LaneRanges<TBody>.Run(body, cpu.VectorBits, 0, elements);
            else
                cpu.Parallel(elements, elementsPerItem, body, 16);
        }

        /// <summary>A target that has not the numbers that a kernel is about to write would be written past its end.</summary>
        private static void RequireTarget(string operation, Tensor target, long rows, long width)
        {
            RequireFloat32(operation, target, "target");
            if (target.ElementCount != rows * width)
                throw new TensorException(operation, $"target: expected {rows} rows of {width}, found {target.Shape}.");
            target.MakeWritable();
        }
    }
}
