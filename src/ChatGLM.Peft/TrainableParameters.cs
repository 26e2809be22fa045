using System.Globalization;

namespace ChatGLM.Peft;

/// <summary>How many numbers are trained.</summary>
/// <param name="Trainable">Those that need a gradient.</param>
/// <param name="All">All of base and adapters.</param>
public readonly record struct TrainableParameters(long Trainable, long All)
{
    /// <summary>The trainable part in percent.</summary>
    public double Percent => All == 0 ? 0 : 100.0 * Trainable / All;

    /// <summary>The line that peft prints.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"trainable params: {Trainable:N0} || all params: {All:N0} || trainable%: {Percent:F4}");
}
