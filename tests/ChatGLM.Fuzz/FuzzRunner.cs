using System.Diagnostics;

namespace ChatGLM.Fuzz;

/// <summary>
/// Feeds a target with inputs and holds it to its promise: nothing but a <see cref="ChatGLMException"/> comes out, in bounded time and memory.
/// </summary>
public sealed class FuzzRunner(FuzzTarget target, ulong seed)
{
    private const int MaxFailures = 10;

    /// <summary>What the input's own size cannot explain.</summary>
    private const long BaseAllocatedBytes = 16 << 20;

    private const long AllocatedBytesPerInputByte = 512;

    private readonly List<FuzzFailure> _failures = [];
    private long _startedAt;
    private ulong _current;
    private long _accepted;
    private long _done;
    private double _slowest;
    private long _mostAllocated;

    /// <summary>How long one input may take. Generous, as a busy machine stalls; a reader that hangs takes forever.</summary>
    public TimeSpan TimeLimit { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Where failing inputs are saved.</summary>
    public string FailureFolder { get; init; } = Path.Combine(Path.GetTempPath(), "chatglm-fuzz");

    /// <summary>Called now and then with the number of inputs done.</summary>
    public Action<long>? Progress { get; init; }

    /// <summary>Reads the inputs from number <paramref name="first"/> on.</summary>
    public FuzzReport Run(long inputs, ulong first = 0)
    {
        var clock = Stopwatch.StartNew();
        Volatile.Write(ref _startedAt, Stopwatch.GetTimestamp());

        // On a thread of its own, so that a reader that never comes back can be told.
        var worker = new Thread(() => ReadAll(inputs, first)) { IsBackground = true, Name = "fuzz " + target.Name };
        worker.Start();
        while (!worker.Join(TimeSpan.FromMilliseconds(200)))
        {
            Progress?.Invoke(Volatile.Read(ref _done));
            if (Stopwatch.GetElapsedTime(Volatile.Read(ref _startedAt)) <= TimeLimit)
                continue;
            var stuck = Volatile.Read(ref _current);
            lock (_failures)
                _failures.Add(Save(stuck, $"not done after {TimeLimit.TotalSeconds} s"));
            break;
        }

        lock (_failures)
            return new FuzzReport(target.Name, _done, _accepted, [.. _failures], clock.Elapsed, _slowest, _mostAllocated);
    }

    private void ReadAll(long inputs, ulong first)
    {
        for (var i = first; i < first + (ulong)inputs; i++)
        {
            var input = target.Input(seed, i);
            Volatile.Write(ref _current, i);
            Volatile.Write(ref _startedAt, Stopwatch.GetTimestamp());
            var before = GC.GetAllocatedBytesForCurrentThread();
            string? problem = null;
            try
            {
                target.Read(input);
                _accepted++;
            }
            catch (ChatGLMException)
            {
                // The promised answer to a bad file.
            }
            catch (Exception e)
            {
                problem = e.ToString();
            }

            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            _slowest = Math.Max(_slowest, Stopwatch.GetElapsedTime(_startedAt).TotalMilliseconds);
            _mostAllocated = Math.Max(_mostAllocated, allocated);
            if (allocated > BaseAllocatedBytes + (AllocatedBytesPerInputByte * input.Length))
                problem ??= $"took {allocated} bytes of memory for an input of {input.Length}";
            Volatile.Write(ref _done, _done + 1);
            if (problem is null)
                continue;
            lock (_failures)
            {
                _failures.Add(Save(i, problem));
                if (_failures.Count >= MaxFailures)
                    return;
            }
        }
    }

    private FuzzFailure Save(ulong index, string problem)
    {
        Directory.CreateDirectory(FailureFolder);
        var path = Path.Combine(FailureFolder, $"{target.Name}-{seed}-{index}.bin");
        File.WriteAllBytes(path, target.Input(seed, index));
        return new FuzzFailure(index, problem, path, $"dotnet run --project tests/ChatGLM.Fuzz -- --target {target.Name} --seed {seed} --first {index} --inputs 1");
    }
}
