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
    private const int UsualPrompt = 512;
    private const long BandwidthBytes = 512L << 20;

    public async Task<BenchReport> RunAsync(CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        using var opened = await OpenedModel.OpenAsync(model, progress, cancellationToken, needsTokenizer: false);
        var load = clock.Elapsed.TotalSeconds;
        var limit = opened.Model.Config.MaxPositions;
        IReadOnlyList<int> lengths = settings.PromptTokens.Count > 0 ? settings.PromptTokens : [Math.Min(UsualPrompt, limit / 2)];
        if (lengths.Append(DecodingPrompt + settings.NewTokens).Max() is var most && most >= limit)
            throw new UsageException($"The model takes {limit} tokens, and {most} are to be measured. Give smaller numbers.");
        return await Task.Run(() => Measure(opened, load, lengths, cancellationToken), cancellationToken);
    }

    private BenchReport Measure(OpenedModel opened, double load, IReadOnlyList<int> lengths, CancellationToken cancellationToken)
    {
        var threads = model.Threads == 0 ? Environment.ProcessorCount : model.Threads;
        var linears = opened.Model.NamedModules().Select(named => named.Module).OfType<Linear>().ToList();
        var bytesPerToken = linears.Sum(linear => linear.Weight.Tensors.Sum(part => part.Tensor.ByteLength));
        var (prompts, decoded, prompt, bandwidth) = (lengths.ToDictionary(tokens => tokens, _ => new List<double>()), new List<double>(), double.PositiveInfinity, 0.0);
        var (done, total) = (0, settings.Repetitions * (lengths.Count + (settings.NewTokens > 0 ? 1 : 0)));
        // The first passes page the weights in and compile the code. They take all the memory that the others do, and the memory that is read below is not yet there.
        progress.Report(new ProgressReport("warming up", 0, 0, ""));
        Generate(opened.Model, lengths.Append(DecodingPrompt).Max(), 2, cancellationToken);
        var peak = PeakMemory();
        progress.Report(new ProgressReport("warming up", 1, 1, ""));
        using (var memory = new ReadBandwidth(threads, BandwidthBytes))
        {
            memory.Measure();
            for (var round = 0; round < settings.Repetitions; round++)
            {
                bandwidth = Math.Max(bandwidth, memory.Measure());
                foreach (var tokens in lengths)
                {
                    prompts[tokens].Add(tokens / Generate(opened.Model, tokens, 1, cancellationToken));
                    progress.Report(new ProgressReport("measuring", ++done, total, "measurements"));
                }

                if (settings.NewTokens == 0)
                    continue;
                // What the prompt takes, and with it the first token, is measured by itself and taken away: the least, or an unlucky prompt would make a lucky answer.
                prompt = Math.Min(prompt, Generate(opened.Model, DecodingPrompt, 1, cancellationToken));
                decoded.Add(Generate(opened.Model, DecodingPrompt, 1 + settings.NewTokens, cancellationToken));
                progress.Report(new ProgressReport("measuring", ++done, total, "measurements"));
            }

            bandwidth = Math.Max(bandwidth, memory.Measure());
        }

        var rows = lengths.Select(tokens => new BenchRow($"pp{tokens}", tokens, prompts[tokens], null)).ToList();
        if (settings.NewTokens > 0)
            rows.Add(new BenchRow($"tg{settings.NewTokens}", settings.NewTokens, [.. decoded.Select(seconds => settings.NewTokens / Math.Max(seconds - prompt, 1e-9))], bandwidth / bytesPerToken));
        return new BenchReport(
            opened.Name, Format(opened.Model), ParameterCount.Of(opened.Model.Config).Total, opened.Model.LoadReport?.Bytes ?? 0, bytesPerToken, threads, load, rows, bandwidth, peak);
    }

    private static long PeakMemory()
    {
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
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
