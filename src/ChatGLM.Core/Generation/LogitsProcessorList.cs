namespace ChatGLM.Generation;

/// <summary>Processors that run one after another.</summary>
internal sealed class LogitsProcessorList : LogitsProcessor
{
    private readonly List<LogitsProcessor> _processors = [];

    public int Count => _processors.Count;

    public LogitsProcessor this[int index] => _processors[index];

    public void Add(LogitsProcessor processor) => _processors.Add(processor);

    public override void Process(InputIds inputIds, TokenScores scores)
    {
        foreach (var processor in _processors)
            processor.Process(inputIds, scores);
    }
}
