using System.Text.RegularExpressions;

namespace ChatGLM.Peft.Tuners;

/// <summary>
/// A regular expression from an adapter's configuration, matched against the paths of modules. It runs in time linear in the path where its constructs allow it, and
/// under a time limit where they do not (lookaround, backreferences), as it may come from a stranger's file.
/// </summary>
internal sealed class ModulePattern
{
    private const int MaxLength = 10_000;
    private static readonly TimeSpan TimeLimit = TimeSpan.FromMilliseconds(500);

    private readonly Regex _regex;
    private readonly string _field;
    private readonly string _source;

    /// <param name="pattern">What the whole path is to match.</param>
    /// <param name="source">The configuration, for an error.</param>
    /// <param name="field">Its field, for an error.</param>
    /// <param name="given">The pattern as the user gave it, for an error.</param>
    public ModulePattern(string pattern, string source, string field, string given)
    {
        (_source, _field) = (source, field);
        if (pattern.Length > MaxLength)
            throw new AdapterConfigException(source, field, $"holds a regular expression of {pattern.Length} characters, expected at most {MaxLength}.");
        var whole = $"^(?:{pattern})\\z";
        try
        {
            try
            {
                _regex = new Regex(whole, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, TimeLimit);
            }
            catch (NotSupportedException)
            {
                _regex = new Regex(whole, RegexOptions.CultureInvariant, TimeLimit);
            }
        }
        catch (ArgumentException error)
        {
            throw new AdapterConfigException(source, field, $"holds '{PeftException.Bound(given)}', which is no regular expression: {error.Message}", error);
        }
    }

    public bool Matches(string path) => Match(path).Success;

    public Match Match(string path)
    {
        try
        {
            return _regex.Match(path);
        }
        catch (RegexMatchTimeoutException error)
        {
            throw new AdapterConfigException(_source, _field, "holds a regular expression that takes too long to match; write it without nested repetition.", error);
        }
    }
}
