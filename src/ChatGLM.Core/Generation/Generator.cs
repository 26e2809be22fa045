namespace ChatGLM.Generation;

/// <summary>Generates from a prefilled session, as transformers' <c>generate</c> does.</summary>
internal static class Generator
{
    /// <summary>
    /// Generates until every row is done. The session is the caller's to dispose, and can be gone on with afterwards: it has then been
    /// fed all but the last token of each row.
    /// </summary>
    /// <exception cref="OperationCanceledException">The token was cancelled; seen before every token and by the session within one.</exception>
    /// <exception cref="GenerationConfigException">An option cannot be used.</exception>
    /// <exception cref="InvalidLogitsException">The scores allow no token to be chosen.</exception>
    public static GenerationResult Generate(IDecodingSession session, GenerationRequest request, CancellationToken cancellationToken = default)
    {
        var plan = new GenerationPlan(session, request);
        return plan.Config.NumBeams > 1
            ? BeamSearch.Run(session, plan, cancellationToken)
            : TokenSearch.Run(session, plan, cancellationToken);
    }
}
