using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;

namespace ChatGLM.Training;

/// <summary>Makes arguments from the sections that were registered for their names. Arguments do not change once they are made, which is why the usual way, to make an empty one and set its
/// properties, is not gone.</summary>
internal sealed class TrainingArgumentsFactory(
    IEnumerable<IConfigureOptions<TrainingArguments>> setups,
    IEnumerable<IPostConfigureOptions<TrainingArguments>> postConfigures,
    IEnumerable<IValidateOptions<TrainingArguments>> validations,
    IEnumerable<TrainingArgumentsFactory.Section> sections)
    : OptionsFactory<TrainingArguments>(setups, postConfigures, validations)
{
    /// <inheritdoc/>
    protected override TrainingArguments CreateInstance(string name)
    {
        // The section that was registered last goes before, as with other services.
        if (sections.LastOrDefault(section => section.Name == name) is not { } section)
            throw new OptionsValidationException(name, typeof(TrainingArguments), [$"There are no training arguments called '{name}'. Register them with AddTrainingArguments."]);
        try
        {
            return TrainingArguments.FromConfiguration(section.Configuration);
        }
        catch (TrainingArgumentsException error)
        {
            throw new OptionsValidationException(name, typeof(TrainingArguments), [error.Message]);
        }
    }

    /// <summary>A section of the configuration and the name of the arguments that it describes.</summary>
    internal sealed record Section(string Name, IConfiguration Configuration);
}
