using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.LoKr;

/// <summary>One of the two matrices of a Kronecker product, [rows, columns]: whole, or as a product of A [rows, rank] and B [rank, columns].</summary>
/// <param name="Name">What it is called in a file.</param>
/// <param name="First">The whole matrix, or A.</param>
/// <param name="B">B, or null for a whole matrix.</param>
internal sealed record KroneckerFactor(string Name, Tensor First, Tensor? B)
{
    public int Rows => First.Shape[0];

    public int Columns => (B ?? First).Shape[1];

    public IEnumerable<AdapterParameter> Parameters => B is null ? [new(Name, "", First)] : [new($"{Name}_a", "", First), new($"{Name}_b", "", B)];

    /// <summary>x [..., columns] times the matrix transposed: [..., rows].</summary>
    public Tensor Apply(Tensor x) => Functional.Linear(B is null ? x : Functional.Linear(x, new DenseWeight(B)), new DenseWeight(First));

    /// <summary>The matrix itself; not recorded.</summary>
    public Tensor Whole() => B is null ? First : First.Backend.MatMul(First, B);
}
