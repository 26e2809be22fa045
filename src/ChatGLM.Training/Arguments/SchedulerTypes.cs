namespace ChatGLM.Training;

/// <summary>The names of schedules on disk and on the command line.</summary>
internal static class SchedulerTypes
{
    /// <summary>Reads a name such as <c>cosine_with_restarts</c>.</summary>
    public static SchedulerType Parse(string name) => SnakeCase.TryParse<SchedulerType>(name, out var type)
        ? type
        : throw new TrainingArgumentsException("lr_scheduler_type", $"expected one of {SnakeCase.NamesOf<SchedulerType>()}, found '{name}'.");
}
