using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.AdaLora;

/// <summary>What an AdaLoRA adapter has in one layer: A [rank, in], E [rank, 1], of which 0 means that a rank was taken away, and B [out, rank].</summary>
internal sealed class AdaLoraAdapter(Tensor a, Tensor e, Tensor b, float scaling, float dropout) : IAdapter
{
    public Tensor A { get; } = a;

    public Tensor E { get; } = e;

    public Tensor B { get; } = b;

    public DenseWeight WeightA { get; } = new(a);

    public DenseWeight WeightB { get; } = new(b);

    public float Scaling { get; } = scaling;

    public float Dropout { get; } = dropout;

    public int Rank => A.Shape[0];

    /// <summary>E as a row, [rank].</summary>
    public Tensor Values => Functional.Reshape(E, [Rank]);

    public IEnumerable<AdapterParameter> Parameters => [new("lora_A", "", A), new("lora_B", "", B), new("lora_E", "", E)];
}
