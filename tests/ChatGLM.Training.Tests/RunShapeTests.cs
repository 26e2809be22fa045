namespace ChatGLM.Training.Tests;

public sealed class RunShapeTests
{
    [Theory]
    [InlineData(60, 1, 4, 12, 3.0, false, 60, 12, 1)]
    [InlineData(60, 1, 4, -1, 3.0, false, 60, 45, 3)]
    [InlineData(29, 2, 3, -1, 4.0, false, 15, 20, 4)]
    [InlineData(29, 2, 3, -1, 1.5, true, 14, 6, 2)]
    [InlineData(3, 2, 8, -1, 2.0, false, 2, 2, 2)]
    [InlineData(10, 5, 1, 7, 3.0, false, 2, 7, 4)]
    public void Steps_and_epochs_are_counted_as_transformers_counts(int samples, int size, int accumulation, int maxSteps, double epochs, bool dropLast, int batches, int steps, int allEpochs)
    {
        var arguments = new TrainingArguments
        {
            OutputDir = "out", PerDeviceTrainBatchSize = size, GradientAccumulationSteps = accumulation, MaxSteps = maxSteps, NumTrainEpochs = epochs, DataloaderDropLast = dropLast,
        };
        var shape = RunShape.Of(samples, arguments);
        (shape.BatchesPerEpoch, shape.MaxSteps, shape.Epochs).Should().Be((batches, steps, allEpochs));
    }

    [Fact]
    public void Data_that_makes_no_batch_is_refused() =>
        FluentActions.Invoking(() => RunShape.Of(3, new TrainingArguments { OutputDir = "out", DataloaderDropLast = true })).Should().Throw<TrainingArgumentsException>();
}
