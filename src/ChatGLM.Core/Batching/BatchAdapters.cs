namespace ChatGLM.Batching;

/// <summary>
/// How an engine, which knows no adapters, reaches those of its model. Requests whose adapter can be chosen row by row share passes with all such; each other adapter is selected before passes of its own.
/// All calls come on the engine's thread.
/// </summary>
public abstract class BatchAdapters
{
    /// <summary>Whether rows can go through an adapter beside rows that go through others: <see cref="Route"/> takes it.</summary>
    /// <param name="adapter">An adapter; null for none.</param>
    public virtual bool SharesPasses(string? adapter) => false;

    /// <summary>Makes one adapter the one that the model answers with.</summary>
    /// <param name="adapter">An adapter; null for none.</param>
    public abstract void Select(string? adapter);

    /// <summary>Sends the rows of the passes that follow through adapters of their own, until the result is disposed. No adapter is selected then.</summary>
    /// <param name="adapterOfRow">An adapter for each row; null for none.</param>
    public virtual IDisposable Route(IReadOnlyList<string?> adapterOfRow) => throw new NotSupportedException($"{GetType().Name} shares passes between adapters and does not say how.");
}
