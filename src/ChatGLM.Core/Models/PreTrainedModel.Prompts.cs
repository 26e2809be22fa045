using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <content>What stands before the tokens: soft prompts, and the P-Tuning v2 prefix that is a part of the model.</content>
public abstract partial class PreTrainedModel
{
    /// <summary>The parameters that were trained before a prefix froze them.</summary>
    private List<Tensor> _frozenByPrefix = [];

    /// <summary>
    /// A prompt that stands before every row, or null. It is not a part of the model: it is neither saved nor disposed with it, and its parameters are not among the model's. A cache goes on
    /// with the prompt that it began with. A P-Tuning v2 prefix of the model itself (<c>pre_seq_len</c>) is not meant here.
    /// </summary>
    /// <exception cref="ModelInputException">The model has a prefix of its own already, or the prompt leaves no position for a token.</exception>
    public SoftPrompt? SoftPrompt
    {
        get => Transformer.SoftPrompt;
        set
        {
            if (value is KeyValuePrompt && Transformer.PrefixEncoder is not null)
                throw new ModelInputException(nameof(SoftPrompt), "the model has a P-Tuning v2 prefix of its own (pre_seq_len), and there is room for one. Take it out with RemovePrefix first.");
            if (value is EmbeddingPrompt && value.Length >= Config.MaxPositions)
                throw new ModelInputException(nameof(SoftPrompt), $"{value.Length} virtual tokens leave none of the model's {Config.MaxPositions} positions for a token.");
            Transformer.SoftPrompt = value;
        }
    }

    /// <summary>
    /// Puts a saved P-Tuning v2 prefix on this model, in place of the one that it has, if any. The length and whether it is projected are read from the tensors. As in THUDM's script the
    /// model's own parameters are frozen, and the prefix is held in float32. A failure leaves the model as it was.
    /// </summary>
    /// <param name="path">A checkpoint folder or a weight file that holds <c>transformer.prefix_encoder.*</c> alone, or an old one that holds the whole model.</param>
    /// <exception cref="PrefixCheckpointException">The checkpoint holds no prefix, or one for another model.</exception>
    /// <exception cref="CheckpointException">The weights are missing or damaged.</exception>
    /// <exception cref="ConfigException">The config.json beside the weights is damaged.</exception>
    /// <exception cref="ModelInputException">Keys of another prompt stand before the tokens (<see cref="SoftPrompt"/>), or the model is computing on another thread.</exception>
    public PrefixReport LoadPrefix(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        if (SoftPrompt is KeyValuePrompt)
            throw new ModelInputException(nameof(LoadPrefix), $"keys of another prompt ({SoftPrompt.GetType().Name}) stand before the tokens, and there is room for one. Take it away first.");
        using var checkpoint = Checkpoint.Open(path);
        var (encoder, report) = PrefixCheckpoint.Read(checkpoint, this, Transformer.PrefixEmbeddingWidth);
        encoder.Train(Training);
        try
        {
            SetPrefix(encoder, Config with { PreSeqLen = report.PreSeqLen, PrefixProjection = report.PrefixProjection });
        }
        catch
        {
            encoder.Dispose();
            throw;
        }

        return report;
    }

    /// <summary>Takes the P-Tuning v2 prefix out and gives its memory back. What <see cref="LoadPrefix"/> froze can be trained again.</summary>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="ModelInputException">The model is computing on another thread.</exception>
    public bool RemovePrefix()
    {
        if (Transformer.PrefixEncoder is null)
            return false;
        SetPrefix(null, Config with { PreSeqLen = null, PrefixProjection = false });
        return true;
    }

    private void SetPrefix(PrefixEncoder? prefix, ChatGLMConfig config)
    {
        // The gate stays closed: no pass may read a prefix that is being given back.
        lock (_passGate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_passes > 0)
                throw new ModelInputException(nameof(SoftPrompt), "the model is computing on another thread. Change its prefix before it is used, or when it is done.");
            var old = Transformer.PrefixEncoder;
            Transformer.SetPrefix(null);
            if (prefix is null)
            {
                _frozenByPrefix.ForEach(parameter => parameter.RequiresGrad = true);
                _frozenByPrefix = [];
            }
            else if (old is null)
            {
                _frozenByPrefix = [.. NamedParameters().Select(p => p.Parameter).Where(p => p.RequiresGrad)];
                _frozenByPrefix.ForEach(parameter => parameter.RequiresGrad = false);
            }

            Transformer.SetPrefix(prefix);
            Config = config;
            old?.Dispose();
        }
    }
}
