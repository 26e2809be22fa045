namespace ChatGLM.Training;

/// <summary>How many batches, steps and epochs a run has, counted as transformers counts them.</summary>
internal readonly record struct RunShape(int BatchesPerEpoch, int StepsPerEpoch, int MaxSteps, int Epochs)
{
    public static RunShape Of(int samples, TrainingArguments arguments)
    {
        var size = arguments.PerDeviceTrainBatchSize;
        var batches = arguments.DataloaderDropLast ? samples / size : (int)(((long)samples + size - 1) / size);
        if (batches == 0)
        {
            throw new TrainingArgumentsException(
                "per_device_train_batch_size",
                $"{samples} training rows make no batch of {size}{(arguments.DataloaderDropLast ? " (dataloader_drop_last leaves out those that are not full)" : "")}.");
        }

        // Batches behind the last whole step of an epoch go into the first step of the next; only an epoch that is shorter than one step makes a step of its own.
        var steps = Math.Max(batches / arguments.GradientAccumulationSteps, 1);
        if (arguments.MaxSteps > 0)
            return new RunShape(batches, steps, arguments.MaxSteps, (arguments.MaxSteps / steps) + (arguments.MaxSteps % steps > 0 ? 1 : 0));
        var total = Math.Ceiling(arguments.NumTrainEpochs * steps);
        if (total > int.MaxValue)
            throw new TrainingArgumentsException("num_train_epochs", $"{arguments.NumTrainEpochs} epochs make {total:G3} steps, more than {int.MaxValue}.");
        return new RunShape(batches, steps, (int)total, (int)Math.Ceiling(arguments.NumTrainEpochs));
    }
}
