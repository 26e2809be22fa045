using System.Runtime.InteropServices;

namespace ChatGLM.Samples;

/// <summary>Turns the first Ctrl+C, and a request of the system to end, into a cancelled token; a second Ctrl+C ends the program as anywhere.</summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration _termination;

    public Interruption()
    {
        Console.CancelKeyPress += OnPressed;
        _termination = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context =>
        {
            context.Cancel = true;
            Stop("");
        });
    }

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        Console.CancelKeyPress -= OnPressed;
        _termination.Dispose();
        _source.Dispose();
    }

    private void OnPressed(object? sender, ConsoleCancelEventArgs pressed)
    {
        if (_source.IsCancellationRequested)
            return;
        pressed.Cancel = true;
        Stop(" Press Ctrl+C again to stop at once.");
    }

    private void Stop(string hint)
    {
        Console.Error.WriteLine("Stopping after this step." + hint);
        _source.Cancel();
    }
}
