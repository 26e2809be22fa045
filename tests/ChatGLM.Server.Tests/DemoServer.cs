namespace ChatGLM.Server.Tests;

/// <summary>One server with the small model for all tests of a class.</summary>
public sealed class DemoServer : IAsyncLifetime
{
    internal RunningServer Server { get; private set; } = null!;

    public async Task InitializeAsync() => Server = await RunningServer.StartAsync();

    public async Task DisposeAsync() => await Server.DisposeAsync();
}
