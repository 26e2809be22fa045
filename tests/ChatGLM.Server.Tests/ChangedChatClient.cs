using ChatGLM.Extensions.AI;
using ChatGLM.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using ChatOptions = Microsoft.Extensions.AI.ChatOptions;

namespace ChatGLM.Server.Tests;

/// <summary>Stands between server and model and changes how a request is answered, which a request itself cannot.</summary>
internal sealed class ChangedChatClient(IChatClient inner, Func<IReadOnlyList<ChatMessage>, ChatOptions, ChatOptions> change) : DelegatingChatClient(inner)
{
    public override Task<ChatResponse> GetResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        base.GetResponseAsync(messages, change([.. messages], options!), cancellationToken);

    public override IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default) =>
        base.GetStreamingResponseAsync(messages, change([.. messages], options!), cancellationToken);

    public static Action<IServiceCollection> Add(Func<IReadOnlyList<ChatMessage>, ChatOptions, ChatOptions> change) => services =>
        services.AddSingleton<IChatClient>(provider => new ChangedChatClient(new ChatGLMChatClient(provider.GetRequiredService<SharedModel>()), change));

    /// <summary>Answers that never end by themselves and take a while for each token.</summary>
    public static Action<IServiceCollection> Endless => Add((_, options) =>
    {
        options.RawRepresentationFactory = _ => new Models.ChatOptions { Generation = new GenerationConfig { MaxNewTokens = 900, EosTokenId = [] }, Processors = [new Pause()] };
        return options;
    });

    private sealed class Pause : LogitsProcessor
    {
        public override void Process(InputIds inputIds, TokenScores scores) => Thread.Sleep(40);
    }
}
