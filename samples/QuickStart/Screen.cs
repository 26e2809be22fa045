using Spectre.Console;

namespace ChatGLM.Samples.QuickStart;

/// <summary>What the sample shows.</summary>
internal sealed class Screen(IAnsiConsole console)
{
    private const int RedirectedWidth = 120;

    /// <summary>What bars are drawn on.</summary>
    public IAnsiConsole Console { get; } = console;

    /// <summary>Colours on a terminal; plain lines where the output goes to a file or another program.</summary>
    public static Screen OfConsole()
    {
        if (!System.Console.IsOutputRedirected)
            return new Screen(AnsiConsole.Console);
        var plain = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Interactive = InteractionSupport.No });
        plain.Profile.Width = RedirectedWidth;
        return new Screen(plain);
    }

    public void Heading(string text)
    {
        Console.WriteLine();
        Console.Write(new Rule($"[bold]{Markup.Escape(text)}[/]") { Justification = Justify.Left, Style = Style.Parse("green") });
    }

    public void Note(string text) => Console.MarkupLineInterpolated($"[grey]{text}[/]");

    public void Question(string text) => Console.MarkupLineInterpolated($"[green]>[/] [bold]{text}[/]");

    /// <summary>A piece of an answer, as it comes.</summary>
    public void Piece(string text) => Console.Profile.Out.Writer.Write(text);

    public void EndAnswer() => Console.WriteLine();

    /// <summary>The same prompts before and after.</summary>
    public void Compare(IEnumerable<(string Prompt, string Before, string After)> rows)
    {
        var table = new Table { Border = TableBorder.Rounded, BorderStyle = Style.Parse("grey"), ShowRowSeparators = true };
        table.AddColumn("prompt").AddColumn("before").AddColumn("[green]after[/]");
        foreach (var (prompt, before, after) in rows)
            table.AddRow(Markup.Escape(prompt), Markup.Escape(before), Markup.Escape(after));
        Console.Write(table);
    }

    /// <summary>Measured values before and after.</summary>
    public void Scores(string of, IReadOnlyDictionary<string, double> before, IReadOnlyDictionary<string, double> after)
    {
        var table = new Table { Border = TableBorder.Rounded, BorderStyle = Style.Parse("grey") };
        table.AddColumn(Markup.Escape(of)).AddColumn(new TableColumn("before").RightAligned()).AddColumn(new TableColumn("[green]after[/]").RightAligned());
        foreach (var (name, value) in before)
            table.AddRow(name.ToUpperInvariant(), FormattableString.Invariant($"{value:F1}"), FormattableString.Invariant($"{after[name]:F1}"));
        Console.Write(table);
    }

    /// <summary>A line that says whether something holds.</summary>
    public void Check(string what, bool holds, string detail) =>
        Console.MarkupLine($"{(holds ? "[green]✓[/]" : "[red]✗[/]")} {Markup.Escape(what),-9} [grey]{Markup.Escape(detail)}[/]");
}
