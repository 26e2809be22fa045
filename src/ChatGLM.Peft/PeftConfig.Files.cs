using System.Text;
using ChatGLM.Peft.Config;
using ChatGLM.Peft.Files;
using ChatGLM.Peft.Tuners;

namespace ChatGLM.Peft;

/// <content>Reading and writing adapter_config.json.</content>
public abstract partial record PeftConfig
{
    /// <summary>The name of the file in an adapter's folder.</summary>
    public const string FileName = "adapter_config.json";

    private static readonly (TaskType Type, string Name)[] TaskTypes =
    [
        (Peft.TaskType.CausalLM, "CAUSAL_LM"), (Peft.TaskType.Seq2SeqLM, "SEQ_2_SEQ_LM"), (Peft.TaskType.SequenceClassification, "SEQ_CLS"),
        (Peft.TaskType.TokenClassification, "TOKEN_CLS"), (Peft.TaskType.QuestionAnswering, "QUESTION_ANS"), (Peft.TaskType.FeatureExtraction, "FEATURE_EXTRACTION"),
    ];

    /// <summary>Reads the configuration of an adapter.</summary>
    /// <param name="folder">The adapter's folder.</param>
    /// <exception cref="AdapterConfigException">The file is missing, damaged, or of a kind of adapter that is not known here.</exception>
    public static PeftConfig FromPretrained(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            throw new AdapterConfigException(path, null, Directory.Exists(folder) ? "the file does not exist; an adapter's folder has one beside its weights." : "there is no such folder.");
        // One byte more than is allowed is enough to know that there is too much, whatever the file system says of the length.
        using var file = File.OpenRead(path);
        var bytes = new byte[ConfigFields.MaxBytes + 1];
        var count = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        return FromJson(bytes.AsMemory(0, count), path);
    }

    /// <summary>Reads a configuration.</summary>
    /// <param name="utf8">The text of an adapter_config.json.</param>
    /// <param name="source">What to call it in messages.</param>
    public static PeftConfig FromJson(ReadOnlyMemory<byte> utf8, string source = FileName)
    {
        var fields = ConfigFields.Parse(source, utf8);
        var config = PeftMethod.Named(fields.String("peft_type"), source).Read(fields);
        config = config with
        {
            Origin = source,
            Original = [.. fields.All],
            TaskType = ReadTaskType(fields),
            InferenceMode = fields.Bool("inference_mode", false),
            BaseModelNameOrPath = fields.String("base_model_name_or_path"),
            Revision = fields.String("revision"),
            TargetModules = fields.Targets("target_modules"),
            ModulesToSave = fields.Strings("modules_to_save"),
        };
        config.Validate();
        return config;
    }

    /// <summary>The text of adapter_config.json, as peft writes it. Fields that were read and are not known here are kept.</summary>
    public string ToJson()
    {
        var wasRead = Original.Count > 0;
        var read = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in Original)
            read[name] = PythonJson.Render(value);
        var fields = new Dictionary<string, string>(read, StringComparer.Ordinal);
        foreach (var field in CommonFields().Concat(HasModules ? ModuleFields() : []).Concat(Fields()))
        {
            if (field.When == Written.Always || !wasRead || (field.When == Written.UnlessAbsent && read.ContainsKey(field.Name)))
                fields[field.Name] = field.Json;
        }

        return PythonJson.Object(fields, 0);
    }

    /// <summary>Writes adapter_config.json into a folder. After a crash there is the old file or the new one.</summary>
    /// <param name="folder">The adapter's folder; it is created if need be.</param>
    public void SavePretrained(string folder)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Directory.CreateDirectory(folder);
        AtomicText.Write(Path.Combine(folder, FileName), Encoding.UTF8.GetBytes(ToJson()));
    }

    private IEnumerable<ConfigField> CommonFields() =>
    [
        new("auto_mapping", "null", Written.WhenNew),
        new("base_model_name_or_path", PythonJson.String(BaseModelNameOrPath)),
        new("inference_mode", PythonJson.Bool(InferenceMode)),
        new("revision", PythonJson.String(Revision)),
        new("task_type", TaskType is { } task ? PythonJson.String(TaskTypes.First(t => t.Type == task).Name) : "null"),
    ];

    private IEnumerable<ConfigField> ModuleFields() =>
    [
        new("modules_to_save", ModulesToSave is null ? "null" : PythonJson.List(ModulesToSave.Select(PythonJson.String))),
        new("target_modules", PythonJson.Targets(TargetModules)),
    ];

    private static TaskType? ReadTaskType(ConfigFields fields)
    {
        if (fields.String("task_type") is not { } name)
            return null;
        foreach (var (type, known) in TaskTypes)
        {
            if (known == name)
                return type;
        }

        throw new AdapterConfigException(fields.Source, "task_type", $"is {PeftException.Bound(name)}; expected one of {string.Join(", ", TaskTypes.Select(t => t.Name))}.");
    }
}
