using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// The threads of one <see cref="CpuBackend"/>. <see cref="Run{TBody}"/> hands tasks to them and works too; a hand-over costs microseconds, because idle workers spin
/// for a while before they park. Threads start with the first parallel call and stop when the pool is disposed or collected: they hold on to the crew,
/// not to the pool.
/// </summary>
internal sealed partial class WorkerPool : IDisposable
{
    private readonly WorkerCrew _crew;

    /// <summary>Creates a pool without starting threads.</summary>
    /// <param name="threads">How many threads compute, the caller's among them; 0 for one per core.</param>
    public WorkerPool(int threads = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        Threads = threads == 0 ? Environment.ProcessorCount : threads;
        _crew = new WorkerCrew(Threads - 1);
    }

    /// <summary>Stops the threads of a pool that nobody disposed.</summary>
    ~WorkerPool() => _crew.Stop();

    /// <summary>How many threads compute, the caller's among them.</summary>
    public int Threads { get; }

    /// <summary>The threads, for tests that outlive the pool.</summary>
    internal WorkerCrew Crew => _crew;

    /// <summary>How many worker threads are alive: what a test of leaks counts.</summary>
    internal int LiveWorkers => _crew.LiveWorkers;

    /// <summary>
    /// Runs tasks 0 to <paramref name="tasks"/> - 1 and returns when all are done. Tasks are taken in ascending order. A call from inside a task, or while another
    /// thread uses the pool, runs its tasks on the calling thread. If tasks throw, the exception of the lowest-numbered one reaches the caller.
    /// </summary>
    public unsafe void Run<TBody>(int tasks, in TBody body)
        where TBody : struct, IParallelBody
    {
        // The copy lives in this frame, whose address does not move; the garbage collector sees and updates the references in it.
        var local = body;
        if (tasks > 1 && Threads > 1 && _crew.TryEnter())
        {
            try
            {
                _crew.Run(tasks, &Invoke<TBody>, Unsafe.AsPointer(ref local));
            }
            finally
            {
                _crew.Exit();
            }
        }
        else
        {
            for (var task = 0; task < tasks; task++)
                local.Run(task);
        }

        GC.KeepAlive(this);
    }

    /// <summary>How many pieces of at least <paramref name="minPerTask"/> to cut <paramref name="items"/> into: a few per thread, so that one slow thread does not hold up the rest.</summary>
    public int TasksFor(long items, long minPerTask)
    {
        if (items <= minPerTask || Threads == 1)
            return items > 0 ? 1 : 0;
        return (int)Math.Min((items + minPerTask - 1) / minPerTask, Threads * 4L);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _crew.Stop();
        GC.SuppressFinalize(this);
    }

    private static unsafe void Invoke<TBody>(void* body, int task)
        where TBody : struct, IParallelBody => Unsafe.AsRef<TBody>(body).Run(task);
}
