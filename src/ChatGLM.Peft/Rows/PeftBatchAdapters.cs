using ChatGLM.Batching;

namespace ChatGLM.Peft.Rows;

/// <summary>The adapters of a model, for an engine that answers many requests at once.</summary>
internal sealed class PeftBatchAdapters(PeftModel peft, Func<string, string> nameOf) : BatchAdapters
{
    public override bool SharesPasses(string? adapter) => adapter is null || peft.CanChooseRows(nameOf(adapter));

    public override void Select(string? adapter) => peft.SetAdapter(adapter is null ? [] : [nameOf(adapter)]);

    public override IDisposable Route(IReadOnlyList<string?> adapterOfRow) => peft.UseAdapters([.. adapterOfRow.Select(name => name is null ? PeftModel.BaseAdapterName : nameOf(name))]);
}
