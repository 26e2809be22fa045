namespace ChatGLM.Peft.Tests.Tuners;

/// <summary>A configuration of one kind of adapter for the tests that every kind has to pass. The next kind adds its lines to <see cref="All"/>.</summary>
/// <param name="Fresh">With the first values that a user gets.</param>
/// <param name="Random">With random first values, so that the adapter changes the model from the start.</param>
internal sealed record TunerCase(PeftConfig Fresh, PeftConfig Random)
{
    private static readonly string[] Targets = ["query_key_value", "dense", "dense_4h_to_h"];

    public static IReadOnlyDictionary<string, TunerCase> All { get; } = new Dictionary<string, TunerCase>
    {
        ["lora"] = Of(new LoraConfig { R = 4 }, c => c with { InitLoraWeights = InitLoraWeights.Random }),
        ["dora"] = Of(new LoraConfig { R = 4, UseDora = true }, c => c with { InitLoraWeights = InitLoraWeights.Random }),
        ["ia3"] = Of(new Ia3Config(), c => c with { InitIa3Weights = false }),
        ["ia3 by a pattern"] = Of(new Ia3Config { FeedforwardModules = @".*\.dense" }, c => c with { InitIa3Weights = false }),
    };

    /// <summary>Whether a new adapter changes nothing. AdaLoRA's does: all three of its factors begin at random.</summary>
    public bool StartsNeutral => true;

    /// <summary>Whether several active adapters compute what they give merged one after the other. DoRA's do not, in peft neither: each brings the rows of the weight to its own lengths.</summary>
    public bool MergesInOrder => Fresh is not LoraConfig { UseDora: true };

    /// <summary>Whether the gradient is the whole one. DoRA's holds the norms of the rows constant (section 4.3 of its paper).</summary>
    public bool HasWholeGradient => Fresh is not LoraConfig { UseDora: true };

    public static TheoryData<string, int> NamesAndGenerations()
    {
        var data = new TheoryData<string, int>();
        foreach (var name in All.Keys)
        {
            data.Add(name, 1);
            data.Add(name, 2);
        }

        return data;
    }

    public static TheoryData<string> Names()
    {
        var data = new TheoryData<string>();
        foreach (var name in All.Keys)
            data.Add(name);
        return data;
    }

    private static TunerCase Of<TConfig>(TConfig config, Func<TConfig, TConfig> randomize)
        where TConfig : PeftConfig
    {
        config = config with { TargetModules = new TargetModules(Targets) };
        return new TunerCase(config, randomize(config));
    }
}
