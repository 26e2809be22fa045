using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace ChatGLM.Docs.Tests;

/// <summary>Compiles C# of the pages as a program that references the packages, and tells each error with its place in the page.</summary>
internal static class SampleCompiler
{
    /// <summary>What a new console project brings by itself (<c>ImplicitUsings</c>).</summary>
    private const string ImplicitUsings =
        "global using System; global using System.IO; global using System.Linq; global using System.Collections.Generic; global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks;";

    /// <summary>Warnings that a sample may give: a value that it only shows, a using that an earlier block has too, an asynchronous frame around a row that awaits nothing.</summary>
    private static readonly string[] Allowed = ["CS0219", "CS0168", "CS8321", "CS0105", "CS1998"];

    private static readonly CSharpParseOptions Syntax = new(LanguageVersion.CSharp14, DocumentationMode.None);

    private static readonly List<MetadataReference> References = [.. FindReferences()];

    /// <summary>Compiles a sample.</summary>
    public static CSharpCompilation Compile(CodeSample sample)
    {
        var usings = new StringBuilder();
        var statements = new StringBuilder();
        var types = new StringBuilder();
        foreach (var piece in sample.Above)
            Append(usings, piece, Parse(piece).Usings);
        foreach (var piece in sample.Pieces)
        {
            var root = Parse(piece);
            Append(usings, piece, root.Usings);
            Append(statements, piece, root.Members.OfType<GlobalStatementSyntax>());
            Append(types, piece, root.Members.Where(member => member is not GlobalStatementSyntax));
        }

        // A block of nothing but types is a part of a library.
        var kind = statements.Length > 0 ? OutputKind.ConsoleApplication : OutputKind.DynamicallyLinkedLibrary;
        // The page about tuners shows code of the package itself, which knows this name as a friend's.
        var name = sample.Page == "docs/add-a-tuner.md" ? "ChatGLM.Docs.Samples" : $"sample-{sample.Page.Replace('/', '-')}-{sample.Line}";
        return Compile(name, $"{usings}{statements}{types}", kind);
    }

    /// <summary>Compiles the code of rows of a table: the hidden lines above it declare what the rows use.</summary>
    public static CSharpCompilation Compile(string name, IEnumerable<SamplePiece> above, IEnumerable<SamplePiece> setup, IReadOnlyList<SamplePiece> rows)
    {
        var usings = new StringBuilder();
        var members = new StringBuilder();
        foreach (var piece in above)
            Append(usings, piece, Parse(piece).Usings);
        foreach (var piece in setup)
        {
            var root = Parse(piece);
            Append(usings, piece, root.Usings);
            foreach (var statement in root.Members.OfType<GlobalStatementSyntax>().Select(global => global.Statement))
            {
                if (statement is not LocalDeclarationStatementSyntax { Declaration: var declaration } || declaration.Variables.Any(variable => variable.Initializer is not null))
                    throw new InvalidDataException($"{piece.Page}:{piece.Line}: above a table only variables without a value can be declared, found '{statement}'.");
                foreach (var variable in declaration.Variables)
                    members.Append(FormattableString.Invariant($"public static {declaration.Type} {variable.Identifier} = default!;\n"));
            }

            Append(members, piece, root.Members.Where(member => member is not GlobalStatementSyntax));
        }

        for (var i = 0; i < rows.Count; i++)
            members.Append(FormattableString.Invariant($"static async Task Row{i}()\n{{\n#line {rows[i].Line} \"{rows[i].Page}\"\n{Statement(rows[i].Code)}\n}}\n"));
        return Compile(name, $"{usings}\nstatic partial class Rows\n{{\n{members}\n}}\n", OutputKind.DynamicallyLinkedLibrary);
    }

    /// <summary>What is wrong with a compilation, each with page and line.</summary>
    public static List<string> Problems(CSharpCompilation compilation) =>
    [
        .. compilation.GetDiagnostics()
            .Where(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error || (diagnostic.Severity == DiagnosticSeverity.Warning && !Allowed.Contains(diagnostic.Id)))
            .Select(diagnostic => (Place: diagnostic.Location.GetMappedLineSpan(), Text: diagnostic))
            .Select(problem => FormattableString.Invariant($"{problem.Place.Path}:{problem.Place.StartLinePosition.Line + 1}: {problem.Text.Id} {problem.Text.GetMessage(null)}")),
    ];

    private static CSharpCompilation Compile(string name, string code, OutputKind kind) => CSharpCompilation.Create(
        name,
        [CSharpSyntaxTree.ParseText(ImplicitUsings, Syntax, "usings"), CSharpSyntaxTree.ParseText(code, Syntax, name, Encoding.UTF8)],
        References,
        new CSharpCompilationOptions(kind, nullableContextOptions: NullableContextOptions.Enable, optimizationLevel: OptimizationLevel.Release));

    private static CompilationUnitSyntax Parse(SamplePiece piece) => CSharpSyntaxTree.ParseText(piece.Code, Syntax).GetCompilationUnitRoot();

    private static void Append(StringBuilder to, SamplePiece piece, IEnumerable<SyntaxNode> nodes)
    {
        var text = SourceText.From(piece.Code);
        foreach (var node in nodes)
            to.Append(FormattableString.Invariant($"#line {piece.Line + text.Lines.GetLinePosition(node.FullSpan.Start).Line} \"{piece.Page}\"\n{node.ToFullString()}\n"));
    }

    /// <summary>A cell holds statements, or an expression whose value nobody takes.</summary>
    private static string Statement(string code)
    {
        var expression = SyntaxFactory.ParseExpression(code, options: Syntax);
        if (expression.ContainsDiagnostics)
        {
            // A using statement whose body the cell leaves out.
            if (code.StartsWith("using (", StringComparison.Ordinal) && code.EndsWith(')'))
                return code + " { }";
            return code.EndsWith(';') || code.EndsWith('}') ? code : code + ";";
        }

        return expression is InvocationExpressionSyntax or AssignmentExpressionSyntax or AwaitExpressionSyntax ? code + ";" : $"_ = {code};";
    }

    /// <summary>The frameworks and what a project that adds our packages gets; nothing of the tests.</summary>
    private static IEnumerable<MetadataReference> FindReferences()
    {
        string[] ours = ["ChatGLM.", "Microsoft.Extensions.", "Spectre.Console", "System.", "TorchSharp"];
        foreach (var path in ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator))
        {
            var file = Path.GetFileName(path);
            var isOfTests = Path.GetDirectoryName(path) == AppContext.BaseDirectory.TrimEnd(Path.DirectorySeparatorChar);
            if (!isOfTests || (ours.Any(name => file.StartsWith(name, StringComparison.Ordinal)) && file != "ChatGLM.Docs.Tests.dll"))
                yield return MetadataReference.CreateFromFile(path);
        }
    }
}
