using ChatGLM.Formats;
using ChatGLM.Generation;

namespace ChatGLM.Hub;

/// <summary>Which files of a repo the wanted parts are.</summary>
internal sealed class SnapshotPlan
{
    private const string ConfigFile = "config.json";
    private const string IndexSuffix = ".index.json";
    private const string TokenizerConfigFile = "tokenizer_config.json";

    private static readonly string[] TokenizerModels = ["tokenizer.model", "ice_text.model"];

    /// <summary>The script is read, never run: it is the one file that tells some tokenizers of ChatGLM2 from those of ChatGLM3.</summary>
    private static readonly string[] TokenizerExtras = ["tokenization_chatglm.py", "special_tokens_map.json", "added_tokens.json", ConfigFile];

    private static readonly string[] AdapterWeights = ["adapter_model.safetensors", "adapter_model.bin"];

    private readonly SortedSet<string> _files = new(StringComparer.Ordinal);
    private readonly SortedSet<string> _missing = new(StringComparer.Ordinal);

    private SnapshotPlan(SnapshotParts parts, Func<string, bool> has)
    {
        if (parts.HasFlag(SnapshotParts.Config))
        {
            Require(ConfigFile, has);
            Want(GenerationConfig.FileName, has);
        }

        if (parts.HasFlag(SnapshotParts.Tokenizer))
        {
            Require(TokenizerConfigFile, has);
            foreach (var extra in TokenizerExtras)
                Want(extra, has);
            foreach (var model in TokenizerModels.Where(has))
                _files.Add(model);
            if (!_files.Overlaps(TokenizerModels))
                Problem ??= $"none of {string.Join(", ", TokenizerModels)}";
        }

        if (parts.HasFlag(SnapshotParts.Weights))
        {
            AddFirst(Checkpoint.WeightFiles, has);
            Index = _files.FirstOrDefault(f => f.EndsWith(IndexSuffix, StringComparison.Ordinal));
        }

        if (parts.HasFlag(SnapshotParts.Adapter))
        {
            Require("adapter_config.json", has);
            AddFirst(AdapterWeights, has);
        }
    }

    /// <summary>The files to have; the shards that an index names come on top.</summary>
    public IReadOnlyCollection<string> Files => _files;

    /// <summary>What was looked for and is not there, though it could be.</summary>
    public IReadOnlyCollection<string> Missing => _missing;

    /// <summary>The index of the weights, when they come in shards.</summary>
    public string? Index { get; }

    /// <summary>What must be there and is not; null when nothing.</summary>
    public string? Problem { get; private set; }

    /// <summary>Plans what to take from a listing.</summary>
    public static SnapshotPlan From(SnapshotParts parts, Func<string, bool> has) => new(parts, has);

    /// <summary>Whether a folder holds all of the parts.</summary>
    public static bool IsComplete(string folder, SnapshotParts parts)
    {
        var plan = new SnapshotPlan(parts, name => File.Exists(Path.Combine(folder, name)));
        if (plan.Problem is not null)
            return false;
        if (plan.Index is null)
            return true;
        try
        {
            return ShardIndex.Read(Path.Combine(folder, plan.Index)).Files.All(shard => File.Exists(Path.Combine(folder, shard)));
        }
        catch (ShardIndexException)
        {
            return true; // it is there, and what is wrong with it is for the loader to say
        }
    }

    private void Require(string name, Func<string, bool> has)
    {
        if (has(name))
            _files.Add(name);
        else
            Problem ??= $"no '{name}'";
    }

    private void Want(string name, Func<string, bool> has)
    {
        if (has(name))
            _files.Add(name);
        else
            _missing.Add(name);
    }

    private void AddFirst(string[] names, Func<string, bool> has)
    {
        foreach (var name in names)
        {
            Want(name, has);
            if (_files.Contains(name))
                return;
        }

        Problem ??= $"none of {string.Join(", ", names)}";
    }
}
