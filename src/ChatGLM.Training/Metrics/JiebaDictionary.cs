using System.Globalization;
using System.Text;

namespace ChatGLM.Training;

/// <summary>
/// Words with their frequencies, in the form that jieba's <c>dict.txt</c> has: <c>word frequency part-of-speech</c> on each line. Immutable, and safe on several threads.
/// </summary>
public sealed class JiebaDictionary
{
    /// <summary>jieba's own dictionary has 350,000 words; a file beyond this is something else.</summary>
    private const int MostWords = 10_000_000;
    private const int LongestWordChars = 256;
    private const string BuiltInResource = "ChatGLM.Training.Metrics.Words.chinese.txt";

    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Each word with its frequency, and each beginning of a word with zero, so that a search knows when to stop.</summary>
    private readonly Dictionary<string, long> _frequencies;
    private readonly Dictionary<string, long>.AlternateLookup<ReadOnlySpan<char>> _lookup;

    private JiebaDictionary(Dictionary<string, long> frequencies, long total)
    {
        (_frequencies, Total) = (frequencies, total);
        _lookup = frequencies.GetAlternateLookup<ReadOnlySpan<char>>();
        LogTotal = Math.Log(total);
    }

    /// <summary>The sum of all frequencies.</summary>
    public long Total { get; }

    /// <summary>The words.</summary>
    public int Count => _frequencies.Count(pair => pair.Value > 0);

    internal double LogTotal { get; }

    /// <summary>The small dictionary of this package: some two thousand words of everyday speech and of shop descriptions, with rough frequencies.</summary>
    public static JiebaDictionary CreateBuiltIn()
    {
        using var stream = typeof(JiebaDictionary).Assembly.GetManifestResourceStream(BuiltInResource)
            ?? throw new InvalidOperationException($"The resource {BuiltInResource} is not in the package.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        var words = new Builder();
        while (reader.ReadLine() is { } line)
        {
            if (line.StartsWith('#'))
                continue;
            var parts = line.Split(' ');
            foreach (var word in parts.AsSpan(1))
                words.AddIfNew(word, long.Parse(parts[0], CultureInfo.InvariantCulture));
        }

        return words.Build();
    }

    /// <summary>Reads a dictionary in jieba's form.</summary>
    /// <param name="path">The file, in UTF-8.</param>
    /// <exception cref="TrainingDataException">The file cannot be read, or is no such dictionary; the message names the line.</exception>
    public static JiebaDictionary FromFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var words = new Builder();
        foreach (var (word, frequency, origin) in Lines(path))
        {
            words.Set(word, frequency ?? throw new TrainingDataException(origin, $"expected a word and its frequency, found '{word}' alone. A list of words without frequencies goes into WithWords."));
            if (words.Count > MostWords)
                throw new TrainingDataException(origin, $"there are more than {MostWords} words and beginnings of words. Is this a dictionary?");
        }

        return words.Count > 0 ? words.Build() : throw new TrainingDataException(path, "there is no word in it.");
    }

    /// <summary>This dictionary with the words of another file (jieba's <c>load_userdict</c>). A word without a frequency gets one that makes it hold together.</summary>
    /// <param name="path">The file: a word on each line, with a frequency or without.</param>
    /// <exception cref="TrainingDataException">The file cannot be read, or is no such list; the message names the line.</exception>
    public JiebaDictionary WithWords(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var words = new Builder(_frequencies, Total);
        foreach (var (word, frequency, _) in Lines(path))
            words.Set(word, frequency ?? words.Build().Suggested(word));
        return words.Build();
    }

    /// <summary>The frequency of a word: 0 if it only begins others, -1 if it is not even that.</summary>
    internal long Find(ReadOnlySpan<char> word) => _lookup.TryGetValue(word, out var frequency) ? frequency : -1;

    /// <summary>The least frequency at which a word is found rather than its parts.</summary>
    private long Suggested(string word)
    {
        var chance = 1.0;
        foreach (var part in new JiebaSegmenter(this).Split(word))
            chance *= (double)Math.Max(1, Find(part)) / Total;
        return Math.Max((long)(chance * Total) + 1, Math.Max(1, Find(word)));
    }

    private static IEnumerable<(string Word, long? Frequency, string Origin)> Lines(string path)
    {
        var number = 0;
        using var reader = new StreamReader(TrainingFile.OpenRead(path), Strict);
        while (Next() is { } line)
        {
            var origin = string.Create(CultureInfo.InvariantCulture, $"{path}, line {number}");
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            if (parts.Length == 0)
                continue;
            if (parts[0].Length > LongestWordChars)
                throw new TrainingDataException(origin, $"a word has {parts[0].Length} characters, more than {LongestWordChars}. Is this a dictionary?");
            long? frequency = null;
            if (parts.Length > 1 && long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var value))
                frequency = value;
            else if (parts.Length > 2)
                throw new TrainingDataException(origin, $"expected a frequency behind '{parts[0]}', found '{parts[1]}'.");
            yield return (parts[0], frequency, origin);
        }

        string? Next()
        {
            number++;
            try
            {
                return reader.ReadLine();
            }
            catch (DecoderFallbackException)
            {
                throw new TrainingDataException(string.Create(CultureInfo.InvariantCulture, $"{path}, about line {number}"), "it is not UTF-8. Save the file as UTF-8.");
            }
        }
    }

    private sealed class Builder(IDictionary<string, long>? from = null, long total = 0)
    {
        private readonly Dictionary<string, long> _words = from is null ? [] : new(from);
        private long _total = total;

        public int Count => _words.Count;

        public void AddIfNew(string word, long frequency)
        {
            if (_words.GetValueOrDefault(word) == 0)
                Set(word, frequency);
        }

        /// <summary>As jieba does it, a word that comes twice has its last frequency, and the sum has both.</summary>
        public void Set(string word, long frequency)
        {
            _words[word] = frequency;
            _total += frequency;
            for (var length = 1; length < word.Length; length++)
                _words.TryAdd(word[..length], 0);
        }

        public JiebaDictionary Build() => new(_words, Math.Max(1, _total));
    }
}
