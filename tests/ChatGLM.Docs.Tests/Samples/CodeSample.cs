namespace ChatGLM.Docs.Tests;

/// <summary>
/// A C# block of a page, together with what a reader has in hand when he comes to it. The page says that in comments right above the block:
/// <c>&lt;!-- continues --&gt;</c> for one that goes on with the block before, <c>&lt;!-- setup: Tensor ids = null!; --&gt;</c> for lines that the page does not show, <c>&lt;!-- run --&gt;</c>
/// for one that is not only compiled but run with the small model, and <c>&lt;!-- prints --&gt;</c> above the block of text after it that shows what it prints.
/// The using directives of all blocks above hold on the whole page.
/// </summary>
internal sealed class CodeSample
{
    private CodeSample(string page, int line) => (Page, Line) = (page, line);

    public string Page { get; }

    public int Line { get; }

    /// <summary>Using directives of blocks that this one does not continue.</summary>
    public List<SamplePiece> Above { get; } = [];

    /// <summary>What is compiled, in order: the blocks that this one continues, with their hidden lines, and its own.</summary>
    public List<SamplePiece> Pieces { get; } = [];

    public bool Runs { get; private init; }

    /// <summary>What the pages say that the pieces print when they run, in order.</summary>
    public List<string> Prints { get; } = [];

    public override string ToString() => $"{Page}:{Line}";

    /// <summary>The samples of a page, from the top.</summary>
    public static IEnumerable<CodeSample> Of(MarkdownFile page)
    {
        CodeSample? last = null;
        foreach (var block in page.Blocks)
        {
            if (block.Comments.Any(comment => comment.Text.Trim() == "prints"))
            {
                (last ?? throw new InvalidDataException($"{page.Name}:{block.Line}: there is no sample above that could print this.")).Prints.Add(block.Code);
                continue;
            }

            if (block.Language != "csharp")
                continue;
            var sample = new CodeSample(page.Name, block.Line) { Runs = Says("run") };
            if (Says("continues"))
            {
                var before = last ?? throw new InvalidDataException($"{page.Name}:{block.Line}: there is no sample above that this one could continue.");
                sample.Above.AddRange(before.Above);
                sample.Pieces.AddRange(before.Pieces);
                sample.Prints.AddRange(before.Prints);
            }
            else if (last is not null)
            {
                sample.Above.AddRange(last.Above);
                sample.Above.AddRange(last.Pieces);
            }

            sample.Pieces.AddRange(Setup(page, block.Comments));
            sample.Pieces.Add(new SamplePiece(page.Name, block.Code, block.Line));
            yield return last = sample;

            bool Says(string word) => block.Comments.Any(comment => comment.Text.Split(',').Any(part => part.Trim() == word));
        }
    }

    /// <summary>The hidden lines that comments hold.</summary>
    public static IEnumerable<SamplePiece> Setup(MarkdownFile page, IEnumerable<Comment> comments) =>
        comments.Select(comment => comment.Behind("setup:")).OfType<(string Text, int Line)>().Select(setup => new SamplePiece(page.Name, setup.Text, setup.Line));
}
