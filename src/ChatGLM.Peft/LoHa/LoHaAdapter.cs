using ChatGLM.Peft.Lycoris;
using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.LoHa;

/// <summary>What a LoHa adapter has in one layer: two products, W1A [out, rank] W1B [rank, in] and W2A [out, rank] W2B [rank, in], that are multiplied element by element.</summary>
internal sealed class LoHaAdapter(Tensor w1A, Tensor w1B, Tensor w2A, Tensor w2B) : AddedAdapter
{
    public Tensor W1A { get; } = w1A;

    public Tensor W1B { get; } = w1B;

    public Tensor W2A { get; } = w2A;

    public Tensor W2B { get; } = w2B;

    public int Rank => W1B.Shape[0];

    public override IEnumerable<AdapterParameter> Parameters =>
        [new("hada_w1_a", "", W1A), new("hada_w1_b", "", W1B), new("hada_w2_a", "", W2A), new("hada_w2_b", "", W2B)];
}
