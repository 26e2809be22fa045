using System.CommandLine;
using ChatGLM.Snapshots;
using ChatGLM.Tensors;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm convert</c>.</summary>
internal static class ConvertCommand
{
    public static Command Create(ToolConsole console)
    {
        var dtype = new Option<string?>("--dtype") { HelpName = "type", Description = "float32, float16 or bfloat16. Default: as they are." };
        dtype.AcceptOnlyFromAmong("float32", "float16", "bfloat16");
        var command = new Command("convert", "Write a snapshot anew as safetensors: from .bin files or GGUF, in another type, in files of another size. The weights stream through memory.");
        var snapshot = new SnapshotFlags().AddTo(command);
        command.Add(dtype);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            SnapshotReport report;
            using (var progress = output.Progress(parsed, console))
            {
                var shown = progress.As<SnapshotProgress>(at => new ProgressReport("converting", at.DoneBytes, at.TotalBytes, "bytes"));
                DType? type = parsed.GetValue(dtype) is { } name ? Enum.Parse<DType>(name, ignoreCase: true) : null;
                report = await SnapshotConverter.ConvertAsync(snapshot.Source(parsed), snapshot.Destination(parsed), type, snapshot.Read(parsed, progress), shown, cancellationToken);
            }

            SnapshotText.Write(console, output.IsJson(parsed), report, "Converted");
            return ExitCode.Success;
        });
        return command;
    }
}
