using System.CommandLine;
using ChatGLM.Extensions.AI;

namespace ChatGLM.Samples.Server;

/// <summary>The flags. Each is a key of the configuration, so that a file or the environment can say the same; a flag goes before both.</summary>
internal static class ServerCommandLine
{
    private const string Server = ServerOptions.Section;
    private const string Model = ServerApplication.ModelSection;

    /// <summary>What the command does.</summary>
    public const string Description =
        "Serves a ChatGLM model over HTTP in OpenAI's form, with a page to chat on. The environment sets the same keys as a configuration file, with CHATGLM_ before them: CHATGLM_Server__ApiKey.";

    /// <summary>Creates the command.</summary>
    /// <param name="run">Gets the settings: the file if one is named, what the flags say, and whether to log JSON.</param>
    public static RootCommand Create(Func<ServerSettings, CancellationToken, Task<int>> run)
    {
        var command = new RootCommand(Description);
        var read = AddTo(command);
        command.SetAction((parsed, cancellationToken) => run(read(parsed), cancellationToken));
        return command;
    }

    /// <summary>Adds the flags to a command.</summary>
    /// <returns>Reads the settings from its command line.</returns>
    public static Func<ParseResult, ServerSettings> AddTo(Command command)
    {
        var keys = new List<(Option Option, string Key)>();
        void Add<T>(string key, string description, params string[] names)
        {
            var option = new Option<T?>(names[0], names[1..]) { Description = description };
            keys.Add((option, key));
            command.Options.Add(option);
        }

        Add<string>($"{Model}:{nameof(ChatGLMOptions.Model)}", "A snapshot folder, or a repo id, which is downloaded if the Hugging Face cache does not hold it. Default: the small demonstration model.", "--model", "-m");
        Add<string>($"{Model}:{nameof(ChatGLMOptions.ModelId)}", "The name of the model for requests. Default: the folder's, or the repo id.", "--model-id");
        Add<string>($"{Model}:{nameof(ChatGLMOptions.Dtype)}", "float32, float16 or bfloat16. Default: as in the files, used in place.", "--dtype");
        Add<int?>($"{Model}:{nameof(ChatGLMOptions.QuantizationBit)}", "Hold the linear layers in 4 or 8 bits.", "--quantization-bit");
        Add<int?>($"{Model}:{nameof(ChatGLMOptions.Threads)}", "How many threads compute. Default: one per core.", "--threads");
        Add<int?>($"{Model}:{nameof(ChatGLMOptions.MaxConcurrentRequests)}", "The requests that are answered at once. Default: 16.", "--max-concurrent-requests");
        Add<int?>($"{Model}:{nameof(ChatGLMOptions.PrefillTokens)}", "The tokens of prompts that are read between two tokens of the answers under way. Default: 64.", "--prefill-tokens");
        Add<int?>($"{Model}:{nameof(ChatGLMOptions.CacheTokens)}", "The tokens, of all answers and of what is kept for reuse, whose keys and values there is room for. Default: 2048 a request, within a quarter of the memory.", "--cache-tokens");
        Add<string>($"{Model}:{nameof(ChatGLMOptions.CacheFormat)}", "How keys and values are held: float32, float16 or int8. Default: float32.", "--cache-format");
        Add<int?>($"{Model}:{nameof(ChatGLMOptions.MaxQueueLength)}", "The requests that may wait; one more is answered 429. Default: 64.", "--max-queue-length");
        Add<int?>($"{Model}:{nameof(ChatGLMOptions.MaxInputTokens)}", "The most tokens that a request may bring. Default: what the model takes.", "--max-input-tokens");
        Add<int?>($"{Server}:{nameof(ServerOptions.MaxOutputTokens)}", "The most tokens of an answer. Default: what the model takes.", "--max-output-tokens");
        Add<string>($"{Server}:{nameof(ServerOptions.Host)}", "The address to listen on; * for all. Default: 127.0.0.1, which only this machine reaches.", "--host");
        Add<int?>($"{Server}:{nameof(ServerOptions.Port)}", "The port to listen on; 0 for a free one. Default: 8080.", "--port");
        Add<bool?>($"{Server}:{nameof(ServerOptions.AllowAnonymous)}", "Let other machines ask without a key.", "--allow-anonymous");
        Add<double?>($"{Server}:{nameof(ServerOptions.RequestTimeoutSeconds)}", "How long a request may take, waiting included. Default: 600.", "--request-timeout-seconds");
        Add<double?>($"{Server}:{nameof(ServerOptions.ShutdownSeconds)}", "How long answers under way have to end when the server stops. Default: 30.", "--shutdown-seconds");
        Add<int?>($"{Server}:{nameof(ServerOptions.MaxRequestBytes)}", "The most bytes of a request. Default: 1048576.", "--max-request-bytes");

        var adapters = new Option<string[]>("--adapter", "-a") { Description = "NAME=FOLDER: an adapter in peft's form that requests can ask for as the model NAME. May be given several times." };
        adapters.Validators.Add(result =>
        {
            foreach (var text in result.Tokens.Select(t => t.Value))
            {
                if (text.IndexOf('=', StringComparison.Ordinal) is var at && (at <= 0 || at == text.Length - 1 || text[..at].Contains(':', StringComparison.Ordinal)))
                    result.AddError($"--adapter: found '{text}', expected NAME=FOLDER, the name without colons.");
            }
        });
        var keyFile = new Option<FileInfo>("--api-key-file") { Description = "A file whose first line is the key that requests must bring. (A key on a command line can be read by every user of the machine: there is no flag for it.)" };
        keyFile.AcceptExistingOnly();
        var file = new Option<FileInfo>("--config", "-c") { Description = "A JSON file with the sections Server and Model." };
        file.AcceptExistingOnly();
        var json = new Option<bool>("--log-json") { Description = "Log one JSON object a line." };
        command.Options.Add(adapters);
        command.Options.Add(keyFile);
        command.Options.Add(file);
        command.Options.Add(json);

        return parsed =>
        {
            var values = new Dictionary<string, string?>();
            foreach (var (option, key) in keys)
            {
                if (parsed.GetResult(option) is { Implicit: false } result)
                    values[key] = result.Tokens is [var token, ..] ? token.Value : "true";
            }

            foreach (var text in parsed.GetValue(adapters) ?? [])
            {
                var at = text.IndexOf('=', StringComparison.Ordinal);
                values[$"{Server}:{nameof(ServerOptions.Adapters)}:{text[..at]}"] = text[(at + 1)..];
            }

            if (parsed.GetValue(keyFile) is { } path)
                values[$"{Server}:{nameof(ServerOptions.ApiKey)}"] = File.ReadLines(path.FullName).FirstOrDefault()?.Trim() ?? "";
            return new ServerSettings(values, parsed.GetValue(file)?.FullName, parsed.GetValue(json));
        };
    }
}
