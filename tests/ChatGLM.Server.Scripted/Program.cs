// Servers that do what the small model of the samples cannot, for samples/Server/e2e. "tools": every question makes the model call a tool, every result makes it answer. "endless": answers that only
// their reader ends. Writes its address and serves until it is stopped.
using ChatGLM.Extensions.AI.Tests;
using ChatGLM.Samples.Server;
using ChatGLM.Server.Tests;
using ChatGLM.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Hosting;

using var snapshot = new TinySnapshot(ChatGLMGeneration.ChatGLM3);
var tokenizer = AutoTokenizer.FromPretrained(snapshot.Path);
var settings = new Dictionary<string, string?> { ["Server:Port"] = "0" };
if (args is ["tools"])
    (settings["Model:Model"], settings["Model:ModelId"]) = (snapshot.Path, "scripted");
await using var app = ServerApplication.Create(new ServerSettings(settings), args is ["tools"] ? ChangedChatClient.Add(Script) : ChangedChatClient.Endless);
await app.StartAsync();
Console.WriteLine(app.Urls.Single());
await app.WaitForShutdownAsync();

ChatOptions Script(IReadOnlyList<ChatMessage> messages, ChatOptions options) => (messages[^1].Role == ChatRole.Tool
    ? ChatGLM.Extensions.AI.Tests.Script.Says(tokenizer, "\n 北京: 3 天晴")
    : ChatGLM.Extensions.AI.Tests.Script.Says(tokenizer, "get_weather\n ```python\ntool_call(city='北京', days=3)\n```", callsTool: true)).Options(options);
