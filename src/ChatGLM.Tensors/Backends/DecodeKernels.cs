namespace ChatGLM.Tensors;

/// <summary>
/// The kernels of one token's way through a model. They write into tensors that exist, so that a model that decodes with them makes no handle and rents no buffer for a token. Results are those of
/// the <see cref="Backend"/>'s kernels of the same names, to the bit; nothing is recorded on a tape. Here each is composed of those kernels; a backend overrides what it can do in place.
/// </summary>
/// <param name="backend">The backend that all tensors lie on.</param>
public class DecodeKernels(Backend backend)
{
    /// <summary>The backend that all tensors lie on.</summary>
    protected Backend Backend { get; } = backend;

    /// <summary>Rows of a table.</summary>
    /// <param name="ids">int64 [...].</param>
    /// <param name="table">[rows, width], of any floating-point type.</param>
    /// <param name="target">float32 [..., width].</param>
    public virtual void Embedding(Tensor ids, Tensor table, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.Embedding(ids, table));
    }

    /// <summary>x W^T + bias where no gradient will be asked for (<see cref="Backend.LinearInference"/>).</summary>
    /// <param name="x">float32 [..., in].</param>
    /// <param name="weight">[out, in], in any format.</param>
    /// <param name="bias">[out], of any floating-point type, or null.</param>
    /// <param name="target">float32 [..., out].</param>
    public virtual void Linear(Tensor x, LinearWeight weight, Tensor? bias, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.LinearInference(x, weight, bias));
    }

    /// <summary>LayerNorm over the innermost axis.</summary>
    /// <param name="x">float32 [..., width].</param>
    /// <param name="weight">[width], of any floating-point type.</param>
    /// <param name="bias">[width], of any floating-point type.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="target">float32, of x's shape; may be x.</param>
    public virtual void LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.LayerNorm(x, weight, bias, epsilon));
    }

    /// <summary>RMSNorm over the innermost axis.</summary>
    /// <param name="x">float32 [..., width].</param>
    /// <param name="weight">[width], of any floating-point type.</param>
    /// <param name="epsilon">Added to the mean square.</param>
    /// <param name="target">float32, of x's shape; may be x.</param>
    public virtual void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.RmsNorm(x, weight, epsilon));
    }

    /// <summary>a + scale * b.</summary>
    /// <param name="a">float32.</param>
    /// <param name="b">float32, of a's shape.</param>
    /// <param name="scale">A factor of b.</param>
    /// <param name="target">float32, of a's shape; may be a or b.</param>
    public virtual void Add(Tensor a, Tensor b, float scale, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.Add(a, b, scale));
    }

    /// <summary>A function of every element.</summary>
    /// <param name="op">The function.</param>
    /// <param name="x">float32.</param>
    /// <param name="target">float32, of x's shape; may be x.</param>
    public virtual void Unary(UnaryOp op, Tensor x, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.Unary(op, x));
    }

    /// <summary>silu(first half) * second half of the innermost axis.</summary>
    /// <param name="x">float32 [..., 2 * width].</param>
    /// <param name="target">float32 [..., width].</param>
    public virtual void SwiGlu(Tensor x, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.SwiGlu(x));
    }

    /// <summary>Cuts fused projections into heads, rotates query and key by their positions, and puts key and value where the cache keeps them: one pass over the projection.</summary>
    /// <param name="qkv">float32 [batch, seq, <see cref="HeadLayout.Width"/>].</param>
    /// <param name="positions">int64 [batch, seq] or [batch, sections, seq]; null without a table.</param>
    /// <param name="layout">How the heads lie in the projection.</param>
    /// <param name="rotary">The rotary table, or null to rotate nothing.</param>
    /// <param name="query">Filled: float32 [batch, heads, seq, headDim].</param>
    /// <param name="keys">The cache's keys, float32 [batch, keyValueHeads, capacity, headDim], of which entries <paramref name="place"/> and on are written.</param>
    /// <param name="values">The cache's values, of keys' shape.</param>
    /// <param name="place">Where in the cache the first position goes.</param>
    public virtual void SplitHeads(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable? rotary, Tensor query, Tensor keys, Tensor values, int place)
    {
        using var scope = new TensorScope();
        var (q, k, v) = Backend.SplitHeads(qkv, positions, layout, rotary);
        Put(query, q);
        Backend.WriteSlice(keys, k, 2, place);
        Backend.WriteSlice(values, v, 2, place);
    }

    /// <summary>softmax(scale * query key^T, masked) value, heads joined.</summary>
    /// <param name="query">float32 [batch, heads, seq, headDim].</param>
    /// <param name="key">float32 [batch, keyValueHeads, capacity, headDim].</param>
    /// <param name="value">Of key's shape.</param>
    /// <param name="options">Scale, key length and masks.</param>
    /// <param name="target">float32 [batch, seq, heads * headDim].</param>
    public virtual void Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor target)
    {
        using var scope = new TensorScope();
        Put(target, Backend.Attention(query, key, value, options, logSumExp: null));
    }

    /// <summary>Copies a result over a tensor of its shape.</summary>
    private void Put(Tensor target, Tensor result)
    {
        if (target.Shape != result.Shape)
            throw new TensorException(nameof(DecodeKernels), $"target: expected {result.Shape}, found {target.Shape}.");
        Backend.WriteSlice(target, result, 0, 0);
    }
}
