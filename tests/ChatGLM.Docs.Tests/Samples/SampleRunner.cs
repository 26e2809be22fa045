using System.Diagnostics;
using System.Text;
using Microsoft.CodeAnalysis.CSharp;

namespace ChatGLM.Docs.Tests;

/// <summary>Runs a compiled sample as a program of its own, in an empty folder.</summary>
internal static class SampleRunner
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    /// <summary>The models that pages name stand for the one that every clone has, and paths from the root for the place where the root is.</summary>
    private static readonly (string Written, string Meant)[] Paths =
    [
        ("\"/models/chatglm2-6b\"", $"\"{Repository.PathOf("samples/Snapshot")}\""),
        ("\"THUDM/chatglm2-6b\"", $"\"{Repository.PathOf("samples/Snapshot")}\""),
        ("\"samples/", $"\"{Repository.PathOf("samples")}/"),
    ];

    /// <summary>Runs a sample with the small model.</summary>
    /// <returns>Its exit code, what it printed, and what it said of errors.</returns>
    public static (int Code, string Output, string Errors) Run(CodeSample sample)
    {
        var compilation = SampleCompiler.Compile(sample);
        foreach (var tree in compilation.SyntaxTrees)
        {
            var text = Paths.Aggregate(tree.ToString(), (code, path) => code.Replace(path.Written, path.Meant, StringComparison.Ordinal));
            compilation = compilation.ReplaceSyntaxTree(tree, CSharpSyntaxTree.ParseText(text, (CSharpParseOptions)tree.Options, tree.FilePath, Encoding.UTF8));
        }

        // Beside the packages, where the runtime looks for them; a folder of its own is only where it works.
        var program = Path.Combine(AppContext.BaseDirectory, compilation.AssemblyName + ".dll");
        var folder = Directory.CreateTempSubdirectory("chatglm-docs-");
        try
        {
            var emitted = compilation.Emit(program);
            emitted.Success.Should().BeTrue("{0}", string.Join('\n', emitted.Diagnostics));
            return Run(program, folder.FullName);
        }
        finally
        {
            File.Delete(program);
            folder.Delete(recursive: true);
        }
    }

    private static (int Code, string Output, string Errors) Run(string program, string folder)
    {
        var config = Path.Combine(AppContext.BaseDirectory, "ChatGLM.Docs.Tests.runtimeconfig.json");
        using var process = Process.Start(new ProcessStartInfo("dotnet", ["exec", "--runtimeconfig", config, program])
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true, StandardOutputEncoding = Encoding.UTF8, StandardErrorEncoding = Encoding.UTF8,
        })!;
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail("The sample does not end.");
        }

        return (process.ExitCode, output.Result, errors.Result);
    }
}
