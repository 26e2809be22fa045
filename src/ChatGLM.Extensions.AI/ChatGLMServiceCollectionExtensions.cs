using System.Diagnostics.Metrics;
using ChatGLM.Extensions.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>
/// Adds ChatGLM models to an application: <see cref="SharedModel"/>, <see cref="IChatClient"/>, <see cref="ChatGLMCompletionClient"/> and <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> as singletons. A model loads at its first request
/// and goes with the container. Options are checked when the application starts, or at the first use where nothing starts.
/// </summary>
public static class ChatGLMServiceCollectionExtensions
{
    /// <summary>Adds the application's model.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options.</param>
    public static IServiceCollection AddChatGLM(this IServiceCollection services, Action<ChatGLMOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(configure);
        AddOptions(services, Options.Options.DefaultName).Configure(configure);
        return AddDefault(services);
    }

    /// <summary>Adds the application's model, described by a section whose keys are the fields of <see cref="ChatGLMOptions"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">The section, such as <c>configuration.GetSection("ChatGLM")</c>.</param>
    /// <param name="configure">Sets what the section does not.</param>
    public static IServiceCollection AddChatGLM(this IServiceCollection services, IConfiguration section, Action<ChatGLMOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(section);
        Bind(services, Options.Options.DefaultName, section, configure);
        return AddDefault(services);
    }

    /// <summary>Adds one of several models, or one model with an adapter of several, under a key: <c>[FromKeyedServices("small")] IChatClient</c>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The key; the name of its options too.</param>
    /// <param name="configure">Sets the options.</param>
    public static IServiceCollection AddKeyedChatGLM(this IServiceCollection services, string key, Action<ChatGLMOptions> configure)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(configure);
        AddOptions(services, key).Configure(configure);
        return AddKeyed(services, key);
    }

    /// <summary>Adds one of several models under a key, described by a section whose keys are the fields of <see cref="ChatGLMOptions"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The key; the name of its options too.</param>
    /// <param name="section">The section, such as <c>configuration.GetSection("Models:small")</c>.</param>
    /// <param name="configure">Sets what the section does not.</param>
    public static IServiceCollection AddKeyedChatGLM(this IServiceCollection services, string key, IConfiguration section, Action<ChatGLMOptions>? configure = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(key);
        ArgumentNullException.ThrowIfNull(section);
        Bind(services, key, section, configure);
        return AddKeyed(services, key);
    }

    /// <summary>Adds <see cref="IChatClient"/> and <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> that answer with an adapter of a model, under the adapter's name as their key. All adapters
    /// share the one model.</summary>
    /// <param name="services">The services.</param>
    /// <param name="adapter">One of the model's <see cref="ChatGLMOptions.Adapters"/>.</param>
    /// <param name="modelKey">The key of the model that it stands on; null for the application's model.</param>
    public static IServiceCollection AddChatGLMAdapter(this IServiceCollection services, string adapter, string? modelKey = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(adapter);
        SharedModel Model(IServiceProvider provider) => modelKey is null ? provider.GetRequiredService<SharedModel>() : provider.GetRequiredKeyedService<SharedModel>(modelKey);
        services.TryAddKeyedSingleton<IChatClient>(adapter, (provider, _) => new ChatGLMChatClient(Model(provider), adapter));
        services.TryAddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>(adapter, (provider, _) => new ChatGLMEmbeddingGenerator(Model(provider), adapter));
        return services;
    }

    private static void Bind(IServiceCollection services, string name, IConfiguration section, Action<ChatGLMOptions>? configure)
    {
        var options = AddOptions(services, name).Configure(o => ConfigurationReader.Read(name, section, o));
        if (configure is not null)
            options.Configure(configure);
    }

    private static OptionsBuilder<ChatGLMOptions> AddOptions(IServiceCollection services, string name)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<ChatGLMOptions>>(new ChatGLMOptionsValidator(requiresModel: true)));
        return services.AddOptions<ChatGLMOptions>(name).ValidateOnStart();
    }

    private static IServiceCollection AddDefault(IServiceCollection services)
    {
        services.TryAddSingleton(provider => Create(provider, Options.Options.DefaultName));
        services.TryAddSingleton<IChatClient>(provider => new ChatGLMChatClient(provider.GetRequiredService<SharedModel>()));
        services.TryAddSingleton(provider => new ChatGLMCompletionClient(provider.GetRequiredService<SharedModel>()));
        services.TryAddSingleton<IEmbeddingGenerator<string, Embedding<float>>>(provider => new ChatGLMEmbeddingGenerator(provider.GetRequiredService<SharedModel>()));
        return services;
    }

    private static IServiceCollection AddKeyed(IServiceCollection services, string key)
    {
        services.TryAddKeyedSingleton(key, (provider, _) => Create(provider, key));
        services.TryAddKeyedSingleton<IChatClient>(key, (provider, _) => new ChatGLMChatClient(provider.GetRequiredKeyedService<SharedModel>(key)));
        services.TryAddKeyedSingleton(key, (provider, _) => new ChatGLMCompletionClient(provider.GetRequiredKeyedService<SharedModel>(key)));
        services.TryAddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>(
            key, (provider, _) => new ChatGLMEmbeddingGenerator(provider.GetRequiredKeyedService<SharedModel>(key)));
        return services;
    }

    private static SharedModel Create(IServiceProvider provider, string name) => new(
        provider.GetRequiredService<IOptionsMonitor<ChatGLMOptions>>().Get(name), provider.GetService<ILoggerFactory>(), provider.GetService<IMeterFactory>());
}
