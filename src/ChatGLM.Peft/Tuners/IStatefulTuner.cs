using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tuners;

/// <summary>A kind of adapter that training changes more of than its parameters, so that a checkpoint has to remember more.</summary>
internal interface IStatefulTuner : ITuner
{
    /// <summary>The configuration of an adapter that takes over the weights of a saved one.</summary>
    PeftConfig Restored(PeftConfig config, PeftConfig saved);

    /// <summary>What training has to know to go on, beside what is saved with the adapter.</summary>
    IEnumerable<(string Key, Tensor Tensor)> TrainingState(PeftConfig config, IEnumerable<(string Path, AdapterParameter Parameter)> parameters);

    /// <summary>Takes that over again.</summary>
    /// <returns>The adapter's configuration from now on.</returns>
    /// <exception cref="AdapterWeightsException">Something is missing or of another shape; nothing was changed.</exception>
    PeftConfig RestoreTrainingState(PeftConfig config, IEnumerable<(string Path, AdapterParameter Parameter)> parameters, IReadOnlyDictionary<string, Tensor> state);
}
