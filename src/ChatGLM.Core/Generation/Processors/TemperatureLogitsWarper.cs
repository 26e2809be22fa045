using System.Numerics.Tensors;

namespace ChatGLM.Generation;

/// <summary>Divides every score by the temperature: below 1 the likely tokens get likelier, above 1 the unlikely ones.</summary>
internal sealed class TemperatureLogitsWarper(float temperature) : LogitsProcessor
{
    public override void Process(InputIds inputIds, TokenScores scores) => TensorPrimitives.Divide(scores.Values, temperature, scores.Values);
}
