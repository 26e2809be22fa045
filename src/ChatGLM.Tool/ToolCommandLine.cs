using System.CommandLine;
using ChatGLM.Tool.Commands;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool;

/// <summary>All commands.</summary>
internal static class ToolCommandLine
{
    /// <summary>Creates the command line anew: nothing of one run is left for the next.</summary>
    public static RootCommand Create(ToolConsole console)
    {
        var root = new RootCommand("Chat with ChatGLM models, and download, quantize, convert, merge, fine-tune, evaluate, serve and measure them.")
        {
            ChatCommand.Create(console),
            GenerateCommand.Create(console),
            ServeCommand.Create(console),
            InfoCommand.Create(console),
            DownloadCommand.Create(console),
            QuantizeCommand.Create(console),
            ConvertCommand.Create(console),
            MergeCommand.Create(console),
            TrainCommand.Create(console),
            EvaluateCommand.Create(console),
            BenchCommand.Create(console),
            CompletionCommand.Create(console),
        };
        HelpText.AddTo(root, console);
        return root;
    }
}
