namespace ChatGLM.Tensors;

/// <summary>
/// The only code that touches numbers, and the seam for a second engine: the whole contract is this file. Kernels are the size of the field's own building
/// blocks, and each stands beside its backward. They take contiguous tensors of this backend, return new ones (float32 unless said otherwise), and know nothing
/// of the tape: <see cref="Functional"/> checks shapes and records. A kernel that writes into a tensor calls its <see cref="Tensor.MakeWritable"/> first. Sums are accumulated in float32 in an order that does not depend on the
/// number of threads.
/// </summary>
public abstract class Backend
{
    /// <summary>Under this name a program may give <see cref="AppContext.SetData"/> another backend to use where none is named, before it makes its first tensor.</summary>
    public const string DefaultDataName = "ChatGLM.Tensors.DefaultBackend";

    private static readonly Lazy<Backend> LazyDefault = new(() => AppContext.GetData(DefaultDataName) as Backend ?? CpuBackend.Shared);

    /// <summary>The backend that is used where none is named: the processor, all cores, unless the program said otherwise under <see cref="DefaultDataName"/>.</summary>
    public static Backend Default => LazyDefault.Value;

    /// <summary>Where this backend's tensors lie.</summary>
    public abstract Device Device { get; }

    /// <summary>Kernels that write into tensors that exist, for decoding one token at a time without allocating; null where a backend has none: its models then decode through the other kernels.</summary>
    public virtual DecodeKernels? Decoding => null;

    // ---- Storage ----------------------------------------------------------------------------------------------------------------------

    /// <summary>Storage with undefined content.</summary>
    public abstract TensorStorage Allocate(DType dtype, long elementCount);

    /// <summary>A tensor over a part of a mapped file: in place where main memory can be read, else a copy.</summary>
    public abstract Tensor Adopt(MappedFile file, long byteOffset, in Shape shape, DType dtype);

    /// <summary>Copies raw little-endian bytes into a tensor, from its byte <paramref name="byteOffset"/> on.</summary>
    public abstract void Write(Tensor target, long byteOffset, ReadOnlySpan<byte> bytes);

    /// <summary>Copies raw little-endian bytes out of a tensor, from its byte <paramref name="byteOffset"/> on.</summary>
    public abstract void Read(Tensor source, long byteOffset, Span<byte> bytes);

    // ---- Moving: any element type ----------------------------------------------------------------------------------------------------------

    /// <summary>Sets every element.</summary>
    public abstract void Fill(Tensor target, double value);

    /// <summary>A copy of the same type.</summary>
    public abstract Tensor Copy(Tensor x);

    /// <summary>A copy with another element type; float to half and bfloat16 round to nearest even, float to integer truncates, to bool is != 0.</summary>
    public abstract Tensor Cast(Tensor x, DType dtype);

    /// <summary>A copy with its axes in another order: axis i of the result is axis <c>axes[i]</c> of x.</summary>
    public abstract Tensor Permute(Tensor x, ReadOnlySpan<int> axes);

    /// <summary>The tensors one after the other along an axis.</summary>
    public abstract Tensor Concat(ReadOnlySpan<Tensor> tensors, int axis);

    /// <summary>A copy of <paramref name="length"/> entries of an axis.</summary>
    public abstract Tensor Slice(Tensor x, int axis, int start, int length);

    /// <summary>Writes a tensor over the entries of an axis of another that begin at <paramref name="start"/>: how a cache grows.</summary>
    public abstract void WriteSlice(Tensor target, Tensor source, int axis, int start);

    /// <summary>Entries of the outermost axis in a given order, with repetition: how beams are reordered.</summary>
    public abstract Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows);

    // ---- Elementwise, float32. A shorter b is repeated along a's outer axes ------------------------------------------------------------------

    /// <summary>a + scale * b.</summary>
    public abstract Tensor Add(Tensor a, Tensor b, float scale = 1);

    /// <summary>a * b.</summary>
    public abstract Tensor Multiply(Tensor a, Tensor b);

    /// <summary>a / b.</summary>
    public abstract Tensor Divide(Tensor a, Tensor b);

    /// <summary>scale * x + offset.</summary>
    public abstract Tensor Affine(Tensor x, float scale, float offset);

    /// <summary>A function of every element.</summary>
    public abstract Tensor Unary(UnaryOp op, Tensor x);

    /// <summary>The gradient of <see cref="Unary"/>: dy times the derivative at x.</summary>
    public abstract Tensor UnaryBackward(UnaryOp op, Tensor dy, Tensor x);

    /// <summary>target += scale * source, the shapes equal; source may be of any floating-point type.</summary>
    public abstract void AddInPlace(Tensor target, Tensor source, float scale = 1);

    /// <summary>target *= scale.</summary>
    public abstract void ScaleInPlace(Tensor target, float scale);

    /// <summary>Sums the outer axes away until <paramref name="shape"/>, a suffix of x's, is left; a scalar shape sums everything.</summary>
    public abstract Tensor SumTo(Tensor x, in Shape shape);

    /// <summary>Sums the innermost axis away.</summary>
    public abstract Tensor SumLast(Tensor x);

    /// <summary>The sum of squares, in double: for gradient norms.</summary>
    public abstract double SumOfSquares(Tensor x);

    // ---- Linear algebra -----------------------------------------------------------------------------------------------------------------

    /// <summary>x W^T + bias. x [..., in], weight [out, in] in any format, bias [out] of any floating-point type or null; result [..., out].</summary>
    public abstract Tensor Linear(Tensor x, LinearWeight weight, Tensor? bias);

    /// <summary>The same where no gradient will be asked for: a backend may round the activations in between as its quantized kernels want, where its options allow it.</summary>
    public virtual Tensor LinearInference(Tensor x, LinearWeight weight, Tensor? bias) => Linear(x, weight, bias);

    /// <summary>From <c>Least</c> to <c>Most</c> rows, <see cref="LinearInference"/> gives a row the same bits however many there are; so it does for any number from <see cref="LeastManyRows"/> on, but not
    /// the same ones. Formats whose kernels promise more do not need it. A backend that promises nothing of the kind leaves 1 and the largest number.</summary>
    public virtual (int Least, int Most) FewRowsRange => (1, int.MaxValue);

    /// <summary>See <see cref="FewRowsRange"/>.</summary>
    /// <param name="weight">The weight of the product.</param>
    public virtual int LeastManyRows(LinearWeight weight) => FewRowsRange.Most == int.MaxValue ? 1 : FewRowsRange.Most + 1;

    /// <summary>dy W: the gradient of the input, through a frozen weight of any format. dy [..., out], result [..., in].</summary>
    public abstract Tensor LinearBackwardInput(Tensor dy, LinearWeight weight);

    /// <summary>grad += dy^T x. dy [..., out], x [..., in], grad [out, in] float32.</summary>
    public abstract void LinearBackwardWeight(Tensor dy, Tensor x, Tensor grad);

    /// <summary>A float32, float16 or bfloat16 matrix [out, in] in 8 or 4 bits per element. A row of zeros gets the scale 0; NaN and infinity are refused.</summary>
    public abstract RowQuantizedWeight Quantize(Tensor matrix, in RowQuantization how);

    /// <summary>A float32, float16 or bfloat16 matrix [out, in] in 8 or 4 bits per element with a scale for each group of columns. NaN and infinity are refused.</summary>
    public abstract GroupQuantizedWeight Quantize(Tensor matrix, GroupQuantization how);

    /// <summary>A weight of any format as float32 [out, in]; a quantized element is one multiplication, exactly rounded.</summary>
    public abstract Tensor Dequantize(LinearWeight weight);

    /// <summary>Batched product of [..., m, k] and [..., k, n], either one transposed in its last two axes; equal outer axes.</summary>
    public abstract Tensor MatMul(Tensor a, Tensor b, bool transposeA = false, bool transposeB = false);

    /// <summary>matrix [rows, columns], of any floating-point type, plus the terms' products, summed in float32 and rounded once to the matrix's own type: how low-rank changes get into a weight. Also
    /// whether all of the result is finite; a half overflows where the sum does not.</summary>
    public abstract (Tensor Sum, bool IsFinite) AddLowRank(Tensor matrix, ReadOnlySpan<LowRankTerm> terms);

    // ---- Blocks of a transformer ------------------------------------------------------------------------------------------------------------

    /// <summary>Rows of a table. ids [...] int64, table [rows, width] of any floating-point type; result [..., width].</summary>
    public abstract Tensor Embedding(Tensor ids, Tensor table);

    /// <summary>Adds dy [..., width] to the rows of grad [rows, width] that ids name.</summary>
    public abstract void EmbeddingBackward(Tensor dy, Tensor ids, Tensor grad);

    /// <summary>LayerNorm over the innermost axis; weight and bias [width] of any floating-point type.</summary>
    public abstract Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon);

    /// <summary>The gradient of <see cref="LayerNorm"/> for x; adds those of weight and bias to the given buffers (float32, or null for a frozen one).</summary>
    public abstract Tensor LayerNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad, Tensor? biasGrad);

    /// <summary>RMSNorm over the innermost axis; weight [width] of any floating-point type.</summary>
    public abstract Tensor RmsNorm(Tensor x, Tensor weight, float epsilon);

    /// <summary>The gradient of <see cref="RmsNorm"/> for x; adds that of weight to the given buffer (float32, or null for a frozen one).</summary>
    public abstract Tensor RmsNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad);

    /// <summary>silu(first half) * second half of the innermost axis: [..., 2 * width] to [..., width]. (Shazeer 2020, SwiGLU.)</summary>
    public abstract Tensor SwiGlu(Tensor x);

    /// <summary>The gradient of <see cref="SwiGlu"/>.</summary>
    public abstract Tensor SwiGluBackward(Tensor dy, Tensor x);

    /// <summary>Cuts fused projections [batch, seq, width] into query [batch, heads, seq, headDim], key and value [batch, keyValueHeads, seq, headDim], and rotates query and
    /// key by their positions ([batch, seq] or [batch, sections, seq], int64).</summary>
    public abstract (Tensor Query, Tensor Key, Tensor Value) SplitHeads(Tensor qkv, Tensor? positions, in HeadLayout layout, RotaryTable? rotary);

    /// <summary>The gradient of <see cref="SplitHeads"/>: rotates back and joins.</summary>
    public abstract Tensor SplitHeadsBackward(Tensor dQuery, Tensor dKey, Tensor dValue, Tensor? positions, in HeadLayout layout, RotaryTable? rotary);

    /// <summary>softmax(scale * query key^T, masked) value, in float32, heads joined. query [batch, heads, seq, headDim]; key and value [batch, keyValueHeads, capacity,
    /// headDim], of which the first <c>KeyLength</c> count; result [batch, seq, heads * headDim]. Fills logSumExp [batch, heads, seq] for the backward, if given.</summary>
    public abstract Tensor Attention(Tensor query, Tensor key, Tensor value, in AttentionOptions options, Tensor? logSumExp);

    /// <summary>The gradients of <see cref="Attention"/>; those of key and value have its <c>KeyLength</c> as their length.</summary>
    public abstract (Tensor Query, Tensor Key, Tensor Value) AttentionBackward(Tensor dy, Tensor query, Tensor key, Tensor value, Tensor y, Tensor logSumExp, in AttentionOptions options);

    /// <summary>Writes the keys and values of a pass, [rows, keyValueHeads, 1, headDim], into one layer of the pages of their sequences.</summary>
    public virtual void WritePages(Tensor key, Tensor value, PagedBatch batch, int layer) => GatheredPages.Write(this, key, value, batch, layer);

    /// <summary>softmax(scale * query key^T) value over the pages of each row's sequence, in float32, heads joined: query [rows, heads, 1, headDim], result [rows, 1, heads * headDim]. A row of no
    /// sequence gives zeros.</summary>
    public virtual Tensor PagedAttention(Tensor query, PagedBatch batch, int layer, float scale) => GatheredPages.Attend(this, query, batch, layer, scale);

    /// <summary>The mean cross entropy over the rows of logits [rows, classes] whose label (int64 [rows]) is not <paramref name="ignoreIndex"/>, as one number; NaN if none is left,
    /// as in PyTorch. Fills logSumExp [rows] for the backward, if given.</summary>
    public abstract Tensor CrossEntropy(Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor? logSumExp);

    /// <summary>The gradient of <see cref="CrossEntropy"/>, times the single number dy.</summary>
    public abstract Tensor CrossEntropyBackward(Tensor dy, Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor logSumExp);

    // ---- Optimizers ---------------------------------------------------------------------------------------------------------------------------

    /// <summary>One AdamW step in place. parameter of any floating-point type; gradient and both moments float32 of its shape.</summary>
    public abstract void AdamWStep(Tensor parameter, Tensor gradient, Tensor firstMoment, Tensor secondMoment, in AdamWStep step);
}
