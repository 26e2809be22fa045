using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using ChatGLM.Benchmarks.Ceilings;
using ChatGLM.Benchmarks.Merging;
using ChatGLM.Benchmarks.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Snapshots;

/// <summary>
/// What a snapshot on disk takes in memory and time: the time to the first token against that of reading its files once, decoding, and the most memory held by an answer and by a training step.
/// Each is measured in a process of its own. <c>tools/MakeSnapshot</c> writes snapshots of the published shapes.
/// </summary>
internal static class SnapshotCommand
{
    private const int ReadBytes = 8 << 20;

    public static Command Create()
    {
        var snapshot = new Option<DirectoryInfo>("--snapshot") { Description = "The snapshot.", Required = true };
        var bits = new Option<int>("--bits") { Description = "Quantize while loading: 4 or 8; 0 takes the snapshot as it is.", DefaultValueFactory = _ => 0 };
        bits.AcceptOnlyFromAmong("0", "4", "8");
        var work = new Option<SnapshotWork>("--work") { Description = "Answer a prompt, or train LoRA.", DefaultValueFactory = _ => SnapshotWork.Answer };
        var cold = new Option<bool>("--cold") { Description = "Have the system forget the files first, so that they are read from the disk." };
        var step = new Option<bool>("--in-process") { Description = "Measure in this process and write JSON lines: what the command calls itself with.", Hidden = true };
        var command = new Command("snapshot", "Peak memory, time to the first token and decoding of a snapshot on disk.") { snapshot, bits, work, cold, step };
        command.SetAction(parsed =>
        {
            var asked = new SnapshotStep(parsed.GetValue(snapshot)!.FullName, parsed.GetValue(work), parsed.GetValue(bits));
            if (parsed.GetValue(step))
                asked.Run(Console.Out);
            else
                Measure(asked, parsed.GetValue(cold));
        });
        return command;
    }

    private static void Measure(SnapshotStep step, bool isCold)
    {
        var table = new BenchmarkTable(Console.Out);
        table.Begin($"{step.Folder}, {step.Work}, {(step.Bits == 0 ? "as it is" : $"int{step.Bits}")}, {(isCold ? "from the disk" : "from memory")}");
        var read = Read(step.Folder, isCold);
        if (isCold)
            PageCache.Forget(step.Folder);
        var rows = Start(step).ToList();
        // Before and after: what else uses the disk comes and goes, and the faster reading counts.
        read = Math.Min(read, Read(step.Folder, isCold));
        var bandwidth = ReadBandwidth();
        table.Add(new BenchmarkRow("read.files", read, "s"));
        table.Add(new BenchmarkRow("read.bandwidth", bandwidth, "GB/s"));
        foreach (var row in rows)
        {
            table.Add(row.Name switch
            {
                "load.first_token" => BenchmarkRow.Time(row.Name, row.Value, read),
                "decode.bandwidth" => BenchmarkRow.Rate(row.Name, row.Value, row.Unit, bandwidth),
                _ => row,
            });
        }
    }

    /// <summary>Seconds to read the weight files once, from front to end.</summary>
    private static double Read(string folder, bool isCold)
    {
        if (isCold)
            PageCache.Forget(folder);
        var buffer = new byte[ReadBytes];
        var clock = Stopwatch.StartNew();
        foreach (var path in Directory.GetFiles(folder, "*.safetensors").Order())
        {
            using var file = File.OpenHandle(path, options: FileOptions.SequentialScan);
            for (long at = 0, count; (count = RandomAccess.Read(file, buffer, at)) > 0; at += count)
            {
            }
        }

        return clock.Elapsed.TotalSeconds;
    }

    /// <summary>GB/s of main memory, the best of a few readings.</summary>
    private static double ReadBandwidth()
    {
        var backend = new CpuBackend();
        using var memory = new ColdWeights(backend, DType.BFloat16);
        using var reading = new ReadBandwidth(backend, memory);
        return Enumerable.Range(0, 8).Max(_ =>
        {
            var start = Stopwatch.GetTimestamp();
            var work = reading.Run();
            return work / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
    }

    private static IEnumerable<BenchmarkRow> Start(SnapshotStep step)
    {
        var program = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            program.ArgumentList.Add(typeof(SnapshotCommand).Assembly.Location);
        foreach (var argument in (string[])["snapshot", "--snapshot", step.Folder, "--bits", step.Bits.ToString(CultureInfo.InvariantCulture), "--work", step.Work.ToString(), "--in-process"])
            program.ArgumentList.Add(argument);
        using var process = Process.Start(program)!;
        while (process.StandardOutput.ReadLine() is { } line)
            yield return JsonSerializer.Deserialize<BenchmarkRow>(line)!;
        process.WaitForExit();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"The measurement ended with {process.ExitCode}.");
    }
}
