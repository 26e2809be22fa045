using System.Text;
using System.Text.Json;
using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Generation;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

/// <summary>Each logits processor on its own, and the chains that options make of them, against transformers'.</summary>
public sealed class LogitsProcessingTests(ITestOutputHelper output)
{
    [ConformanceTheory("logits_processing"), CasesOf("logits_processing")]
    public void Each_processor_changes_scores_as_recorded(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf(recorded.Json.GetProperty("tensors").GetString()!));
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance"));
        var rows = 0;
        foreach (var row in recorded.Json.GetProperty("table").EnumerateArray())
        {
            var processor = Create(row.GetProperty("class").GetString()!, row.GetProperty("params"));
            var (scores, vocabulary) = Scores(tensors, row.GetProperty("input").GetString()!);
            processor.Process(Ids(tensors), new TokenScores(scores, vocabulary));
            closeness.Check(row.GetProperty("name").GetString()!, scores, tensors.Floats(row.GetProperty("output").GetString()!));
            rows++;
        }

        rows.Should().BePositive();
        closeness.Report(output, $"{caseName}, {rows} rows");
    }

    [ConformanceTheory("logits_processing"), CasesOf("logits_processing")]
    public void Options_make_the_recorded_chain(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var tensors = RecordedTensors.Read(recorded.PathOf(recorded.Json.GetProperty("tensors").GetString()!));
        var closeness = Closeness.From(recorded.Json.GetProperty("tolerance"));
        foreach (var chain in recorded.Json.GetProperty("chains").EnumerateArray())
        {
            var name = chain.GetProperty("name").GetString()!;
            var config = GenerationConfig.FromJson(Encoding.UTF8.GetBytes(chain.GetProperty("kwargs").GetRawText()), name);
            config.Validate();
            var processors = LogitsProcessors.Processors(config, chain.GetProperty("input_ids_seq_length").GetInt32(), config.MaxLength);
            var warpers = LogitsProcessors.Warpers(config);
            Names(processors).Should().Equal(Strings(chain.GetProperty("processors")), "processors of '{0}'", name);
            Names(warpers).Should().Equal(Strings(chain.GetProperty("warpers")), "warpers of '{0}'", name);

            var (scores, vocabulary) = Scores(tensors, "logits");
            processors.Process(Ids(tensors), new TokenScores(scores, vocabulary));
            closeness.Check($"{name}, processed", scores, tensors.Floats($"chain.{name}.processed"));
            warpers.Process(Ids(tensors), new TokenScores(scores, vocabulary));
            closeness.Check($"{name}, warped", scores, tensors.Floats($"chain.{name}.warped"));
            for (var start = 0; start < scores.Length; start += vocabulary)
                RowMath.Softmax(scores.AsSpan(start, vocabulary), scores.AsSpan(start, vocabulary));
            closeness.Check($"{name}, probabilities", scores, tensors.Floats($"chain.{name}.probs"));
        }

        closeness.Report(output, $"{caseName}, {recorded.Json.GetProperty("chains").GetArrayLength()} chains");
    }

    private static LogitsProcessor Create(string type, JsonElement parameters)
    {
        int Int(string name) => parameters.GetProperty(name).GetInt32();
        double Number(string name) => parameters.GetProperty(name).GetDouble();
        int[] Ints(string name) => Tokens(parameters.GetProperty(name));
        var kept = parameters.TryGetProperty("min_tokens_to_keep", out var keep) ? keep.GetInt32() : 1;
        return type switch
        {
            "TemperatureLogitsWarper" => new TemperatureLogitsWarper((float)Number("temperature")),
            "TopKLogitsWarper" => new TopKLogitsWarper(Int("top_k"), kept),
            "TopPLogitsWarper" => new TopPLogitsWarper(Number("top_p"), kept),
            "MinPLogitsWarper" => new MinPLogitsWarper(Number("min_p"), kept),
            "TypicalLogitsWarper" => new TypicalLogitsWarper(Number(parameters.TryGetProperty("mass", out _) ? "mass" : "typical_p"), kept),
            "EpsilonLogitsWarper" => new EpsilonLogitsWarper(Number(parameters.TryGetProperty("epsilon", out _) ? "epsilon" : "epsilon_cutoff"), kept),
            "EtaLogitsWarper" => new EtaLogitsWarper(Number(parameters.TryGetProperty("epsilon", out _) ? "epsilon" : "eta_cutoff"), kept),
            "RepetitionPenaltyLogitsProcessor" =>
                new RepetitionPenaltyLogitsProcessor((float)Number(parameters.TryGetProperty("penalty", out _) ? "penalty" : "repetition_penalty")),
            "NoRepeatNGramLogitsProcessor" => new NoRepeatNGramLogitsProcessor(Int(parameters.TryGetProperty("ngram_size", out _) ? "ngram_size" : "no_repeat_ngram_size")),
            "MinLengthLogitsProcessor" => new MinLengthLogitsProcessor(Int("min_length"), Ints("eos_token_id")),
            "MinNewTokensLengthLogitsProcessor" =>
                new MinNewTokensLengthLogitsProcessor(Int("prompt_length_to_skip"), Int("min_new_tokens"), Ints("eos_token_id")),
            "NoBadWordsLogitsProcessor" =>
                new NoBadWordsLogitsProcessor(parameters.GetProperty("bad_words_ids").EnumerateArray().Select(Tokens), Ints("eos_token_id")),
            "SequenceBiasLogitsProcessor" => new SequenceBiasLogitsProcessor(
                parameters.GetProperty("sequence_bias").EnumerateArray().Select(pair => (Tokens(pair[0]), (float)pair[1].GetDouble()))),
            "ForcedBOSTokenLogitsProcessor" => new ForcedBOSTokenLogitsProcessor(Int(parameters.TryGetProperty("bos_token_id", out _) ? "bos_token_id" : "forced_bos_token_id")),
            "ForcedEOSTokenLogitsProcessor" => new ForcedEOSTokenLogitsProcessor(
                Int("max_length"), Ints(parameters.TryGetProperty("eos_token_id", out _) ? "eos_token_id" : "forced_eos_token_id")),
            "SuppressTokensLogitsProcessor" => new SuppressTokensLogitsProcessor(Ints("suppress_tokens")),
            "SuppressTokensAtBeginLogitsProcessor" => new SuppressTokensAtBeginLogitsProcessor(Ints("begin_suppress_tokens"), Int("begin_index")),
            "ExponentialDecayLengthPenalty" => new ExponentialDecayLengthPenalty(
                parameters.GetProperty("exponential_decay_length_penalty")[0].GetInt32(),
                parameters.GetProperty("exponential_decay_length_penalty")[1].GetDouble(),
                Ints("eos_token_id"),
                Int("input_ids_seq_length")),
            "LogitNormalization" => new LogitNormalization(),
            "InfNanRemoveLogitsProcessor" => new InfNanRemoveLogitsProcessor(),
            // The published 6B code before its vocabulary was cut used 20005; the rows say which in words only.
            "InvalidScoreLogitsProcessor" => new InvalidScoreLogitsProcessor(parameters.TryGetProperty("token_id", out var token) ? token.GetInt32() : 5),
            _ => throw new NotSupportedException($"No processor of ours is called '{type}'."),
        };
    }

    private static InputIds Ids(RecordedTensors tensors)
    {
        var shape = tensors.Shape("input_ids");
        return new InputIds(Array.ConvertAll(tensors.Longs("input_ids"), n => (int)n), (int)shape[0], (int)shape[1], (int)shape[1]);
    }

    private static (float[] Scores, int Vocabulary) Scores(RecordedTensors tensors, string name) =>
        (tensors.Floats(name), (int)tensors.Shape(name)[^1]);

    private static int[] Tokens(JsonElement value) =>
        value.ValueKind == JsonValueKind.Array ? value.EnumerateArray().Select(n => n.GetInt32()).ToArray() : [value.GetInt32()];

    private static IEnumerable<string> Strings(JsonElement list) => list.EnumerateArray().Select(s => s.GetString()!);

    private static IEnumerable<string> Names(LogitsProcessorList list) => Enumerable.Range(0, list.Count).Select(i => list[i].GetType().Name);
}
