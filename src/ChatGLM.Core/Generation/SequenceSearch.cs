using System.Numerics.Tensors;

namespace ChatGLM.Generation;

/// <summary>Greedy search or sampling of one sequence, a token at a time as its scores come: <see cref="TokenSearch"/> for rows that do not go in step.</summary>
internal sealed class SequenceSearch
{
    private readonly GenerationPlan _plan;
    private readonly TokenRows _ids;
    private readonly float[] _scores;
    private readonly bool _isUntouched;

    /// <param name="plan">A plan for one row.</param>
    /// <param name="vocabularySize">The number of scores.</param>
    public SequenceSearch(GenerationPlan plan, int vocabularySize)
    {
        _plan = plan;
        _ids = new TokenRows(plan.Request.Prompts, 1, plan.MaxLength);
        _isUntouched = plan.Processors.Count == 0 && !plan.Config.DoSample;
        _scores = _isUntouched ? [] : new float[vocabularySize];
        MaxLength = plan.MaxLength;
    }

    /// <summary>Prompt and generated tokens.</summary>
    public ReadOnlySpan<int> Ids => _ids[0];

    /// <summary>The tokens of the prompt.</summary>
    public int PromptLength => _plan.PromptLength;

    /// <summary>The greatest length, prompt included.</summary>
    public int MaxLength { get; set; }

    /// <summary>Why it ended; null while it goes on.</summary>
    public FinishReason? Finished { get; private set; }

    /// <summary>Chooses and takes in the next token.</summary>
    /// <param name="logits">[vocabulary] its scores, which stay as they are.</param>
    /// <exception cref="InvalidLogitsException">The scores allow no token to be chosen.</exception>
    public int Next(ReadOnlySpan<float> logits)
    {
        var token = Choose(logits);
        _ids.Append([token]);
        if (_plan.IsEos(token))
            Finished = FinishReason.Stop;
        else if (_plan.StopStrings?.IsMatch(Ids[PromptLength..]) == true)
            Finished = FinishReason.StopString;
        else if (_ids.Length >= MaxLength)
            Finished = FinishReason.Length;
        return token;
    }

    /// <summary>What has been generated.</summary>
    public GenerationResult ToResult() => new()
    {
        Sequences = [Ids.ToArray()],
        FinishReasons = [Finished ?? FinishReason.Cancelled],
        PromptLength = PromptLength,
        PromptTokens = [PromptLength],
        CompletionTokens = [_ids.Length - PromptLength],
    };

    private int Choose(ReadOnlySpan<float> logits)
    {
        if (_isUntouched)
            return TokenSearch.Best(logits, 0, _ids.Length);
        logits.CopyTo(_scores);
        var scores = new TokenScores(_scores, _scores.Length);
        _plan.Processors.Process(_ids.View, scores);
        _plan.Warpers.Process(_ids.View, scores);
        if (!_plan.Config.DoSample)
            return TokenSearch.Best(_scores, 0, _ids.Length);
        if (!float.IsFinite(TensorPrimitives.Max<float>(_scores)))
            throw InvalidLogitsException.At(0, _ids.Length, _scores);
        RowMath.Softmax(_scores, _scores);
        return _plan.Random.Multinomial(_scores);
    }
}
