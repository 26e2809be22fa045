using System.CommandLine;
using BenchmarkDotNet.Running;
using ChatGLM.Benchmarks.Ceilings;
using ChatGLM.Benchmarks.Merging;
using ChatGLM.Benchmarks.Models;
using ChatGLM.Benchmarks.Snapshots;

var root = new RootCommand("Benchmarks of ChatGLM for .NET. Without a command: BenchmarkDotNet with its own options, such as --filter '*Gemm*' or --list flat.")
{
    TreatUnmatchedTokensAsErrors = false,
};
root.Subcommands.Add(CeilingsCommand.Create());
root.Subcommands.Add(MergeCommand.Create());
root.Subcommands.Add(RunCommand.Create());
root.Subcommands.Add(QuantizationCommand.Create());
root.Subcommands.Add(SnapshotCommand.Create());
root.SetAction(parsed => BenchmarkSwitcher.FromAssembly(typeof(CeilingsCommand).Assembly).Run([.. parsed.UnmatchedTokens]));
return root.Parse(args).Invoke();
