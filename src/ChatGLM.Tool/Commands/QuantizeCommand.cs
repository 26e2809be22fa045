using System.CommandLine;
using ChatGLM.Quantization;
using ChatGLM.Snapshots;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm quantize</c>.</summary>
internal static class QuantizeCommand
{
    public static Command Create(ToolConsole console)
    {
        var defaults = new QuantizationConfig();
        var bits = new Option<int>("--bits", "-b") { HelpName = "4|8", Description = "Bits per weight.", DefaultValueFactory = _ => defaults.Bits };
        var groupSize = new Option<int>("--group-size") { HelpName = "32|64|128", Description = "How many columns share a scale. Smaller is more exact and larger.", DefaultValueFactory = _ => defaults.GroupSize };
        var minimum = new Option<bool>("--minimum") { Description = "Give each group a minimum beside its scale (4 bits): a little more exact, and larger." };
        var headBits = new Option<int>("--head-bits") { HelpName = "0|4|8", Description = "Bits of the output layer; 0 leaves it as it is.", DefaultValueFactory = _ => defaults.HeadBits };
        var published = new Option<bool>("--published") { Description = "One scale per row, as the published quantized snapshots have it: Python reads it too." };
        bits.AcceptOnlyFromAmong("4", "8");
        groupSize.AcceptOnlyFromAmong("32", "64", "128");
        headBits.AcceptOnlyFromAmong("0", "4", "8");
        var command = new Command("quantize", "Write a quantized snapshot. The weights stream through memory, whatever the size of the model; what is written is used where it is mapped.");
        var snapshot = new SnapshotFlags().AddTo(command);
        foreach (var option in new Option[] { bits, groupSize, minimum, headBits, published })
            command.Add(option);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            if (parsed.GetValue(published) && new Option[] { groupSize, minimum, headBits }.Any(option => parsed.GetResult(option) is { Implicit: false }))
                throw new UsageException("--published has one scale per row: --group-size, --minimum and --head-bits have no place beside it.");
            if (parsed.GetValue(minimum) && parsed.GetValue(bits) == 8)
                throw new UsageException("--minimum is for 4 bits: it buys nothing with 8.");
            SnapshotReport report;
            using (var progress = output.Progress(parsed, console))
            {
                var options = snapshot.Read(parsed, progress);
                var shown = progress.As<SnapshotProgress>(at => new ProgressReport("quantizing", at.DoneBytes, at.TotalBytes, "bytes"));
                var quantization = new QuantizationConfig { Bits = parsed.GetValue(bits), GroupSize = parsed.GetValue(groupSize), Sym = !parsed.GetValue(minimum), HeadBits = parsed.GetValue(headBits) };
                report = parsed.GetValue(published)
                    ? await SnapshotQuantizer.QuantizeAsync(snapshot.Source(parsed), snapshot.Destination(parsed), parsed.GetValue(bits), options, shown, cancellationToken)
                    : await SnapshotQuantizer.QuantizeAsync(snapshot.Source(parsed), snapshot.Destination(parsed), quantization, options, shown, cancellationToken);
            }

            SnapshotText.Write(console, output.IsJson(parsed), report, "Quantized");
            return ExitCode.Success;
        });
        return command;
    }
}
