namespace ChatGLM.Training;

/// <summary>Makes rows of a record. The same record has to give the same rows, whatever came before it: records are tokenized side by side.</summary>
public interface IFeatureBuilder
{
    /// <summary>A text that stands for everything that the rows follow from besides the record: tokenizer, options, format. Rows that were kept on disk are used again only under the same.</summary>
    string Fingerprint { get; }

    /// <summary>The rows of a record: none if it holds nothing to learn from, several if it is a conversation of several answers.</summary>
    /// <param name="record">The record.</param>
    /// <exception cref="TrainingDataException">The record is not what it should be.</exception>
    IEnumerable<TokenizedExample> Build(TrainingRecord record);
}
