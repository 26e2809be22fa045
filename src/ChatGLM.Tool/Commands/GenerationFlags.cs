using System.CommandLine;
using ChatGLM.Generation;

namespace ChatGLM.Tool.Commands;

/// <summary>The flags that say how tokens are chosen.</summary>
internal sealed class GenerationFlags
{
    private readonly Option<bool> _greedy = new("--greedy") { Description = "Always take the likeliest token." };
    private readonly Option<bool> _sample = new("--sample") { Description = "Draw tokens at random, by their likelihood." };
    private readonly Option<double?> _temperature = new("--temperature") { HelpName = "number", Description = "Higher is more varied." };
    private readonly Option<double?> _topP = new("--top-p") { HelpName = "number", Description = "Sample from the likeliest tokens that together have this probability." };
    private readonly Option<int?> _topK = new("--top-k") { HelpName = "number", Description = "Sample from this many of the likeliest tokens; 0 for all." };
    private readonly Option<double?> _minP = new("--min-p") { HelpName = "number", Description = "Sample from tokens of at least this part of the likeliest one's probability." };
    private readonly Option<double?> _penalty = new("--repetition-penalty") { HelpName = "number", Description = "Above 1 makes repetition less likely." };
    private readonly Option<int?> _maxNewTokens = new("--max-new-tokens", "-n") { HelpName = "number", Description = "The most tokens of an answer." };
    private readonly Option<int?> _beams = new("--num-beams") { HelpName = "number", Description = "Search with so many beams." };
    private readonly Option<string[]> _stop = new("--stop") { HelpName = "text", Description = "End where this text comes. May be given several times." };
    private readonly Option<long?> _seed = new("--seed") { HelpName = "number", Description = "The same seed gives the same text, whatever the number of threads." };

    /// <summary>Adds them to a command.</summary>
    /// <param name="command">The command.</param>
    /// <param name="stop">Whether it can look for texts to end at.</param>
    public GenerationFlags AddTo(Command command, bool stop = true)
    {
        foreach (var option in new Option[] { _greedy, _sample, _temperature, _topP, _topK, _minP, _penalty, _maxNewTokens, _beams, _seed })
            command.Add(option);
        if (stop)
            command.Add(_stop);
        return this;
    }

    /// <summary>What the flags change of some options. Any flag of sampling asks for sampling.</summary>
    /// <exception cref="UsageException">A value cannot be.</exception>
    public Func<GenerationConfig, GenerationConfig> Read(ParseResult parsed)
    {
        var greedy = parsed.GetValue(_greedy);
        var (temperature, topP, topK, minP) = (parsed.GetValue(_temperature), parsed.GetValue(_topP), parsed.GetValue(_topK), parsed.GetValue(_minP));
        var samples = parsed.GetValue(_sample) || temperature is not null || topP is not null || topK is not null || minP is not null;
        if (greedy && samples)
            throw new UsageException("--greedy takes the likeliest token: the flags of sampling have no place beside it.");
        var stop = parsed.GetValue(_stop) ?? [];
        var (penalty, maxNewTokens, beams, seed) = (parsed.GetValue(_penalty), parsed.GetValue(_maxNewTokens), parsed.GetValue(_beams), parsed.GetValue(_seed));
        GenerationConfig Change(GenerationConfig config) => config with
        {
            DoSample = samples || (!greedy && config.DoSample),
            Temperature = temperature ?? config.Temperature,
            TopP = topP ?? config.TopP,
            TopK = topK ?? config.TopK,
            MinP = minP ?? config.MinP,
            RepetitionPenalty = penalty ?? config.RepetitionPenalty,
            MaxNewTokens = maxNewTokens ?? config.MaxNewTokens,
            NumBeams = beams ?? config.NumBeams,
            StopStrings = stop.Length > 0 ? stop : config.StopStrings,
            Seed = seed ?? config.Seed,
        };
        try
        {
            Change(new GenerationConfig()).Validate();
        }
        catch (GenerationConfigException error)
        {
            throw new UsageException(error.Message); // said before a model of gigabytes is loaded
        }

        return Change;
    }
}
