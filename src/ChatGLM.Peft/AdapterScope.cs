namespace ChatGLM.Peft;

/// <summary>Adapters are switched off until this is disposed; see <see cref="PeftModel.DisableAdapter"/>.</summary>
public sealed class AdapterScope : IDisposable
{
    private PeftModel? _model;

    internal AdapterScope(PeftModel model) => _model = model;

    /// <summary>Switches the adapters on again.</summary>
    public void Dispose() => Interlocked.Exchange(ref _model, null)?.EndDisable();
}
