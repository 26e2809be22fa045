using System.Reflection;
using System.Text.Json;

namespace ChatGLM.Tensors.Tests.Data;

/// <summary>One case of recorded.json: what PyTorch computed (see make_recorded.py). Gradients of an input are under <c>d_</c> and its name.</summary>
internal sealed class RecordedCase
{
    private static readonly Lazy<JsonDocument> File = new(Open);

    private readonly JsonElement _case;
    private readonly Backend _backend;

    private RecordedCase(JsonElement recorded, Backend backend)
    {
        _case = recorded;
        _backend = backend;
    }

    public static RecordedCase Get(string name, Backend? backend = null) => new(File.Value.RootElement.GetProperty(name), backend ?? Backend.Default);

    /// <summary>An option; null where Python's was minus infinity.</summary>
    public double? NumberOrNull(string name) =>
        _case.GetProperty("numbers").GetProperty(name) is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : null;

    public double Number(string name) => NumberOrNull(name)!.Value;

    public bool Has(string name) => _case.GetProperty("tensors").TryGetProperty(name, out _);

    public Tensor Tensor(string name)
    {
        var tensor = _case.GetProperty("tensors").GetProperty(name);
        var shape = new Shape(tensor.GetProperty("shape").EnumerateArray().Select(length => length.GetInt32()).ToArray());
        var data = tensor.GetProperty("data").EnumerateArray();
        return tensor.GetProperty("dtype").GetString() switch
        {
            "int64" => Tensors.Tensor.From(data.Select(value => value.GetInt64()).ToArray(), shape, _backend),
            "bool" => Tensors.Tensor.From(data.Select(value => value.GetInt32() != 0).ToArray(), shape, _backend),
            _ => Tensors.Tensor.From(data.Select(value => value.GetSingle()).ToArray(), shape, _backend),
        };
    }

    private static JsonDocument Open()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("recorded.json")
            ?? throw new InvalidOperationException("recorded.json is not embedded in the test assembly.");
        return JsonDocument.Parse(stream);
    }
}
