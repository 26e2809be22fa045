using ChatGLM.Training;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds training arguments to an application, as <see cref="IOptions{TOptions}"/>.</summary>
public static class TrainingServiceCollectionExtensions
{
    /// <summary>
    /// Adds the arguments that a section of the configuration describes, in transformers' spelling (<c>per_device_train_batch_size</c>) or that of C# (<c>PerDeviceTrainBatchSize</c>). They are
    /// checked when the application starts, or when they are first asked for; an error names the argument. They do not change once they are made: <c>Configure</c> has nothing to set.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="section">The section, such as <c>configuration.GetSection("Training")</c>.</param>
    /// <param name="name">A name where an application has several, for <see cref="IOptionsMonitor{TOptions}.Get"/>.</param>
    public static IServiceCollection AddTrainingArguments(this IServiceCollection services, IConfiguration section, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(section);
        name ??= Options.Options.DefaultName;
        services.AddSingleton(new TrainingArgumentsFactory.Section(name, section));
        services.AddSingleton<IOptionsChangeTokenSource<TrainingArguments>>(new ConfigurationChangeTokenSource<TrainingArguments>(name, section));
        services.TryAddTransient<IOptionsFactory<TrainingArguments>, TrainingArgumentsFactory>();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<TrainingArguments>, TrainingArgumentsValidator>());
        services.AddOptions<TrainingArguments>(name).ValidateOnStart();
        return services;
    }
}
