namespace ChatGLM.Generation;

/// <summary>A model's scores, or what the processors left of them, allow no token to be chosen.</summary>
public sealed class InvalidLogitsException : ChatGLMException
{
    internal InvalidLogitsException(string message)
        : base(message)
    {
    }

    internal static InvalidLogitsException At(int row, int length, ReadOnlySpan<float> scores)
    {
        var nan = false;
        var infinite = false;
        foreach (var score in scores)
        {
            nan |= float.IsNaN(score);
            infinite |= float.IsPositiveInfinity(score);
        }

        var found = nan ? "a NaN among them" : infinite ? "an infinite one among them" : "all of them ruled out (minus infinity)";
        var todo = nan || infinite
            ? "The weights or the activations hold NaN or infinity: check the snapshot, use bfloat16 or float32 instead of float16, or set remove_invalid_values."
            : "The options leave no token to choose: check suppress_tokens, bad_words_ids, min_length and the processors of your own.";
        return new InvalidLogitsException($"The scores of row {row} at position {length} have {found}, so no token can be chosen. {todo}");
    }
}
