using System.CommandLine;
using System.Text.Json.Nodes;
using ChatGLM.Extensions.AI;
using ChatGLM.Hub;
using ChatGLM.Quantization;
using ChatGLM.Samples.Server;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Serving;
using ChatGLM.Tool.Terminal;
using Microsoft.Extensions.Logging.Console;

namespace ChatGLM.Tool.Commands;

/// <summary><c>chatglm serve</c>: the server of samples/Server.</summary>
internal static class ServeCommand
{
    private const string ModelKey = $"{ServerApplication.ModelSection}:{nameof(ChatGLMOptions.Model)}";

    public static Command Create(ToolConsole console)
    {
        var command = new Command("serve", $"Serve a model over HTTP in OpenAI's form, with a page to chat on. The environment sets the same keys as a configuration file, with CHATGLM_ before them: CHATGLM_Server__ApiKey.");
        var read = ServerCommandLine.AddTo(command);
        var quantize = new Option<int?>("--quantize", "-q") { HelpName = "4|8", Description = "Hold the weights in groups of 4 or 8 bits (fast)." };
        quantize.AcceptOnlyFromAmong("4", "8");
        command.Add(quantize);
        var hub = new HubFlags();
        hub.AddTo(command);
        var output = new OutputFlags().AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = read(parsed);
            if (settings.Values.TryGetValue(ModelKey, out var name) && name == ModelSettings.DemoName)
                settings = settings with { Values = settings.Values.Where(pair => pair.Key != ModelKey).ToDictionary() }; // what the server has without a name
            var (from, bits) = (hub.Read(parsed), parsed.GetValue(quantize));
            var progress = output.Progress(parsed, console, isBrief: true);
            await using var app = ServerApplication.Create(settings, services =>
            {
                services.PostConfigureAll<ChatGLMOptions>(options =>
                {
                    var before = options.ConfigureModel;
                    options.ConfigureModel = model => Configure(before?.Invoke(model) ?? model, from, bits, progress);
                });
                // Nothing but results goes to the output, and only this command knows what Ctrl+C means.
                services.Configure<ConsoleLoggerOptions>(log => log.LogToStandardErrorThreshold = LogLevel.Trace);
                services.AddSingleton<IHostLifetime, PassiveLifetime>();
            });
            using (progress)
                await app.StartAsync(cancellationToken);
            if (output.IsJson(parsed))
            {
                JsonLine.Write(console.Out, new JsonObject
                {
                    ["event"] = "listening",
                    ["urls"] = JsonLine.Array(app.Urls, url => JsonValue.Create(url)),
                    ["models"] = JsonLine.Array(app.Services.GetRequiredService<SharedModel>().ModelIds, id => JsonValue.Create(id)),
                });
                await console.Out.FlushAsync(cancellationToken);
            }

            await app.WaitForShutdownAsync(cancellationToken);
            return ExitCode.Success; // to be told to stop is how a server ends
        });
        return command;
    }

    private static ModelOptions Configure(ModelOptions model, HubSettings from, int? bits, ToolProgress progress) => model with
    {
        Revision = from.Revision ?? model.Revision,
        CacheDir = from.Options.CacheDir ?? model.CacheDir,
        LocalFilesOnly = model.LocalFilesOnly || from.Options.LocalFilesOnly,
        Hub = from.Options with { Progress = progress.As<HubProgress>(SnapshotFinder.Report) },
        Quantization = bits is { } number ? new QuantizationConfig { Bits = number } : model.Quantization,
        Progress = progress.As<LoadProgress>(at => new ProgressReport("loading", at.LoadedBytes, at.TotalBytes, "bytes")),
    };
}
