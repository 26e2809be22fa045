using System.Globalization;
using ChatGLM.Tokenizers;
using ChatGLM.Training;

namespace ChatGLM.Samples.AlpacaLora;

/// <summary>Rows of Alpaca records: the template as question, the output as answer, of which only the answer is learned. Rows that are longer than they may be are left out, not cut.</summary>
internal sealed class AlpacaFeatures : IFeatureBuilder
{
    private const string Prompt = "prompt";
    private const string Response = "response";

    private readonly AlpacaSettings _settings;
    private readonly IFeatureBuilder _rows;

    public AlpacaFeatures(ChatGLMTokenizer tokenizer, AlpacaSettings settings)
    {
        _settings = settings;
        // One token more than fits shows that a row does not.
        var most = settings.MaxLength + 1;
        _rows = new Seq2SeqFeatures(tokenizer, new() { PromptColumn = Prompt, ResponseColumn = Response, MaxSourceLength = most, MaxTargetLength = most, PadToMaxLength = false }).Training;
    }

    public string Fingerprint => string.Create(CultureInfo.InvariantCulture, $"alpaca:1:{_settings.MaxLength}:{_settings.PromptLanguage}:{_rows.Fingerprint}");

    public IEnumerable<TokenizedExample> Build(TrainingRecord record)
    {
        var input = record.Has("input") ? record.Text("input") : "";
        var prompt = AlpacaPrompt.Of(record.Text("instruction"), input, _settings.PromptLanguage);
        return _rows.Build(new TrainingRecord(record.Origin, new Dictionary<string, string> { [Prompt] = prompt, [Response] = record.Text("output") })).Where(row => row.InputIds.Length <= _settings.MaxLength);
    }
}
