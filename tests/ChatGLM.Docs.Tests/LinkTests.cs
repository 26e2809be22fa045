using System.Text.RegularExpressions;

namespace ChatGLM.Docs.Tests;

/// <summary>Links lead somewhere, and files and types that the text names are there.</summary>
public sealed partial class LinkTests
{
    private static readonly HashSet<string> PublicNames = [.. Directory.GetFiles(Repository.PathOf("docs/api"), "*.txt").SelectMany(File.ReadLines).SelectMany(line => Word().Matches(line)).Select(word => word.Value)];

    public static IEnumerable<object[]> Pages => Repository.Pages.Select(page => new object[] { page.Name });

    [Theory]
    [MemberData(nameof(Pages))]
    public void Links_and_pictures_are_there(string page) => Page(page).Links.Where(link => !Leads(Page(page), link.Target)).Select(link => $"{page}:{link.Line} {link.Target}").Should().BeEmpty();

    [Theory]
    [MemberData(nameof(Pages))]
    public void Paths_in_the_text_are_there(string page) => Page(page).Spans
        .Where(span => RepositoryPath().IsMatch(span.Code) && !Path.Exists(Repository.PathOf(span.Code.TrimEnd('/'))))
        .Select(span => $"{page}:{span.Line} {span.Code}").Should().BeEmpty();

    [Theory]
    [MemberData(nameof(Pages))]
    public void Errors_and_options_in_the_text_are_public_types(string page) => Page(page).Spans
        .Where(span => Repository.IsForUsers(Page(page)) && TypeName().IsMatch(span.Code) && !PublicNames.Contains(span.Code) && !IsOfOthers(span.Code))
        .Select(span => $"{page}:{span.Line} {span.Code}").Should().BeEmpty();

    [Fact]
    public void Every_page_of_docs_is_in_its_index()
    {
        var linked = Page("docs/README.md").Links.Select(link => link.Target.Split('#')[0]).ToHashSet();
        Repository.Pages.Where(page => page.Folder == "docs" && page.Name != "docs/README.md").Select(page => Path.GetFileName(page.Name)).Should().OnlyContain(name => linked.Contains(name));
    }

    [Fact]
    public void Every_error_is_explained()
    {
        var explained = Page("docs/troubleshooting.md").Spans.Select(span => span.Code).ToHashSet();
        Directory.GetFiles(Repository.PathOf("docs/api"), "*.txt").SelectMany(File.ReadLines)
            .Where(line => line.StartsWith("sealed class ", StringComparison.Ordinal) && line.Split(' ')[2].EndsWith("Exception", StringComparison.Ordinal))
            .Select(line => line.Split(' ')[2].Split('.')[^1]).Should().OnlyContain(name => explained.Contains(name), "docs/troubleshooting.md says of every error what to do");
    }

    [Fact]
    public void What_is_wrong_is_found()
    {
        var page = MarkdownFile.Read("docs/page.md", "[a](nowhere.md) [b](../ARCHITECTURE.md) [c](README.md#no-such-heading) [d](README.md) ![d](images/none.png) `[e](code.md)` <https://example.org> [f](https://example.org)");
        page.Links.Where(link => !Leads(page, link.Target)).Select(link => link.Target).Should().Equal("nowhere.md", "../ARCHITECTURE.md", "README.md#no-such-heading", "images/none.png");
    }

    private static MarkdownFile Page(string name) => Repository.Pages.Single(page => page.Name == name);

    private static bool Leads(MarkdownFile from, string target)
    {
        if (target.Contains("://", StringComparison.Ordinal))
            return true;
        var parts = target.Split('#');
        var name = parts[0].Length == 0 ? from.Name : Path.GetRelativePath(Repository.Root, Path.GetFullPath(Path.Combine(Repository.Root, from.Folder, parts[0]))).Replace('\\', '/');
        if (name.StartsWith("..", StringComparison.Ordinal) || !Path.Exists(Repository.PathOf(name)))
            return false;
        return parts.Length == 1 || Repository.Pages.Any(page => page.Name == name && page.Headings.Any(heading => MarkdownFile.Anchor(heading.Text) == parts[1]));
    }

    /// <summary>Names of .NET, of the packages that ours stand on, and of samples.</summary>
    private static bool IsOfOthers(string name) =>
        name is "IChatClient" or "BitsAndBytesConfig" or "GPTQConfig" or "IA3Config" or "OFTConfig" or "OperationCanceledException" or "OptionsValidationException" or "ObjectDisposedException" or "ServerOptions" or "OutOfMemoryException" or "PlatformNotSupportedException" or "RawRepresentationFactory";

    [GeneratedRegex(@"^(src|samples|tests|tools|docs|benchmarks|eng)/[\w./-]+$")]
    private static partial Regex RepositoryPath();

    [GeneratedRegex(@"^[A-Z]\w+(Exception|Options|Config|Callback|Client|Tokenizer|Collator\w*|Features|Metrics)$")]
    private static partial Regex TypeName();

    [GeneratedRegex(@"\w+")]
    private static partial Regex Word();
}
