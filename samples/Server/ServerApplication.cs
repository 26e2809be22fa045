using System.Net;
using System.Text.Encodings.Web;
using ChatGLM.Extensions.AI;
using ChatGLM.Samples.Server.Http;
using ChatGLM.Samples.Server.OpenAI;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.Extensions.Logging.Console;
using Microsoft.Extensions.Options;

namespace ChatGLM.Samples.Server;

/// <summary>Puts the server together: settings, services, and what each path does.</summary>
internal static class ServerApplication
{
    public const string ModelSection = "Model";
    private const string EnvironmentPrefix = "CHATGLM_";

    /// <summary>Creates a server that starts, and loads its model, when it is told to.</summary>
    /// <param name="settings">What the command line says.</param>
    /// <param name="configure">Changes the services; null for no change.</param>
    /// <exception cref="OptionsValidationException">A setting has a value that cannot be used.</exception>
    public static WebApplication Create(ServerSettings settings, Action<IServiceCollection>? configure = null)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "ChatGLM.Server", ContentRootPath = AppContext.BaseDirectory });
        if (settings.ConfigFile is { } file)
            builder.Configuration.AddJsonFile(file, optional: false, reloadOnChange: false);
        builder.Configuration.AddEnvironmentVariables(EnvironmentPrefix);
        builder.Configuration.AddInMemoryCollection(settings.Values);
        var options = ReadOptions(builder.Configuration.GetSection(ServerOptions.Section));
        AddLogging(builder, settings.LogJson);
        AddKestrel(builder, options);
        AddServices(builder, options);
        configure?.Invoke(builder.Services);
        var app = builder.Build();
        MapPaths(app);
        app.Lifetime.ApplicationStarted.Register(() =>
        {
            ServerLog.Listening(app.Logger, string.Join(", ", app.Services.GetRequiredService<SharedModel>().ModelIds), string.Join(", ", app.Urls));
            if (!options.IsLoopback && options.ApiKey is null)
                ServerLog.Open(app.Logger, options.Host);
        });
        return app;
    }

    private static ServerOptions ReadOptions(IConfigurationSection section)
    {
        var options = new ServerOptions();
        try
        {
            section.Bind(options, binder => binder.ErrorOnUnknownConfiguration = true);
        }
        catch (InvalidOperationException error)
        {
            throw new OptionsValidationException(ServerOptions.Section, typeof(ServerOptions), [error.Message]);
        }

        return new ServerOptionsValidator().Validate(null, options) is { Failed: true } result
            ? throw new OptionsValidationException(ServerOptions.Section, typeof(ServerOptions), result.Failures)
            : options;
    }

    private static void AddLogging(WebApplicationBuilder builder, bool isJson)
    {
        builder.Logging.AddConfiguration(builder.Configuration.GetSection("Logging"));
        builder.Logging.AddFilter("Microsoft", LogLevel.Warning);
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.None); // what fails at the start comes out of the start
        if (isJson)
        {
            builder.Logging.AddJsonConsole(console =>
            {
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ";
                console.IncludeScopes = true;
                console.JsonWriterOptions = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
            });
        }
        else
        {
            builder.Logging.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.TimestampFormat = "HH:mm:ss ";
                console.ColorBehavior = LoggerColorBehavior.Default;
            });
        }
    }

    private static void AddKestrel(WebApplicationBuilder builder, ServerOptions options) => builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = options.MaxRequestBytes;
        kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
        if (options.Host == "*")
            kestrel.ListenAnyIP(options.Port);
        else
            kestrel.Listen(options.Host == "localhost" ? IPAddress.Loopback : IPAddress.Parse(options.Host), options.Port);
    });

    private static void AddServices(WebApplicationBuilder builder, ServerOptions options)
    {
        var services = builder.Services;
        services.AddRoutingCore();
        services.AddMetrics();
        services.AddSingleton(Options.Create(options));
        services.AddSingleton(TimeProvider.System);
        services.AddChatGLM(builder.Configuration.GetSection(ModelSection), model =>
        {
            if (string.IsNullOrWhiteSpace(model.Model))
                (model.Model, model.ModelId) = (DemoSnapshot.Folder, model.ModelId ?? "chatglm-demo");
            new PeftAdapters(options.Adapters).Configure(model);
        });
        services.AddHostedService<ModelLoader>();
        services.AddSingleton<RequestGate>();
        services.AddHostedService(provider => provider.GetRequiredService<RequestGate>());
        services.AddSingleton(new BearerKey(options.ApiKey));
        services.AddSingleton<PageFiles>();
        services.AddSingleton<PrometheusText>();
        services.AddSingleton<ChatEndpoint>();
        services.AddSingleton<CompletionEndpoint>();
        services.AddSingleton<EmbeddingEndpoint>();
        services.AddSingleton<ModelEndpoint>();
        services.AddSingleton<HealthEndpoint>();
        services.Configure<HostOptions>(host => host.ShutdownTimeout = TimeSpan.FromSeconds(options.ShutdownSeconds + 10));
        // A page of another site whose name is made to point here (DNS rebinding) would bring that name.
        services.Configure<HostFilteringOptions>(hosts =>
        {
            hosts.AllowedHosts = options.IsLoopback ? ["localhost", "127.0.0.1", "[::1]", options.Host] : ["*"];
            hosts.IncludeFailureMessage = false;
        });
    }

    private static void MapPaths(WebApplication app)
    {
        var services = app.Services;
        app.Use(new RequestFrame(services.GetRequiredService<ILogger<RequestFrame>>()).RunAsync);
        app.UseHostFiltering();
        app.UseRouting();
        var (key, gate) = (services.GetRequiredService<BearerKey>(), services.GetRequiredService<RequestGate>());
        var models = services.GetRequiredService<ModelEndpoint>();
        app.MapPost("/v1/chat/completions", Work(services.GetRequiredService<ChatEndpoint>().HandleAsync));
        app.MapPost("/v1/completions", Work(services.GetRequiredService<CompletionEndpoint>().HandleAsync));
        app.MapPost("/v1/embeddings", Work(services.GetRequiredService<EmbeddingEndpoint>().HandleAsync));
        app.MapGet("/v1/models", WithKey(models.ListAsync));
        app.MapGet("/v1/models/{**name}", WithKey(models.GetAsync));
        app.MapGet("/metrics", WithKey(services.GetRequiredService<PrometheusText>().HandleAsync));
        app.MapGet("/health", (RequestDelegate)services.GetRequiredService<HealthEndpoint>().HandleAsync);
        foreach (var (path, handler) in services.GetRequiredService<PageFiles>().Handlers)
            app.MapMethods(path, [HttpMethods.Get, HttpMethods.Head], handler);

        RequestDelegate WithKey(RequestDelegate handler) => context =>
        {
            key.Check(context);
            return handler(context);
        };

        RequestDelegate Work(RequestDelegate handler) => WithKey(context => gate.RunAsync(context, handler));
    }
}
