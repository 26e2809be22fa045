using Microsoft.Extensions.Logging;

namespace ChatGLM.Training;

/// <summary>How a <see cref="TokenizedDataset"/> is made and kept.</summary>
public sealed record TokenizedDatasetOptions
{
    /// <summary>Where rows are kept; <c>chatglm-net/rows</c> in the user's cache folder (<c>XDG_CACHE_HOME</c>, <c>~/.cache</c>, or the local application data) if null. What is in it can be deleted at any time.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Whether to tokenize again even if rows are kept (the script's <c>overwrite_cache</c>).</summary>
    public bool OverwriteCache { get; init; }

    /// <summary>Only so many records from the front of the file (<c>max_train_samples</c> and its like); null for all.</summary>
    public int? MaxSamples { get; init; }

    /// <summary>How many records are tokenized at the same time (<c>preprocessing_num_workers</c>); null for one per core. The rows are the same for any number.</summary>
    public int? NumWorkers { get; init; }

    /// <summary>Told whether rows were found or made.</summary>
    public ILogger? Logger { get; init; }
}
