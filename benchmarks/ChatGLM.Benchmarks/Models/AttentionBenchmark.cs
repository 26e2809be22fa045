using System.Diagnostics;
using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Benchmarks.Models;

/// <summary>Attention of one token over a long cache: gigabytes of keys and values a second, whose ceiling is the read bandwidth. Layer after layer is read, so that no cache of the processor holds them.</summary>
internal sealed class AttentionBenchmark(Backend backend, IDeviceCeilings ceilings, ChatGLMConfig config, int rounds)
{
    private const int Keys = 8192;
    private const long BytesOfAll = 256L << 20;

    /// <summary>Over keys and values in one piece.</summary>
    public BenchmarkRow Whole(string name)
    {
        using var scope = new TensorScope();
        var query = Random([1, config.NumAttentionHeads, 1, config.HeadDim], 1);
        Shape shape = [1, config.KeyValueHeads, Keys, config.HeadDim];
        var bytes = 2 * shape.ElementCount * sizeof(float);
        var layers = (int)Math.Max(1, BytesOfAll / bytes);
        var caches = Enumerable.Range(0, layers).Select(layer => (Key: Random(shape, 2 * layer), Value: Random(shape, (2 * layer) + 1))).ToArray();
        return Measure(name, bytes * layers, () =>
        {
            foreach (var (key, value) in caches)
                backend.Attention(query, key, value, new AttentionOptions(0.1f, Keys), null).Dispose();
        });
    }

    /// <summary>Over pages.</summary>
    public BenchmarkRow Paged(string name, KeyValueFormat format)
    {
        using var scope = new TensorScope();
        var one = new KeyValuePageLayout(1, config.KeyValueHeads, config.HeadDim, format);
        var pageCount = KeyValuePageLayout.PagesOf(Keys);
        var layers = (int)Math.Max(1, BytesOfAll / (pageCount * one.ByteLength));
        var layout = one with { Layers = layers };
        var pages = Enumerable.Range(0, pageCount).Select(_ => new KeyValuePage(layout, backend)).ToArray();
        try
        {
            var prompt = new PagedBatch(Keys, layout, [new PagedSequence(0, Keys, 0, 0, pages)]);
            Shape shape = [Keys, config.KeyValueHeads, 1, config.HeadDim];
            var (key, value) = (Random(shape, 1), Random(shape, 2));
            for (var layer = 0; layer < layers; layer++)
                backend.WritePages(key, value, prompt, layer);
            var token = new PagedBatch(1, layout, [new PagedSequence(0, 1, Keys - 1, 0, pages)]);
            var query = Random([1, config.NumAttentionHeads, 1, config.HeadDim], 3);
            return Measure(name, pageCount * layout.ByteLength, () =>
            {
                for (var layer = 0; layer < layers; layer++)
                    backend.PagedAttention(query, token, layer, 0.1f).Dispose();
            });
        }
        finally
        {
            foreach (var page in pages)
                page.Dispose();
        }
    }

    private BenchmarkRow Measure(string name, long bytes, Action run)
    {
        var best = double.PositiveInfinity;
        for (var round = 0; round <= 2 * rounds; round++)
        {
            ceilings.Refresh();
            var start = Stopwatch.GetTimestamp();
            run();
            if (round > 0)
                best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return BenchmarkRow.Rate(name, bytes / best / 1e9, "GB/s", ceilings.ReadBandwidth);
    }

    private Tensor Random(in Shape shape, int seed)
    {
        var values = new float[shape.ElementCount];
        new TorchGenerator((ulong)seed).Uniform(values, -1, 1);
        return Tensor.From(values, shape, backend);
    }
}
