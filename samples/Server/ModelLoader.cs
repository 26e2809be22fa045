using ChatGLM.Extensions.AI;

namespace ChatGLM.Samples.Server;

/// <summary>Loads the model before the server listens, so that what is wrong with it is known at the start.</summary>
internal sealed class ModelLoader(SharedModel model) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken) => model.LoadAsync(cancellationToken);

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
