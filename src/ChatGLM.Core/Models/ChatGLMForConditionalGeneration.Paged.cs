using System.Runtime.InteropServices;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <content>Passes of a batching engine.</content>
public abstract partial class ChatGLMForConditionalGeneration
{
    /// <summary>Whether each row of a product gets the same bits in any number of rows, in all layers and in the output layer: integers are exact, sums of floats hang on their order.</summary>
    /// <param name="seesWrappedLayers">Whether a layer that an adapter has wrapped counts as what is inside; else its rows hang on each other.</param>
    internal (bool Layers, bool Head) RowsAreIndependent(bool seesWrappedLayers)
    {
        var (layers, head) = (true, true);
        var rounds = Backend is CpuBackend { Options.RoundsActivations: true };
        foreach (var (path, module) in NamedModules())
        {
            if (module is not Linear linear || (linear.Weight is GroupQuantizedWeight && rounds && (seesWrappedLayers || linear.GetType() == typeof(Linear))) || path.Contains("prefix_encoder", StringComparison.Ordinal))
                continue;
            if (ReferenceEquals(linear, OutputLayer))
                head = false;
            else
                layers = false;
        }

        return (layers, head);
    }

    /// <summary>From this number of rows on, a row gets the same bits in all layers however many there are.</summary>
    internal int LeastManyRows => NamedModules().Select(m => m.Module).OfType<Linear>().Max(linear => Backend.LeastManyRows(linear.Weight));

    /// <summary>Scores the wanted rows of a pass, [wanted, vocabulary].</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="logits">What is filled; at least as long as needed.</param>
    internal void Forward(PagedPass pass, float[] logits)
    {
        using var noGrad = GradMode.NoGrad();
        using var running = BeginPass();
        using var scope = new TensorScope();
        if (Transformer.Forward(pass) is not { } hidden)
            return;
        var (least, most) = pass.IsReproducible ? Backend.FewRowsRange : (1, int.MaxValue);
        for (var first = 0; first < pass.Wanted.Length;)
        {
            var count = Math.Min(most, pass.Wanted.Length - first);
            // A row too few is made up for by one again.
            var rows = Enumerable.Range(0, Math.Max(least, count)).Select(i => first + Math.Min(i, count - 1)).ToArray();
            var scores = OutputLayer.Forward(rows.Length == pass.Wanted.Length && count == rows.Length ? hidden : Backend.SelectRows(hidden, rows));
            scores.Read(0, MemoryMarshal.AsBytes(logits.AsSpan(checked(first * Config.VocabularySize), count * Config.VocabularySize)));
            first += count;
        }
    }

    /// <summary>Writes the keys and values that stand before the first token into the first pages of a sequence.</summary>
    internal void WritePrompt(KeyValuePrompt prompt, in KeyValuePageLayout layout, IReadOnlyList<KeyValuePage> pages)
    {
        using var noGrad = GradMode.NoGrad();
        using var running = BeginPass();
        using var scope = new TensorScope();
        var batch = new PagedBatch(prompt.Length, layout, [new PagedSequence(0, prompt.Length, 0, 0, pages)]);
        var perLayer = prompt.PerLayer(1, Config);
        for (var layer = 0; layer < perLayer.Length; layer++)
        {
            // [1, keyValueHeads, length, headDim] to rows of one token each.
            var (key, value) = perLayer[layer];
            Backend.WritePages(Backend.Permute(key, [2, 1, 0, 3]), Backend.Permute(value, [2, 1, 0, 3]), batch, layer);
        }
    }

    /// <summary>The rows of positions of a token.</summary>
    internal int PositionSections => Transformer.Sections;
}
