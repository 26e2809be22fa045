using System.Text;

namespace ChatGLM.Docs.Tests;

/// <summary>A command of a page, split into words as a shell does: quotes, a backslash at the end of a line, comments.</summary>
internal sealed record ShellLine(string Page, int Line, IReadOnlyList<string> Words)
{
    public override string ToString() => $"{Page}:{Line} {string.Join(' ', Words)}";

    /// <summary>The commands of the shell blocks of a page, and those that stand in its text.</summary>
    public static IEnumerable<ShellLine> Of(MarkdownFile page)
    {
        foreach (var block in page.Blocks.Where(block => block.Language is "sh" or "bash"))
        {
            var line = block.Line;
            var text = "";
            foreach (var part in block.Code.Split('\n'))
            {
                text += part.EndsWith('\\') ? part[..^1] + " " : part;
                if (!part.EndsWith('\\'))
                {
                    foreach (var words in Split(text))
                        yield return new ShellLine(page.Name, line, words);
                    text = "";
                }

                line++;
            }
        }

        foreach (var (code, line) in page.Spans.Where(span => span.Code.Contains(' ') && !span.Code.Contains('<')))
        {
            foreach (var words in Split(code).Where(words => words[0] is "dotnet" or "chatglm" || words[0].Contains('/')))
                yield return new ShellLine(page.Name, line, words);
        }
    }

    /// <summary>The commands of a line, without variables set before them.</summary>
    private static IEnumerable<List<string>> Split(string line)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        char quote = '\0';
        var isWord = false;
        foreach (var c in line + "\n")
        {
            if (quote != '\0' && c != '\n')
            {
                if (c == quote)
                    quote = '\0';
                else
                    word.Append(c);
                continue;
            }

            if (c is '\'' or '"')
            {
                (quote, isWord) = (c, true);
            }
            else if (c is ' ' or '\n' or '\t')
            {
                if (isWord || word.Length > 0)
                    words.Add(word.ToString());
                word.Clear();
                isWord = false;
            }
            else if (c == '#' && word.Length == 0 && !isWord)
            {
                break;
            }
            else
            {
                word.Append(c);
            }
        }

        if (isWord || word.Length > 0)
            words.Add(word.ToString());
        while (words.Count > 0)
        {
            var end = words.FindIndex(w => w is "&&" or "|" or ";" or ">");
            var command = (end < 0 ? words : words[..end]).SkipWhile(w => w.Contains('=') && char.IsAsciiLetterUpper(w[0])).ToList();
            words = end < 0 ? [] : words[(end + 1)..];
            if (command.Count > 0)
                yield return command;
        }
    }
}
