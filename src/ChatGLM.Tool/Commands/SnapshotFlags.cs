using System.CommandLine;
using System.Globalization;
using ChatGLM.Hub;
using ChatGLM.Snapshots;
using ChatGLM.Tensors;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Commands;

/// <summary>The flags of commands that write a snapshot from another one by streaming.</summary>
internal sealed class SnapshotFlags
{
    private readonly Argument<string> _source = new("model") { Description = "A snapshot folder, a .gguf file, or a repo id, which is downloaded if the cache does not hold it." };
    private readonly Option<string> _output = new("--output", "-o") { HelpName = "folder", Description = "The folder of the new snapshot: a new one, or an empty one. It appears whole, or not at all.", Required = true };
    private readonly Option<string> _shardSize = new("--max-shard-size") { HelpName = "size", Description = "The most bytes of a weight file, such as 2GB or 500MiB.", DefaultValueFactory = _ => "10GB" };
    private readonly Option<string> _memory = new("--memory") { HelpName = "size", Description = "The most memory for weights under way; the rest of the program needs some 100 MB more.", DefaultValueFactory = _ => "1GiB" };
    private readonly Option<int> _threads = new("--threads", "-t") { HelpName = "number", Description = "How many threads compute. Default: one per core." };
    private readonly HubFlags _hub = new();

    public SnapshotFlags()
    {
        _source.CompletionSources.Add(_ => CachedModels.Names());
        foreach (var option in new[] { _shardSize, _memory })
        {
            option.Validators.Add(result =>
            {
                if (result.Tokens is [var token] && ByteSize.Parse(token.Value) is null)
                    result.AddError($"{option.Name}: expected a number of bytes such as 2GB or 500MiB, found '{token.Value}'.");
            });
        }
    }

    public SnapshotFlags AddTo(Command command)
    {
        command.Add(_source);
        foreach (var option in new Option[] { _output, _shardSize, _memory, _threads })
            command.Add(option);
        _hub.AddTo(command);
        return this;
    }

    public string Source(ParseResult parsed) => ModelSettings.Place(parsed.GetValue(_source)!);

    public string Destination(ParseResult parsed) => parsed.GetValue(_output)!;

    public SnapshotWriteOptions Read(ParseResult parsed, ToolProgress progress)
    {
        var (hub, threads) = (_hub.Read(parsed), parsed.GetValue(_threads));
        var memory = ByteSize.Parse(parsed.GetValue(_memory)!)!.Value;
        if (memory < SnapshotWriteOptions.SmallestMemoryLimit)
            throw new UsageException($"--memory: expected at least {SnapshotWriteOptions.SmallestMemoryLimit >> 20}MiB, found {parsed.GetValue(_memory)}.");
        return new SnapshotWriteOptions
        {
            MaxShardSize = ByteSize.Parse(parsed.GetValue(_shardSize)!)!.Value.ToString(CultureInfo.InvariantCulture),
            MemoryLimit = memory,
            Backend = threads == 0 ? null : new CpuBackend(new CpuBackendOptions { Threads = threads }),
            Revision = hub.Revision,
            Hub = hub.Options with { Progress = progress.As<HubProgress>(SnapshotFinder.Report) },
        };
    }
}
