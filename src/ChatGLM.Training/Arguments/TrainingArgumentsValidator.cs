using Microsoft.Extensions.Options;

namespace ChatGLM.Training;

/// <summary>Says with the field's name what is wrong with arguments.</summary>
internal sealed class TrainingArgumentsValidator : IValidateOptions<TrainingArguments>
{
    /// <inheritdoc/>
    public ValidateOptionsResult Validate(string? name, TrainingArguments options)
    {
        try
        {
            options.Validate();
            return ValidateOptionsResult.Success;
        }
        catch (TrainingArgumentsException error)
        {
            return ValidateOptionsResult.Fail(error.Message);
        }
    }
}
