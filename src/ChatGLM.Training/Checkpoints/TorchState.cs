using System.Numerics;
using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>A dict out of a file of <c>torch.save</c>, with errors that name the file and the key.</summary>
internal sealed class TorchState
{
    private readonly string _path;
    private readonly string _place;
    private readonly IReadOnlyDictionary<object, object?> _values;

    private TorchState(string path, string place, IReadOnlyDictionary<object, object?> values) => (_path, _place, _values) = (path, place, values);

    public IEnumerable<object> Keys => _values.Keys;

    /// <summary>Reads a file; tensors go into the present <see cref="TensorScope"/>'s memory.</summary>
    public static TorchState Load(string path, Backend? backend = null) => TorchArchive.Load(path, backend) is Dictionary<object, object?> values
        ? new TorchState(path, "", values)
        : throw new TrainingCheckpointException(path, "expected a dict, as transformers saves it.");

    public bool Has(object key) => _values.ContainsKey(key);

    public object? Value(object key) => _values.TryGetValue(key, out var value) ? value : throw new TrainingCheckpointException(_path, $"{_place}{key} is missing.");

    public TorchState Dict(object key) => Value(key) is Dictionary<object, object?> values ? new TorchState(_path, $"{_place}{key}.", values) : throw Wrong(key, "a dict");

    public IReadOnlyList<TorchState> Dicts(object key) =>
        [.. List(key).Select((item, i) => item is Dictionary<object, object?> values ? new TorchState(_path, $"{_place}{key}.{i}.", values) : throw Wrong(key, "a list of dicts"))];

    public IReadOnlyList<object?> List(object key) => Value(key) as IReadOnlyList<object?> ?? throw Wrong(key, "a list");

    public IReadOnlyList<double> Numbers(object key) => [.. List(key).Select(item => NumberOf(item) ?? throw Wrong(key, "a list of numbers"))];

    public IReadOnlyList<long> Integers(object key) => [.. List(key).Select(item => item as long? ?? throw Wrong(key, "a list of whole numbers"))];

    public double Number(object key) => NumberOf(Value(key)) ?? throw Wrong(key, "a number");

    public long Integer(object key) => Number(key) is var number && number == Math.Floor(number) && Math.Abs(number) < 1L << 53 ? (long)number : throw Wrong(key, "a whole number");

    public int Count(object key) => Integer(key) is var number and >= 0 and <= int.MaxValue ? (int)number : throw Wrong(key, "a whole number from 0");

    public Tensor Tensor(object key) => Value(key) as Tensor ?? throw Wrong(key, "a tensor");

    public byte[] Bytes(object key) => Tensor(key) is { DType: DType.UInt8 } tensor ? tensor.ToArray<byte>() : throw Wrong(key, "a tensor of bytes");

    public TrainingCheckpointException Wrong(object key, string expected) => new(_path, $"{_place}{key}: expected {expected}, found {Describe(Value(key))}.");

    /// <summary>A number, or a tensor of one, as newer versions of PyTorch keep steps.</summary>
    private static double? NumberOf(object? value) => value switch
    {
        double number => number,
        long number => number,
        BigInteger number => (double)number,
        Tensor { ElementCount: 1 } tensor => tensor.Backend.Cast(tensor, DType.Float64).ToArray<double>()[0],
        _ => null,
    };

    private static string Describe(object? value) => value switch
    {
        null => "None",
        Tensor tensor => $"a {tensor.DType} tensor {tensor.Shape}",
        string text => $"'{(text.Length > 40 ? text[..40] : text)}'",
        long or double or bool => $"{value}",
        _ => value.GetType().Name,
    };
}
