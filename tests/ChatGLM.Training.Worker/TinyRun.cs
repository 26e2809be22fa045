using ChatGLM.Models;
using ChatGLM.Peft;

namespace ChatGLM.Training.Worker;

/// <summary>A training run of some seconds with dropout, accumulation, evaluation, best model and rotation, so that all of it has to come back after a kill.</summary>
public static class TinyRun
{
    public const string FinalFolder = "final";

    public static ChatGLM2Config Config { get; } = new()
    {
        PaddedVocabSize = 96, HiddenSize = 32, NumAttentionHeads = 4, KvChannels = 8, NumLayers = 2, FfnHiddenSize = 48, SeqLength = 64, MultiQueryGroupNum = 2, PreSeqLen = 4,
    };

    public static TrainingArguments Arguments(string folder) => new()
    {
        OutputDir = folder, PerDeviceTrainBatchSize = 2, GradientAccumulationSteps = 3, NumTrainEpochs = 4, LearningRate = 1e-2, LoggingSteps = 2, WeightDecay = 0.01,
        EvaluationStrategy = IntervalStrategy.Steps, EvalSteps = 2, SaveSteps = 2, SaveTotalLimit = 2, LoadBestModelAtEnd = true, WarmupRatio = 0.1,
        LrSchedulerType = SchedulerType.Cosine,
    };

    public static IReadOnlyList<TokenizedExample> Rows(int count, int seed = 1)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => Enumerable.Range(0, 12).Select(_ => random.Next(5, 90)).ToArray()).Select(ids => new TokenizedExample(ids, ids))];
    }

    /// <summary>Trains the prefix of a model, or an adapter on one that has none, and goes on from the newest checkpoint if there is one.</summary>
    public static void Run(string folder, bool withAdapter)
    {
        using var model = AutoModel.FromConfig(withAdapter ? Config with { PreSeqLen = null } : Config, new ModelOptions { Seed = 7 });
        TrainableModel trained = withAdapter ? model.GetPeftModel(new LoraConfig { R = 4, LoraAlpha = 16, LoraDropout = 0.1f, TargetModules = ["query_key_value"] }) : model;
        var trainer = new Trainer(trained, Arguments(folder), Rows(29), Rows(4, seed: 2));
        trainer.Train(Directory.Exists(folder) && Directory.EnumerateDirectories(folder, "checkpoint-*").Any() ? "true" : null);
        trainer.SaveModel(Path.Combine(folder, FinalFolder));
        trainer.SaveState();
    }
}
