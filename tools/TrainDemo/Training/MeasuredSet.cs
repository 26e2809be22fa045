using ChatGLM.Tools.TrainDemo.Text;
using ChatGLM.Training;

namespace ChatGLM.Tools.TrainDemo.Training;

/// <summary>What a model said to some questions, and how near that came.</summary>
internal sealed class MeasuredSet
{
    private readonly IReadOnlyDictionary<string, double> _scores;

    public MeasuredSet(string name, IReadOnlyList<IReadOnlyList<Exchange>> conversations, IReadOnlyList<string> answers)
    {
        (Name, Conversations, Answers) = (name, conversations, answers);
        _scores = Seq2SeqMetrics.Compute(answers.Zip(conversations, (answer, rounds) => (answer, rounds[^1].Answer)), new CharacterSegmenter());
    }

    public string Name { get; }

    /// <summary>Conversations whose last round was asked.</summary>
    public IReadOnlyList<IReadOnlyList<Exchange>> Conversations { get; }

    public IReadOnlyList<string> Answers { get; }

    /// <summary>The percentage of answers that are right to the letter.</summary>
    public double Exact => 100.0 * Answers.Zip(Conversations).Count(pair => pair.First == pair.Second[^1].Answer) / Answers.Count;

    public double RougeL => _scores["rouge-l"];

    public double Bleu4 => _scores["bleu-4"];

    /// <summary>A line of a report.</summary>
    public override string ToString() => FormattableString.Invariant($"{Name,-36} {Answers.Count,4} rows  exact {Exact,5:F1} %  ROUGE-L {RougeL,5:F1}  BLEU-4 {Bleu4,5:F1}");

    /// <summary>The first answers that are not right.</summary>
    public IEnumerable<string> Wrong(int count) => Conversations.Zip(Answers).Where(pair => pair.Second != pair.First[^1].Answer).Take(count)
        .Select(pair => $"    {string.Join(" / ", pair.First.Select(exchange => exchange.Question))}\n      said   {pair.Second}\n      wanted {pair.First[^1].Answer}");
}
