using System.Diagnostics;
using System.Runtime.ExceptionServices;

namespace ChatGLM.Tensors;

/// <summary>
/// The threads behind a <see cref="WorkerPool"/> and the job they work on. A job is published in one 64-bit ticket, (generation, tasks left), from which workers and the
/// caller take tasks by compare-and-swap. A worker that wakes too late finds another generation or nothing left, so the caller never waits for a
/// thread that has not taken a task.
/// </summary>
internal sealed unsafe class WorkerCrew(int workers)
{
    // Long enough to bridge the gap between two kernels of one layer, short enough not to take the core from others while the program does something else.
    private static readonly long SpinTicks = Stopwatch.Frequency / 1_000_000 * 50;

    private readonly object _gate = new();
    private delegate*<void*, int, void> _invoke;
    private void* _body;
    private int _tasks;
    private long _ticket;
    private int _completed;
    private int _failedTask;
    private Exception? _failure;
    private int _busy;
    private int _parked;
    private int _callerParked;
    private int _started;
    private int _live;
    private volatile bool _stopping;

    /// <summary>How many threads have not ended yet.</summary>
    public int LiveWorkers => Volatile.Read(ref _live);

    /// <summary>Takes the crew for one caller; false if it is taken.</summary>
    public bool TryEnter() => !_stopping && Interlocked.CompareExchange(ref _busy, 1, 0) == 0;

    /// <summary>Gives the crew back.</summary>
    public void Exit() => Volatile.Write(ref _busy, 0);

    /// <summary>Ends the threads as soon as they are idle.</summary>
    public void Stop()
    {
        _stopping = true;
        lock (_gate)
            Monitor.PulseAll(_gate);
    }

    /// <summary>Runs a job, between <see cref="TryEnter"/> and <see cref="Exit"/>.</summary>
    public void Run(int tasks, delegate*<void*, int, void> invoke, void* body)
    {
        if (_started < workers)
            StartWorkers();
        _invoke = invoke;
        _body = body;
        _tasks = tasks;
        _completed = 0;
        _failedTask = int.MaxValue;
        _failure = null;
        var generation = (uint)(Volatile.Read(ref _ticket) >> 32) + 1;
        Interlocked.Exchange(ref _ticket, ((long)generation << 32) | (uint)tasks);
        WakeWorkers(tasks - 1);
        while (TryWork())
        {
        }

        WaitUntilCompleted(tasks);
        if (_failure is { } failure)
        {
            _failure = null;
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private void StartWorkers()
    {
        while (_started < workers)
        {
            var thread = new Thread(Work) { IsBackground = true, Name = "ChatGLM worker" };
            Interlocked.Increment(ref _live);
            try
            {
                thread.UnsafeStart();
            }
            catch
            {
                Interlocked.Decrement(ref _live);
                throw;
            }

            _started++;
        }
    }

    private void WakeWorkers(int wanted)
    {
        if (Volatile.Read(ref _parked) == 0)
            return;
        lock (_gate)
        {
            if (wanted >= _parked)
                Monitor.PulseAll(_gate);
            else
            {
                for (var i = 0; i < wanted; i++)
                    Monitor.Pulse(_gate);
            }
        }
    }

    private void Work()
    {
        while (!_stopping)
        {
            if (!TryWork() && !SpinForWork())
                Park();
        }

        Interlocked.Decrement(ref _live);
    }

    /// <summary>Takes one task of the current job and does it; false if there is none left.</summary>
    private bool TryWork()
    {
        var ticket = Volatile.Read(ref _ticket);
        while ((uint)ticket != 0)
        {
            // These may already belong to the next job, but only if this ticket is used up, and then the swap fails.
            var task = _tasks - (int)(uint)ticket;
            var (invoke, body) = ((nint)_invoke, (nint)_body);
            var seen = Interlocked.CompareExchange(ref _ticket, ticket - 1, ticket);
            if (seen == ticket)
            {
                Execute((delegate*<void*, int, void>)invoke, (void*)body, task);
                return true;
            }

            ticket = seen;
        }

        return false;
    }

    private void Execute(delegate*<void*, int, void> invoke, void* body, int task)
    {
        // Tasks are taken in order: those before a failed one were taken already and run to their end, so the lowest failure is always found.
        if (task < Volatile.Read(ref _failedTask))
        {
            try
            {
                invoke(body, task);
            }
            catch (Exception exception)
            {
                lock (_gate)
                {
                    if (task < _failedTask)
                        (_failedTask, _failure) = (task, exception);
                }
            }
        }

        var tasks = _tasks; // read before the count: with the last count the caller may go on to its next job
        if (Interlocked.Increment(ref _completed) == tasks && Volatile.Read(ref _callerParked) != 0)
        {
            lock (_gate)
                Monitor.PulseAll(_gate);
        }
    }

    private void WaitUntilCompleted(int tasks)
    {
        var start = Stopwatch.GetTimestamp();
        while (Volatile.Read(ref _completed) != tasks)
        {
            Thread.SpinWait(8);
            if (Stopwatch.GetTimestamp() - start <= 4 * SpinTicks)
                continue;
            lock (_gate)
            {
                Interlocked.Exchange(ref _callerParked, 1);
                while (Volatile.Read(ref _completed) != tasks)
                    Monitor.Wait(_gate);
                Volatile.Write(ref _callerParked, 0);
            }
        }
    }

    private bool SpinForWork()
    {
        var start = Stopwatch.GetTimestamp();
        do
        {
            if ((uint)Volatile.Read(ref _ticket) != 0)
                return true;
            Thread.SpinWait(8);
        }
        while (!_stopping && Stopwatch.GetTimestamp() - start < SpinTicks);
        return false;
    }

    private void Park()
    {
        lock (_gate)
        {
            Interlocked.Increment(ref _parked);
            while ((uint)Volatile.Read(ref _ticket) == 0 && !_stopping)
                Monitor.Wait(_gate);
            Interlocked.Decrement(ref _parked);
        }
    }
}
