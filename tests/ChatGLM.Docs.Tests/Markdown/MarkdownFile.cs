using System.Text;
using System.Text.RegularExpressions;

namespace ChatGLM.Docs.Tests;

/// <summary>What of a Markdown file can be checked: headings, fenced blocks, tables, links, and code within the text.</summary>
internal sealed partial class MarkdownFile
{
    private MarkdownFile(string name) => Name = name;

    /// <summary>From the root of the repository, such as <c>docs/peft.md</c>.</summary>
    public string Name { get; }

    public string Folder => Path.GetDirectoryName(Name)!.Replace('\\', '/');

    public List<(int Level, string Text, int Line)> Headings { get; } = [];

    public List<CodeBlock> Blocks { get; } = [];

    public List<TableRow> Rows { get; } = [];

    /// <summary>Targets of links and images.</summary>
    public List<(string Target, int Line)> Links { get; } = [];

    /// <summary>Code between backticks.</summary>
    public List<(string Code, int Line)> Spans { get; } = [];

    public override string ToString() => Name;

    public static MarkdownFile Read(string name, string text)
    {
        var file = new MarkdownFile(name);
        var lines = text.ReplaceLineEndings("\n").Split('\n');
        var comments = new List<Comment>();
        IReadOnlyList<Comment>? tableComments = null;
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i];
            if (Fence().Match(line) is { Success: true } fence)
            {
                var first = i + 1;
                while (++i < lines.Length && !lines[i].StartsWith(fence.Groups[1].Value, StringComparison.Ordinal))
                    continue;
                if (i == lines.Length)
                    throw new InvalidDataException($"{name}:{first}: the block that begins here has no end.");
                file.Blocks.Add(new CodeBlock(fence.Groups[2].Value, string.Join('\n', lines[first..i]), first + 1, [.. comments]));
                comments.Clear();
            }
            else if (line.StartsWith("<!--", StringComparison.Ordinal))
            {
                var first = i;
                while (!lines[i].Contains("-->", StringComparison.Ordinal))
                {
                    if (++i == lines.Length)
                        throw new InvalidDataException($"{name}:{first + 1}: the comment that begins here has no end.");
                }

                var comment = string.Join('\n', lines[first..(i + 1)]);
                comments.Add(new Comment(comment[4..comment.IndexOf("-->", StringComparison.Ordinal)], first + 1));
            }
            else if (line.StartsWith('|'))
            {
                var isHeader = tableComments is null;
                tableComments ??= [.. comments];
                if (!isHeader && !Ruler().IsMatch(line))
                    file.Rows.Add(new TableRow(Cells(line), i + 1, tableComments));
                file.ReadText(line, i + 1);
                comments.Clear();
                continue;
            }
            else
            {
                if (Heading().Match(line) is { Success: true } heading)
                    file.Headings.Add((heading.Groups[1].Length, heading.Groups[2].Value.Trim(), i + 1));
                if (line.Length > 0)
                    comments.Clear();
                file.ReadText(line, i + 1);
            }

            tableComments = null;
        }

        return file;
    }

    /// <summary>The name that a heading has in a link, as GitHub makes it.</summary>
    public static string Anchor(string heading)
    {
        var anchor = new StringBuilder();
        foreach (var c in heading.ToLowerInvariant())
        {
            if (char.IsLetterOrDigit(c) || c is '-' or '_')
                anchor.Append(c);
            else if (c == ' ')
                anchor.Append('-');
        }

        return anchor.ToString();
    }

    private void ReadText(string line, int number)
    {
        foreach (Match span in Span().Matches(line))
            Spans.Add((span.Groups[1].Value, number));
        // What looks like a link within code is none.
        foreach (Match link in Link().Matches(Span().Replace(line, match => new string('`', match.Length))))
            Links.Add((link.Groups[1].Value, number));
    }

    /// <summary>A bar within code does not end a cell.</summary>
    private static List<string> Cells(string line)
    {
        var cells = new List<string>();
        var cell = new StringBuilder();
        var isCode = false;
        foreach (var c in line.Trim()[1..])
        {
            if (c == '`')
                isCode = !isCode;
            if (c == '|' && !isCode)
            {
                cells.Add(cell.ToString().Trim());
                cell.Clear();
            }
            else
            {
                cell.Append(c);
            }
        }

        return cells;
    }

    [GeneratedRegex("^(```+)([a-z]*)$")]
    private static partial Regex Fence();

    [GeneratedRegex("^(#+) (.*)$")]
    private static partial Regex Heading();

    [GeneratedRegex("^[|: -]+$")]
    private static partial Regex Ruler();

    [GeneratedRegex("`([^`]+)`")]
    private static partial Regex Span();

    [GeneratedRegex(@"\]\(([^)\s]+)\)")]
    private static partial Regex Link();
}
