using System.CommandLine;
using ChatGLM;
using ChatGLM.Samples.Server;
using Microsoft.Extensions.Options;

var command = ServerCommandLine.Create(async (settings, cancellationToken) =>
{
    try
    {
        await using var app = ServerApplication.Create(settings);
        await app.StartAsync(cancellationToken);
        await app.WaitForShutdownAsync(cancellationToken);
        return 0;
    }
    catch (OperationCanceledException)
    {
        return 130; // stopped while the model was loading
    }
    catch (Exception error) when (error is OptionsValidationException or ChatGLMException or IOException or InvalidDataException)
    {
        await Console.Error.WriteLineAsync(error.Message);
        return 1;
    }
});

// Ctrl+C belongs to the host, which lets the answers under way end.
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
