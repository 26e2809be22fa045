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

    /// <summary>Measures a snapshot.</summary>
    /// <param name="folder">The snapshot.</param>
    /// <param name="count">Rows of each kind.</param>
    /// <param name="threads">How many threads compute; 0 for one per core.</param>
    public static IEnumerable<MeasuredSet> Of(string folder, int count, int threads)
    {
        var tokenizer = (ChatGLM2Tokenizer)AutoTokenizer.FromPretrained(folder);
        using var model = AutoModel.FromPretrained(folder, new ModelOptions { Backend = new CpuBackend(new CpuBackendOptions { Threads = threads }) });
        foreach (var (name, rounds) in Sets(count))
            yield return new MeasuredSet(name, rounds, Answers(model, tokenizer, rounds));
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
}
