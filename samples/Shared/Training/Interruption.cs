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
            _source.Cancel();
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
        Console.Error.WriteLine("Stopping after this step. Press Ctrl+C again to stop at once.");
        _source.Cancel();
    }
}
