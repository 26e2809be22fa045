using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Tests.Gemm;

public class WorkerPoolTests
{
    [Theory]
    [InlineData(1, 0)]
    [InlineData(1, 7)]
    [InlineData(2, 1)]
    [InlineData(2, 1000)]
    [InlineData(5, 3)]
    [InlineData(5, 1000)]
    public void Runs_every_task_once(int threads, int tasks)
    {
        using var pool = new WorkerPool(threads);
        for (var round = 0; round < 50; round++)
        {
            var counts = new int[tasks];
            pool.Run(tasks, new Count(counts));
            counts.Should().Equal(Enumerable.Repeat(1, tasks));
        }
    }

    [Fact]
    public void Runs_many_short_jobs_after_each_other()
    {
        using var pool = new WorkerPool(4);
        var counts = new int[3];
        for (var job = 0; job < 10_000; job++)
            pool.Run(3, new Count(counts));
        counts.Should().Equal(10_000, 10_000, 10_000);
    }

    [Fact]
    public void Wakes_parked_workers()
    {
        using var pool = new WorkerPool(3);
        for (var job = 0; job < 20; job++)
        {
            // Three tasks that wait for each other cannot end unless three threads take one each.
            using var barrier = new Barrier(3);
            pool.Run(3, new Meet(barrier));
            Thread.Sleep(2);
        }
    }

    [Fact]
    public void Works_on_the_calling_thread_alone_when_one_thread_is_asked_for()
    {
        using var pool = new WorkerPool(1);
        var threads = new int[10];
        pool.Run(10, new NoteThread(threads));
        threads.Should().OnlyContain(thread => thread == Environment.CurrentManagedThreadId);
        pool.LiveWorkers.Should().Be(0);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public void Passes_the_exception_of_the_lowest_failing_task_to_the_caller(int threads)
    {
        using var pool = new WorkerPool(threads);
        for (var round = 0; round < 100; round++)
        {
            var act = () => pool.Run(64, new Fail(17));
            act.Should().Throw<InvalidDataException>().WithMessage("task 17");
        }

        var counts = new int[64];
        pool.Run(64, new Count(counts));
        counts.Should().OnlyContain(count => count == 1, "a failed job must not spoil the next one");
    }

    [Fact]
    public void Runs_a_nested_call_inside_its_task()
    {
        using var pool = new WorkerPool(3);
        var counts = new int[8 * 16];
        for (var round = 0; round < 100; round++)
            pool.Run(8, new Nest(pool, counts));
        counts.Should().OnlyContain(count => count == 100);
    }

    [Fact]
    public void Serves_several_callers_at_once()
    {
        using var pool = new WorkerPool(3);
        var counts = Enumerable.Range(0, 6).Select(_ => new int[50]).ToArray();
        var callers = counts.Select(mine => new Thread(() =>
        {
            for (var job = 0; job < 2000; job++)
                pool.Run(50, new Count(mine));
        })).ToList();
        callers.ForEach(caller => caller.Start());
        callers.ForEach(caller => caller.Join());
        counts.SelectMany(mine => mine).Should().OnlyContain(count => count == 2000);
    }

    [Fact]
    public void Ends_its_threads_when_it_is_disposed()
    {
        var pool = new WorkerPool(4);
        pool.Run(100, new Count(new int[100]));
        pool.LiveWorkers.Should().Be(3);
        pool.Dispose();
        SpinWait.SpinUntil(() => pool.LiveWorkers == 0, TimeSpan.FromSeconds(30)).Should().BeTrue();
        var counts = new int[10];
        pool.Run(10, new Count(counts));
        counts.Should().OnlyContain(count => count == 1, "a disposed pool still computes, on the caller's thread");
    }

    [Fact]
    public void Ends_its_threads_when_the_backend_is_collected()
    {
        var crews = Enumerable.Range(0, 5).Select(_ => UseAndDropBackend()).ToList();
        SpinWait.SpinUntil(
            () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                return crews.All(crew => crew.LiveWorkers == 0);
            },
            TimeSpan.FromSeconds(30)).Should().BeTrue();
    }

    [Fact]
    public void Starts_no_thread_before_it_has_work()
    {
        var backend = new CpuBackend(new() { Threads = 4 });
        backend.Pool.LiveWorkers.Should().Be(0);
        backend.Pool.Run(1, new Count(new int[1]));
        backend.Pool.LiveWorkers.Should().Be(0);
    }

    [Fact]
    public void Allocates_nothing_per_call()
    {
        using var pool = new WorkerPool(2);
        var counts = new int[4];
        for (var job = 0; job < 100; job++)
            RunWithScratch(pool, counts);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var job = 0; job < 1000; job++)
            RunWithScratch(pool, counts);
        (GC.GetAllocatedBytesForCurrentThread() - before).Should().BeLessThan(1000);
    }

    [Fact]
    public unsafe void Lends_aligned_scratch_to_each_borrower_alone()
    {
        using var pool = new WorkerPool(1);
        using var first = pool.RentScratch(1000);
        using var second = pool.RentScratch(100_000);
        ((nint)first.Pointer % 64).Should().Be(0);
        ((nint)second.Pointer % 64).Should().Be(0);
        new Span<byte>(first.Pointer, 1000).Fill(1);
        new Span<byte>(second.Pointer, 100_000).Fill(2);
        new Span<byte>(first.Pointer, 1000).ToArray().Should().OnlyContain(value => value == 1);
    }

    private static void RunWithScratch(WorkerPool pool, int[] counts)
    {
        using var scratch = pool.RentScratch(4096);
        pool.Run(4, new Count(counts));
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WorkerCrew UseAndDropBackend()
    {
        var backend = new CpuBackend(new() { Threads = 3 });
        backend.Pool.Run(100, new Count(new int[100]));
        backend.Pool.Crew.LiveWorkers.Should().Be(2);
        return backend.Pool.Crew;
    }

    private readonly struct Count(int[] counts) : IParallelBody
    {
        public void Run(int task) => Interlocked.Increment(ref counts[task]);
    }

    private readonly struct NoteThread(int[] threads) : IParallelBody
    {
        public void Run(int task) => threads[task] = Environment.CurrentManagedThreadId;
    }

    private readonly struct Meet(Barrier barrier) : IParallelBody
    {
        public void Run(int task) => barrier.SignalAndWait(TimeSpan.FromSeconds(30)).Should().BeTrue();
    }

    private readonly struct Fail(int from) : IParallelBody
    {
        public void Run(int task)
        {
            if (task >= from)
                throw new InvalidDataException($"task {task}");
        }
    }

    private readonly struct Nest(WorkerPool pool, int[] counts) : IParallelBody
    {
        public void Run(int task) => pool.Run(16, new Part(counts, task * 16));

        private readonly struct Part(int[] counts, int offset) : IParallelBody
        {
            public void Run(int task) => Interlocked.Increment(ref counts[offset + task]);
        }
    }
}
