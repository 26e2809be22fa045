using System.Diagnostics;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tool.Info;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Measuring;

/// <summary>Measures a model: prompts, decoding, loading, memory, beside the read bandwidth of the same minutes.</summary>
internal sealed class BenchRun(ModelSettings model, BenchSettings settings, ToolProgress progress)
{
    private const int DecodingPrompt = 8;
    private const long BandwidthBytes = 256L << 20;

    public async Task<BenchReport> RunAsync(CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        using var opened = await OpenedModel.OpenAsync(model, progress, cancellationToken, needsTokenizer: false);
        var load = clock.Elapsed.TotalSeconds;
        var limit = opened.Model.Config.MaxPositions;
        if (settings.PromptTokens.Append(DecodingPrompt + settings.NewTokens).Max() is var most && most >= limit)
            throw new UsageException($"The model takes {limit} tokens, and {most} are to be measured. Give smaller numbers.");
        return await Task.Run(() => Measure(opened, load, cancellationToken), cancellationToken);
    }

    private BenchReport Measure(OpenedModel opened, double load, CancellationToken cancellationToken)
    {
        var threads = model.Threads == 0 ? Environment.ProcessorCount : model.Threads;
        var linears = opened.Model.NamedModules().Select(named => named.Module).OfType<Linear>().ToList();
        var bytesPerToken = linears.Sum(linear => linear.Weight.Tensors.Sum(part => part.Tensor.ByteLength));
        var (prompts, decoded, bandwidth) = (settings.PromptTokens.ToDictionary(tokens => tokens, _ => new List<double>()), new List<double>(), 0.0);
        var (done, total) = (0, settings.Repetitions * (settings.PromptTokens.Count + (settings.NewTokens > 0 ? 1 : 0)));
        using (var memory = new ReadBandwidth(threads, BandwidthBytes))
        {
            memory.Measure();
            // The first pass pages the weights in and compiles the code.
            Generate(opened.Model, DecodingPrompt, 2, cancellationToken);
            for (var round = 0; round < settings.Repetitions; round++)
            {
                bandwidth = Math.Max(bandwidth, memory.Measure());
                foreach (var tokens in settings.PromptTokens)
                {
                    prompts[tokens].Add(tokens / Generate(opened.Model, tokens, 1, cancellationToken));
                    progress.Report(new ProgressReport("measuring", ++done, total, "measurements"));
                }

                if (settings.NewTokens == 0)
                    continue;
                // What the prompt takes is measured by itself and taken away, and with it the first token.
                var prompt = Generate(opened.Model, DecodingPrompt, 1, cancellationToken);
                var all = Generate(opened.Model, DecodingPrompt, 1 + settings.NewTokens, cancellationToken);
                decoded.Add(settings.NewTokens / Math.Max(all - prompt, 1e-9));
                progress.Report(new ProgressReport("measuring", ++done, total, "measurements"));
            }

            bandwidth = Math.Max(bandwidth, memory.Measure());
        }

        var rows = settings.PromptTokens.Select(tokens => new BenchRow($"pp{tokens}", tokens, prompts[tokens], null)).ToList();
        if (settings.NewTokens > 0)
            rows.Add(new BenchRow($"tg{settings.NewTokens}", settings.NewTokens, decoded, bandwidth / bytesPerToken));
        using var process = Process.GetCurrentProcess();
        return new BenchReport(
            opened.Name, Format(opened.Model), ParameterCount.Of(opened.Model.Config).Total, opened.Model.LoadReport?.Bytes ?? 0, bytesPerToken, threads, load, rows, bandwidth, process.PeakWorkingSet64);
    }

    /// <summary>The seconds from a prompt to a number of tokens; nothing ends it before.</summary>
    private static double Generate(ChatGLMForConditionalGeneration model, int promptTokens, int newTokens, CancellationToken cancellationToken)
    {
        var prompt = Prompt(model.Config, promptTokens);
        var config = new GenerationConfig { MaxNewTokens = newTokens, EosTokenId = [] };
        var start = Stopwatch.GetTimestamp();
        model.Generate(prompt, config, cancellationToken);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Some ids; ChatGLM-6B's prompt ends with the two that its mask is made by.</summary>
    private static int[] Prompt(ChatGLMConfig config, int tokens)
    {
        var (first, count) = (Math.Min(1000, config.VocabularySize / 4), Math.Min(4000, config.VocabularySize / 4));
        var ids = Enumerable.Range(0, tokens).Select(i => first + (int)(i * 7919L % count));
        return config is ChatGLM6BConfig six && tokens >= 2 ? [.. ids.Take(tokens - 2), six.GMaskTokenId, six.BosTokenId] : [.. ids];
    }

    private static string Format(ChatGLMForConditionalGeneration model) => model.Config switch
    {
        { QuantizationConfig: { } groups } => $"int{groups.Bits} g{groups.GroupSize}",
        { QuantizationBit: not 0 and var bits } => $"int{bits} row",
        _ => model.LoadReport?.Dtype.ToString().ToLowerInvariant() ?? "unknown",
    };
}
