using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using ChatGLM.Models;
using ChatGLM.Peft;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Merging;

/// <summary>How long it takes to merge LoRA into every layer of a model, against the time of reading the model: from the disk, and from memory once it has been read.</summary>
internal static class MergeCommand
{
    public static Command Create()
    {
        var snapshot = new Option<DirectoryInfo?>("--snapshot") { Description = "The model, such as one that tools/MakeSnapshot wrote; by default two layers of ChatGLM2-6B's shape, made in a temporary folder." };
        var rank = new Option<int>("--rank") { Description = "The rank of the adapters.", DefaultValueFactory = _ => 8 };
        var only = new Option<string?>("--targets") { Description = "Merge only into these modules: a name, or all-linear; by default query_key_value, then all-linear." };
        var warmOnly = new Option<bool>("--warm") { Description = "Leave out reading from the disk." };
        var command = new Command("merge", "Merges LoRA into a model, and compares with reading it.") { snapshot, rank, only, warmOnly };
        command.SetAction(parsed =>
        {
            var targets = parsed.GetValue(only) is { } one ? [one] : new[] { "query_key_value", "all-linear" };
            if (parsed.GetValue(snapshot) is { } given)
            {
                Measure(given.FullName, targets, parsed.GetValue(rank), parsed.GetValue(warmOnly));
                return;
            }

            var folder = Directory.CreateTempSubdirectory("chatglm-merge-").FullName;
            try
            {
                using (var model = AutoModel.FromConfig(new ChatGLM2Config { NumLayers = 2, PaddedVocabSize = 1024 }, new ModelOptions { Dtype = DType.BFloat16 }))
                    model.SavePretrained(folder);
                Measure(folder, targets, parsed.GetValue(rank), parsed.GetValue(warmOnly));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }

    private static void Measure(string folder, string[] targets, int rank, bool warmOnly)
    {
        foreach (var target in targets)
        {
            foreach (var isCold in warmOnly || !PageCache.CanForget ? new[] { false } : [true, false])
            {
                Prepare(folder, isCold);
                var (readSeconds, readBytes) = Read(folder);
                Prepare(folder, isCold);
                var (mergeSeconds, mergedBytes) = Merge(folder, target, rank);
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{target,-16} {(isCold ? "from disk" : "from memory"),-12} read {readBytes / 1e9:F2} GB in {readSeconds:F2} s, merged {mergedBytes / 1e9:F2} GB of weights in {mergeSeconds:F2} s: {mergeSeconds / readSeconds:F2} times the reading"));
            }
        }
    }

    private static void Prepare(string folder, bool isCold)
    {
        GC.Collect();
        ((HostBackend)Backend.Default).Memory.Trim();
        if (isCold)
            PageCache.Forget(folder);
        else
            Read(folder);
    }

    /// <summary>Loads the model and looks at every byte of its weights where they are mapped.</summary>
    private static (double Seconds, long Bytes) Read(string folder)
    {
        var clock = Stopwatch.StartNew();
        using var model = AutoModel.FromPretrained(folder);
        var bytes = 0L;
        foreach (var (_, parameter) in model.NamedParameters())
        {
            bytes += parameter.ByteLength;
            ByteSum.Of(parameter);
        }

        return (clock.Elapsed.TotalSeconds, bytes);
    }

    private static (double Seconds, long Bytes) Merge(string folder, string target, int rank)
    {
        using var model = AutoModel.FromPretrained(folder);
        var config = new LoraConfig { R = rank, LoraAlpha = rank, TargetModules = target, InitLoraWeights = InitLoraWeights.Random };
        using var peft = model.GetPeftModel(target == "all-linear" ? config : config with { TargetModules = [target] });
        var clock = Stopwatch.StartNew();
        peft.MergeAdapter();
        var seconds = clock.Elapsed.TotalSeconds;
        return (seconds, model.NamedModules().Sum(m => m.Module is Linear linear && linear.OwnParameters.Any(p => p.Name.StartsWith("lora_", StringComparison.Ordinal)) ? linear.Weight.Tensors.Sum(t => t.Tensor.ByteLength) : 0));
    }
}
