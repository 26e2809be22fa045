using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Lora;

/// <summary>What a LoRA adapter has in one layer: A [rank, in], B [out, rank] and, with DoRA, the length of each row [out]. All are float32, whatever the base is.</summary>
internal sealed class LoraAdapter : IAdapter
{
    private readonly bool _isEmbedding;

    public LoraAdapter(Tensor a, Tensor b, float scaling, float dropout = 0, bool isEmbedding = false)
    {
        A = a;
        B = b;
        WeightA = new DenseWeight(a);
        WeightB = new DenseWeight(b);
        Scaling = scaling;
        Dropout = dropout;
        _isEmbedding = isEmbedding;
    }

    public Tensor A { get; }

    public Tensor B { get; }

    /// <summary>The lengths of the weight's rows, for DoRA; null without.</summary>
    public Tensor? Magnitude { get; set; }

    /// <summary>The weight that stands in the base's place while the adapter is active, where its first values were taken out of that; null for none.</summary>
    public LinearWeight? Residual { get; set; }

    /// <summary>The first values of A and B, where the difference to them is a plain adapter for the base's own weight.</summary>
    public (float[] A, float[] B)? Initial { get; set; }

    public DenseWeight WeightA { get; }

    public DenseWeight WeightB { get; }

    public float Scaling { get; }

    public float Dropout { get; }

    public int Rank => A.Shape[0];

    public IEnumerable<AdapterParameter> Parameters
    {
        get
        {
            yield return new AdapterParameter(_isEmbedding ? "lora_embedding_A" : "lora_A", _isEmbedding ? "" : ".weight", A);
            yield return new AdapterParameter(_isEmbedding ? "lora_embedding_B" : "lora_B", _isEmbedding ? "" : ".weight", B);
            if (Magnitude is { } magnitude)
                yield return new AdapterParameter("lora_magnitude_vector", "", magnitude);
        }
    }

    public void Release()
    {
        if (Residual is { } residual)
            MergedWeight.Free(residual);
    }
}
