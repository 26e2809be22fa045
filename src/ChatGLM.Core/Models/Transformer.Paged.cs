using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <content>Passes over sequences of different lengths, which keep keys and values in pages.</content>
internal abstract partial class Transformer
{
    /// <summary>The normalised last states of the wanted rows, [wanted, 1, hidden]; null if none is wanted.</summary>
    public Tensor? Forward(PagedPass pass)
    {
        var rows = pass.Ids.Length;
        using var scope = new TensorScope();
        var inputs = new ModelInputs
        {
            InputIds = Tensor.From(pass.Ids, [rows, 1], Backend),
            PositionIds = Tensor.From(pass.Positions, Sections == 1 ? [rows, 1] : [rows, Sections, 1], Backend),
        };
        // No mask is derived behind tokens that are there already: each row sees the keys that the batch says.
        var (rotary, positions, _, _) = Derive(inputs, TokenBatch.Read(inputs.InputIds, _config.VocabularySize), pastTokens: 1, prefixLength: 0);
        var context = new LayerContext { Rotary = rotary, Positions = positions, Pages = pass.Batch };
        var hidden = Embed(inputs.InputIds);
        foreach (var (row, prompt, first, count) in pass.VirtualTokens)
        {
            var embedded = PromptRows.Spread(prompt, prompt.Forward(1), 1, _config.HiddenSize);
            Backend.WriteSlice(hidden, Backend.Slice(embedded, 1, first, count).Reshape(count, 1, _config.HiddenSize), 0, row);
        }

        for (var layer = 0; layer < _config.NumLayers; layer++)
        {
            pass.CancellationToken.ThrowIfCancellationRequested();
            var next = RunInScope(layer, hidden, context);
            hidden.Dispose();
            hidden = next;
        }

        return pass.Wanted.Length == 0 ? null : scope.Keep(Normalize(Backend.SelectRows(hidden, pass.Wanted)));
    }
}
