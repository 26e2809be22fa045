using System.Reflection;
using System.Text.Json;

namespace ChatGLM.Tensors.Tests.Optim;

/// <summary>What PyTorch did with the same small model (see make_training.py).</summary>
internal sealed class RecordedTraining : IDisposable
{
    private readonly JsonDocument _file;

    public RecordedTraining()
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream("training.json")
            ?? throw new InvalidOperationException("training.json is not embedded in the test assembly.");
        _file = JsonDocument.Parse(stream);
    }

    public double[] Losses => Doubles("losses");

    public double[] Norms => Doubles("norms");

    public JsonElement Sgd(string name) => _file.RootElement.GetProperty("sgd").GetProperty(name);

    public Tensor Ids(Backend backend) =>
        Tensor.From(_file.RootElement.GetProperty("ids").EnumerateArray().SelectMany(row => row.EnumerateArray()).Select(id => id.GetInt64()).ToArray(), [2, 5], backend);

    public Tensor Labels(Backend backend) => Tensor.From(_file.RootElement.GetProperty("labels").EnumerateArray().Select(id => id.GetInt64()).ToArray(), [10], backend);

    /// <summary>The tensors under <c>start</c>, <c>gradients</c> or <c>end</c>.</summary>
    public Dictionary<string, Tensor> Tensors(string part, Backend backend) =>
        _file.RootElement.GetProperty(part).EnumerateObject().ToDictionary(entry => entry.Name, entry => ToTensor(entry.Value, backend));

    public static Tensor ToTensor(JsonElement element, Backend backend) => Tensor.From(
        element.GetProperty("data").EnumerateArray().Select(value => value.GetSingle()).ToArray(),
        new Shape(element.GetProperty("shape").EnumerateArray().Select(length => length.GetInt32()).ToArray()),
        backend);

    public void Dispose() => _file.Dispose();

    private double[] Doubles(string name) => _file.RootElement.GetProperty(name).EnumerateArray().Select(value => value.GetDouble()).ToArray();
}
