using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Primitives;

namespace ChatGLM.Training.Tests;

public sealed class OptionsTests
{
    [Fact]
    public void A_section_is_bound_in_both_spellings()
    {
        var arguments = Options(
            ("output_dir", "out"), ("PerDeviceTrainBatchSize", "3"), ("learning_rate", "2e-4"), ("GradientCheckpointing", "true"), ("report_to:0", "tensorboard"), ("Optim", "adamw_8bit"),
            ("save_total_limit", ""), ("fp16", "true"));
        arguments.Should().BeEquivalentTo(new TrainingArguments
        {
            OutputDir = "out", PerDeviceTrainBatchSize = 3, LearningRate = 2e-4, GradientCheckpointing = true, ReportTo = "tensorboard", Optim = OptimizerType.Adamw8Bit,
        });
        arguments.IgnoredArguments.Should().Be("fp16");
    }

    [Theory]
    [InlineData("learning_rate", "fast", "learning_rate*fast*")]
    [InlineData("LearningRate", "-1", "learning_rate*-1*")]
    [InlineData("learning_rat", "1", "learning_rat*no such argument*")]
    [InlineData("output_dir", "", "output_dir*")]
    [InlineData("deepspeed", "ds.json", "deepspeed*")]
    public void What_is_wrong_is_named(string key, string value, string message) =>
        FluentActions.Invoking(() => Options(("output_dir", "out"), (key, value))).Should().Throw<OptionsValidationException>().WithMessage("*" + message);

    [Fact]
    public void Several_runs_have_names_of_their_own()
    {
        var services = new ServiceCollection();
        services.AddTrainingArguments(new Section([("output_dir", "a"), ("seed", "1")]), "first");
        services.AddTrainingArguments(new Section([("output_dir", "b"), ("seed", "2")]), "second");
        using var provider = services.BuildServiceProvider();
        var monitor = provider.GetRequiredService<IOptionsMonitor<TrainingArguments>>();
        monitor.Get("first").OutputDir.Should().Be("a");
        monitor.Get("second").Seed.Should().Be(2);
        monitor.Invoking(m => m.Get("third")).Should().Throw<OptionsValidationException>().WithMessage("*third*");
    }

    private static TrainingArguments Options(params (string Key, string Value)[] values)
    {
        // The last value of a key counts, as in a configuration of several sources.
        var services = new ServiceCollection().AddTrainingArguments(new Section([.. values.GroupBy(v => v.Key).Select(g => g.Last())]));
        using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<IOptions<TrainingArguments>>().Value;
    }

    /// <summary>A configuration in memory, written out: the package with the usual one is not needed for anything else here.</summary>
    private sealed class Section((string Key, string Value)[] values, string path = "") : IConfigurationSection
    {
        public string Key => path[(path.LastIndexOf(':') + 1)..];

        public string Path => path;

        public string? Value
        {
            get => values.Where(v => v.Key == path).Select(v => v.Value).FirstOrDefault();
            set => throw new NotSupportedException();
        }

        public string? this[string key]
        {
            get => GetSection(key).Value;
            set => throw new NotSupportedException();
        }

        public IConfigurationSection GetSection(string key) => new Section(values, path.Length == 0 ? key : $"{path}:{key}");

        public IEnumerable<IConfigurationSection> GetChildren() => values.Select(v => v.Key).Where(key => path.Length == 0 || key.StartsWith(path + ":", StringComparison.Ordinal))
            .Select(key => (path.Length == 0 ? key : key[(path.Length + 1)..]).Split(':')[0]).Distinct().Select(GetSection);

        public IChangeToken GetReloadToken() => new CancellationChangeToken(CancellationToken.None);
    }
}
