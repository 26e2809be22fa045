using System.CommandLine;
using ChatGLM.Hub;
using ChatGLM.Tool.Models;

namespace ChatGLM.Tool.Commands;

/// <summary>The flags that say where repos come from.</summary>
internal sealed class HubFlags
{
    private readonly Option<string?> _revision = new("--revision") { HelpName = "name", Description = "The branch, tag or commit of the repo. Default: main." };
    private readonly Option<string> _source = new("--source") { HelpName = "hub", Description = "huggingface or modelscope.", DefaultValueFactory = _ => "huggingface" };
    private readonly Option<string?> _endpoint = new("--endpoint") { HelpName = "url", Description = "The address of a mirror. Default: HF_ENDPOINT, else the hub's own." };
    private readonly Option<string?> _cacheDir = new("--cache-dir") { HelpName = "folder", Description = "Where downloads are kept. Default: the cache that Python's huggingface_hub uses." };
    private readonly Option<bool> _offline = new("--offline") { Description = "Download nothing." };

    public HubFlags() => _source.AcceptOnlyFromAmong("huggingface", "modelscope");

    public void AddTo(Command command)
    {
        command.Add(_revision);
        command.Add(_source);
        command.Add(_endpoint);
        command.Add(_cacheDir);
        command.Add(_offline);
    }

    public HubSettings Read(ParseResult parsed) => new(parsed.GetValue(_revision), new HubOptions
    {
        Source = parsed.GetValue(_source) == "modelscope" ? HubSource.ModelScope : HubSource.HuggingFace,
        Endpoint = parsed.GetValue(_endpoint),
        CacheDir = parsed.GetValue(_cacheDir),
        LocalFilesOnly = parsed.GetValue(_offline),
    });
}
