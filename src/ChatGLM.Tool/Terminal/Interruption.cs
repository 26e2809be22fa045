namespace ChatGLM.Tool.Terminal;

/// <summary>
/// What Ctrl+C means. The first press asks the run to end where nothing is lost; or, where somebody has said so, ends only what is going on, such as an answer in a chat. A second press before that has
/// happened ends the program at once.
/// </summary>
internal sealed class Interruption : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly Lock _gate = new();
    private Action? _stop;
    private bool _isStopping;

    /// <summary>Cancelled when the run is asked to end.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>What the program ends with when it was asked to.</summary>
    public int ExitCode { get; private set; } = Tool.ExitCode.Interrupted;

    /// <summary>Until the result is disposed, the first press calls this instead of ending the run.</summary>
    /// <param name="stop">Ends what is going on.</param>
    public IDisposable Intercept(Action stop)
    {
        lock (_gate)
        {
            (_stop, _isStopping) = (stop, false);
            return new Ending(this);
        }
    }

    /// <summary>Ctrl+C was pressed.</summary>
    /// <returns>Whether the program goes on by itself; if not, it is to be ended.</returns>
    public bool Press()
    {
        Action? stop;
        lock (_gate)
        {
            if (_isStopping || _source.IsCancellationRequested)
                return false;
            _isStopping = true;
            stop = _stop;
        }

        if (stop is not null)
            stop();
        else
            _source.Cancel();
        return true;
    }

    /// <summary>The system asks for the end: nothing is intercepted then.</summary>
    /// <returns>Whether the program goes on to its end by itself.</returns>
    public bool Terminate()
    {
        lock (_gate)
        {
            if (_source.IsCancellationRequested)
                return false;
            ExitCode = Tool.ExitCode.Terminated;
        }

        _source.Cancel();
        return true;
    }

    public void Dispose() => _source.Dispose();

    private sealed class Ending(Interruption owner) : IDisposable
    {
        public void Dispose()
        {
            lock (owner._gate)
                (owner._stop, owner._isStopping) = (null, false);
        }
    }
}
