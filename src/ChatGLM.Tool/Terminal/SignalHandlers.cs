using System.Runtime.InteropServices;

namespace ChatGLM.Tool.Terminal;

/// <summary>Connects the signals of the process to an <see cref="Interruption"/>.</summary>
internal sealed class SignalHandlers : IDisposable
{
    /// <summary>Makes the cursor visible: a bar that moves has hidden it.</summary>
    private const string ShowCursor = "\u001b[?25h";

    private readonly PosixSignalRegistration _interrupt;
    private readonly PosixSignalRegistration _terminate;

    public SignalHandlers(ToolConsole console)
    {
        _interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, context => context.Cancel = Handle(console.Interruption.Press));
        _terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, context => context.Cancel = Handle(console.Interruption.Terminate));

        bool Handle(Func<bool> tell)
        {
            if (tell())
                return true;
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
