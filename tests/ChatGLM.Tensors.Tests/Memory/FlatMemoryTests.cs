using ChatGLM.Tensors.Tests.Autograd;
using ChatGLM.Tensors.Tests.Optim;

namespace ChatGLM.Tensors.Tests.Memory;

/// <summary>Memory is flat from step to step though the loop's author disposes nothing.</summary>
public sealed class FlatMemoryTests
{
    private const int Steps = 1000;

    /// <summary>What the loop itself makes in a step and drops: ids, labels and the loss. All else has to come back by itself, at once.</summary>
    private const int DroppedPerStep = 3;

    public static TheoryData<string, bool> Backends => new()
    {
        { TestBackends.Cpu, false },
        { TestBackends.Cpu, true },
    };

    [Theory]
    [MemberData(nameof(Backends))]
    public void Training(string name, bool checkpointed)
    {
        using var recorded = new RecordedTraining();
        var backend = TestBackends.Create(name);
        var model = Model(recorded, backend, checkpointed);
        var (ids, labels) = (recorded.Ids(backend).ToArray<long>(), recorded.Labels(backend).ToArray<long>());
        using var optimizer = new AdamW(model.Parameters.Values);
        double first = 0, last = 0;
        var memory = new MemoryLog(backend.Memory);
        for (var step = 0; step < Steps; step++)
        {
            var loss = model.Loss(Tensor.From(ids, [2, 5], backend), Tensor.From(labels, [10], backend));
            loss.Backward();
            GradientClipping.ClipNorm(model.Parameters.Values, 1);
            optimizer.Step();
            optimizer.ZeroGrad();
            last = loss.Item();
            if (step == 0)
                first = last;
            memory.Note(step);
        }

        last.Should().BeLessThan(first / 2, "it does learn");
        memory.ShouldBeFlat();
    }

    [Theory]
    [InlineData(TestBackends.Reference)]
    [InlineData(TestBackends.Cpu)]
    public void Forward_only(string name)
    {
        using var recorded = new RecordedTraining();
        var backend = TestBackends.Create(name);
        var model = Model(recorded, backend, checkpointed: false);
        var ids = recorded.Ids(backend).ToArray<long>();
        var memory = new MemoryLog(backend.Memory);
        using var noGrad = GradMode.NoGrad();
        for (var step = 0; step < Steps; step++)
        {
            _ = model.Logits(Tensor.From(ids, [2, 5], backend));
            memory.Note(step);
        }

        memory.ShouldBeFlat();
    }

    [Fact]
    public void A_recorded_forward_that_nobody_goes_back_over_is_found_by_the_collector()
    {
        using var recorded = new RecordedTraining();
        var backend = TestBackends.Create(TestBackends.Cpu);
        var model = Model(recorded, backend, checkpointed: false);
        var ids = recorded.Ids(backend);
        Collect();
        var before = backend.Memory.LoanedBuffers;
        DropTapes();
        Collect();
        backend.Memory.LoanedBuffers.Should().Be(before);
        GC.KeepAlive(ids);
        GC.KeepAlive(model);

        void DropTapes()
        {
            for (var step = 0; step < 5; step++)
                _ = model.Logits(ids);
        }
    }

    [Fact]
    public void A_backend_dropped_with_all_its_tensors_is_collected_in_any_order()
    {
        for (var i = 0; i < 20; i++)
            Drop();
        Collect();

        static void Drop()
        {
            var backend = TestBackends.Create(TestBackends.Cpu);
            for (var length = 1; length < 50; length++)
                Tensor.Zeros([length * 100], backend: backend).ElementCount.Should().Be(length * 100);
        }
    }

    private static TinyTransformer Model(RecordedTraining recorded, Backend backend, bool checkpointed)
    {
        var model = new TinyTransformer(recorded.Tensors("start", backend)) { Checkpointed = checkpointed, DropoutProbability = 0.05f };
        foreach (var parameter in model.Parameters.Values)
            parameter.RequiresGrad = true;
        return model;
    }

    private static void Collect()
    {
        for (var i = 0; i < 3; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }
    }

    /// <summary>Looks at the pool after each step, counting what the loop dropped as gone whether or not the collector has run.</summary>
    private sealed class MemoryLog(BufferPool pool)
    {
        private readonly List<long> _buffers = [];
        private readonly List<long> _bytesAfterCollection = [];
        private readonly long _recoveredBefore = pool.RecoveredBuffers;

        public void Note(int step)
        {
            // Whatever the collector found until now was dropped by the loop before.
            long recovered, loaned;
            do
            {
                // Another test's allocation may start a collection between two reads.
                GC.WaitForPendingFinalizers();
                (recovered, loaned) = (pool.RecoveredBuffers, pool.LoanedBuffers);
            }
            while (recovered != pool.RecoveredBuffers);
            _buffers.Add(loaned + (recovered - _recoveredBefore) - ((long)DroppedPerStep * (step + 1)));
            if (step is 2 or Steps / 2 or Steps - 1)
            {
                Collect();
                _bytesAfterCollection.Add(pool.LoanedBytes);
            }
        }

        public void ShouldBeFlat()
        {
            // At most what was dropped comes back through the collector, and from step 3 on every step leaves exactly as many buffers as the one before.
            (pool.RecoveredBuffers - _recoveredBefore).Should().BeLessThanOrEqualTo((long)DroppedPerStep * Steps);
            var slack = _buffers.Skip(2).Select((count, i) => count - _buffers[2]).ToArray();
            slack.Should().OnlyContain(difference => difference <= 0);
            _bytesAfterCollection.Skip(1).Should().OnlyContain(bytes => Math.Abs(bytes - _bytesAfterCollection[0]) <= 3 * 128, "only the last loss, ids and labels may still be on a stack");
        }
    }
}
