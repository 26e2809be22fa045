using System.Runtime.InteropServices;
using Spectre.Console;

namespace ChatGLM.Tool.Terminal;

/// <summary>Connects the signals of the process to an <see cref="Interruption"/>.</summary>
internal sealed class SignalHandlers : IDisposable
{
    /// <summary>Makes the cursor visible: a bar that moves has hidden it.</summary>
    private const string ShowCursor = "\u001b[?25h";

    /// <summary>Most runs have ended by then, and need no word.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(0.4);

    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    public SignalHandlers(ToolConsole console)
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = Handle(console.Interruption.Press));
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => context.Cancel = Handle(console.Interruption.Terminate));

        bool Handle(Func<bool> tell)
        {
            if (tell())
            {
                if (console.Interruption.Token.IsCancellationRequested)
                    _ = Task.Delay(Patience).ContinueWith(_ => console.Messages.WriteLine("Stopping where nothing is lost. Press Ctrl+C again to end at once."), TaskScheduler.Default);
                return true;
            }

            if (!console.IsErrorRedirected)
                console.Error.Write(ShowCursor);
            return false;
        }
    }

    public void Dispose()
    {
        _interrupt.Dispose();
        _terminate.Dispose();
    }
}
