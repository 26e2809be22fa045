using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Vera;

/// <summary>
/// The random matrices of a VeRA adapter, A [rank, widest input] and B [widest result, rank]. Each layer uses the first columns of A and the first rows of B, as many as it is wide; for layers as
/// wide as the widest that is the matrix itself, so that it is held once.
/// </summary>
internal sealed class VeraProjection
{
    private readonly Dictionary<int, DenseWeight> _forInputs = [];
    private readonly Dictionary<int, DenseWeight> _forResults = [];

    /// <summary>Draws both from a seed, as peft does with a generator of their own.</summary>
    public VeraProjection(int rank, int widestInput, int widestResult, long seed, Backend backend)
    {
        var generator = new TorchGenerator(unchecked((ulong)seed));
        var a = new float[rank * widestInput];
        var b = new float[widestResult * rank];
        Init.KaimingUniform(a, widestInput, 0, generator);
        Init.KaimingUniform(b, rank, 0, generator);
        using var outliving = TensorScope.Suspend();
        A = Tensor.From(a, [rank, widestInput], backend);
        B = Tensor.From(b, [widestResult, rank], backend);
        (_forInputs[widestInput], _forResults[widestResult]) = (new DenseWeight(A), new DenseWeight(B));
    }

    public Tensor A { get; }

    public Tensor B { get; }

    /// <summary>A for a layer of some width, [rank, in].</summary>
    public DenseWeight ForInput(int width) => Part(_forInputs, width, () => A.Backend.Slice(A, 1, 0, width));

    /// <summary>B for a layer of some width, [out, rank].</summary>
    public DenseWeight ForResult(int width) => Part(_forResults, width, () => B.Backend.Slice(B, 0, 0, width));

    /// <summary>Cuts the parts anew after other numbers were written into the matrices.</summary>
    public void Refresh()
    {
        using var scope = new TensorScope();
        foreach (var (width, part) in _forInputs.Where(p => p.Value.Tensor != A))
            part.Tensor.Backend.WriteSlice(part.Tensor, A.Backend.Slice(A, 1, 0, width), 0, 0);
        foreach (var (width, part) in _forResults.Where(p => p.Value.Tensor != B))
            part.Tensor.Backend.WriteSlice(part.Tensor, B.Backend.Slice(B, 0, 0, width), 0, 0);
    }

    public void Free()
    {
        foreach (var part in _forInputs.Values.Concat(_forResults.Values))
            MergedWeight.Free(part);
    }

    private static DenseWeight Part(Dictionary<int, DenseWeight> parts, int width, Func<Tensor> cut)
    {
        if (!parts.TryGetValue(width, out var part))
        {
            using var outliving = TensorScope.Suspend();
            parts.Add(width, part = new DenseWeight(cut()));
        }

        return part;
    }
}
