using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using ChatGLM.Tools.TrainDemo.Text;
using ChatGLM.Training;

namespace ChatGLM.Tools.TrainDemo.Training;

/// <summary>Measures a model on what it was trained on and on what was held out from it.</summary>
internal static class Measurement
{
    private const int Batch = 32;
    private const int Seed = 1;
    private const int MostTokens = 96;

    public static void Run(string folder, int count, int threads, int shown)
    {
        var tokenizer = (ChatGLM2Tokenizer)AutoTokenizer.FromPretrained(folder);
        using var model = AutoModel.FromPretrained(folder, new ModelOptions { Backend = new CpuBackend(new CpuBackendOptions { Threads = threads }) });
        foreach (var (name, rounds) in Sets(count))
            Report(name, rounds, Answers(model, tokenizer, rounds), shown);
    }

    private static IEnumerable<(string Name, List<IReadOnlyList<Exchange>> Rounds)> Sets(int count)
    {
        Exchange[] questions = [.. Countries.Exchanges(), .. Words.Exchanges(), .. Words.Opposites(), .. Facts.Exchanges(), .. Sums.Exchanges(), .. Unknowns.Exchanges()];
        Exchange[] newWordings = [.. Countries.NewWordings(), .. Words.NewWordings(), .. Sums.NewWordings()];
        yield return ("questions as trained", Single(questions.Where(exchange => !exchange.IsHeldOut), count));
        yield return ("small talk as trained", Single(SmallTalk.Exchanges(), count));
        yield return ("questions held out in this wording", Single(questions.Where(exchange => exchange.IsHeldOut), count));
        yield return ("questions in new wordings", Single(newWordings, count));
        yield return ("follow-up questions held out", Drawn(new FollowUps(), count));
        yield return ("names held out", Drawn(new Introductions([new FixedTopic(SmallTalk.Exchanges(), isPolite: false)]), count));
        yield return ("advertisements held out", Drawn(new Advertisements(), count));
    }

    private static List<IReadOnlyList<Exchange>> Single(IEnumerable<Exchange> exchanges, int count) => [.. new Draw(Seed).Some([.. exchanges], count).Select(exchange => new[] { exchange })];

    /// <summary>Conversations whose last round is held out.</summary>
    private static List<IReadOnlyList<Exchange>> Drawn(ITopic topic, int count)
    {
        var (draw, drawn) = (new Draw(Seed), new List<IReadOnlyList<Exchange>>());
        while (drawn.Count < count)
        {
            if (topic.Next(draw) is var rounds && rounds[^1].IsHeldOut)
                drawn.Add(rounds);
        }

        return drawn;
    }

    private static List<string> Answers(ChatGLMForConditionalGeneration model, ChatGLM2Tokenizer tokenizer, List<IReadOnlyList<Exchange>> conversations)
    {
        var (rows, collator, answers) = (new ConversationRows(tokenizer), new DataCollatorForSeq2Seq(tokenizer), new List<string>());
        foreach (var part in conversations.Chunk(Batch))
        {
            using var scope = new TensorScope();
            var prompts = collator.Collate([.. part.Select(rounds => new TokenizedExample(rows.Prompt(rounds, rounds.Count - 1)))], model.Backend);
            var result = model.Generate(prompts, new GenerationConfig { MaxNewTokens = MostTokens });
            answers.AddRange(result.Sequences.Select(sequence => tokenizer.Decode([.. sequence.Skip((int)prompts.InputIds.Shape[1])], new DecodeOptions { SkipSpecialTokens = true }).Trim()));
        }

        return answers;
    }

    private static void Report(string name, List<IReadOnlyList<Exchange>> conversations, List<string> answers, int shown)
    {
        var pairs = answers.Zip(conversations, (answer, rounds) => (Predicted: answer, Label: rounds[^1].Answer)).ToList();
        var scores = Seq2SeqMetrics.Compute(pairs, new CharacterSegmenter());
        Console.WriteLine($"{name,-36} {pairs.Count,4} rows  exact {100.0 * pairs.Count(pair => pair.Predicted == pair.Label) / pairs.Count,5:F1} %  ROUGE-L {scores["rouge-l"],5:F1}  BLEU-4 {scores["bleu-4"],5:F1}");
        foreach (var (rounds, answer) in conversations.Zip(answers).Where(pair => pair.Second != pair.First[^1].Answer).Take(shown))
            Console.WriteLine($"    {string.Join(" / ", rounds.Select(exchange => exchange.Question))}\n      said   {answer}\n      wanted {rounds[^1].Answer}");
    }
}
