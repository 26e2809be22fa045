using ChatGLM.Peft.Lycoris;
using ChatGLM.Peft.Tuners;

namespace ChatGLM.Peft.LoKr;

/// <summary>What a LoKr adapter has in one layer: the factors of a Kronecker product, W1 [l, m] and W2 [k, n], where l k is the layer's result and m n its input.</summary>
internal sealed class LoKrAdapter(KroneckerFactor w1, KroneckerFactor w2) : AddedAdapter
{
    public KroneckerFactor W1 { get; } = w1;

    public KroneckerFactor W2 { get; } = w2;

    public override IEnumerable<AdapterParameter> Parameters => W1.Parameters.Concat(W2.Parameters);
}
