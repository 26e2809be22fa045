namespace ChatGLM.Training;

/// <summary>A builder of rows made of a function.</summary>
internal sealed class FeatureBuilder(string fingerprint, Func<TrainingRecord, IEnumerable<TokenizedExample>> build) : IFeatureBuilder
{
    public string Fingerprint => fingerprint;

    public IEnumerable<TokenizedExample> Build(TrainingRecord record) => build(record);
}
