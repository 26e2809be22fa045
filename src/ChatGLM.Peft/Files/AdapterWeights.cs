using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Files;

/// <summary>The weights of an adapter by their keys in a file, and how they find their places.</summary>
internal sealed class AdapterWeights
{
    /// <summary>The weight files of an adapter's folder in peft's order of preference.</summary>
    public static readonly string[] FileNames = ["adapter_model.safetensors", "adapter_model.bin"];

    private readonly string _source;
    private readonly string? _base;
    private readonly Dictionary<string, Tensor> _tensors = new(StringComparer.Ordinal);

    /// <param name="source">What to call them in messages.</param>
    /// <param name="baseModel">The base model that the adapter says it is for.</param>
    /// <param name="tensors">The weights.</param>
    public AdapterWeights(string source, string? baseModel, IEnumerable<KeyValuePair<string, Tensor>> tensors)
    {
        _source = source;
        _base = baseModel;
        foreach (var (key, tensor) in tensors)
        {
            if (!_tensors.TryAdd(Normalize(key), tensor))
                throw new AdapterWeightsException(source, $"two tensors are called '{PeftException.Bound(Normalize(key))}', in the forms of different versions of peft.");
        }
    }

    /// <summary>Opens the weights in an adapter's folder. The files are mapped: nothing is read before its place is known.</summary>
    /// <exception cref="CheckpointException">The file is missing or damaged.</exception>
    public static AdapterWeights Open(string folder, string? baseModel)
    {
        using var checkpoint = Checkpoint.OpenFirst(folder, FileNames);
        var tensors = checkpoint.Entries.Keys.Select(key => KeyValuePair.Create(key, checkpoint.Read(key))).ToList();
        return new AdapterWeights(checkpoint.Path, baseModel, tensors);
    }

    /// <summary>Finds the place of every tensor, without changing anything.</summary>
    /// <param name="places">The adapter's parameters by key; each must be there.</param>
    /// <param name="biases">Biases of the base. They may be missing: peft 0.6 and later lose them when bias is lora_only.</param>
    /// <exception cref="AdapterWeightsException">A key is missing, has no place, or its tensor has another shape.</exception>
    public WriteList Match(IEnumerable<(string Key, Tensor Tensor)> places, IEnumerable<(string Key, Tensor Tensor)> biases)
    {
        var required = places.ToList();
        var all = required.Concat(biases).DistinctBy(p => p.Key).ToDictionary(p => p.Key, p => p.Tensor, StringComparer.Ordinal);
        var missing = required.Where(p => !_tensors.ContainsKey(p.Key)).Select(p => p.Key).ToList();
        var unexpected = _tensors.Keys.Where(key => !all.ContainsKey(key)).ToList();
        var misshaped = _tensors.Where(t => all.TryGetValue(t.Key, out var place) && place.Shape != t.Value.Shape)
            .Select(t => $"{t.Key}: expected {all[t.Key].Shape}, found {t.Value.Shape}").ToList();
        if (missing.Count + unexpected.Count + misshaped.Count > 0)
            throw new AdapterWeightsException(_source, missing, unexpected, misshaped, Advice(missing, misshaped));
        if (_tensors.FirstOrDefault(t => !t.Value.DType.IsFloatingPoint()) is { Key: { } key, Value: var wrong })
            throw new AdapterWeightsException(_source, $"'{PeftException.Bound(key)}' holds {wrong.DType}, expected floating-point numbers. The model was left as it was.");
        return new WriteList(_tensors.Select(t => (all[t.Key], t.Value)).ToList());
    }

    /// <summary>Refuses a file that lacks a tensor or has it in another shape, before memory is made for it: a configuration may ask for more than there is.</summary>
    /// <exception cref="AdapterWeightsException">The tensor is missing, or has another shape.</exception>
    public void Require(string key, in Shape shape)
    {
        if (!_tensors.TryGetValue(key, out var tensor))
            throw new AdapterWeightsException(_source, [key], [.. _tensors.Keys], [], Advice([key], []));
        if (tensor.Shape == shape)
            return;
        List<string> misshaped = [$"{key}: expected {shape}, found {tensor.Shape}"];
        throw new AdapterWeightsException(_source, [], [], misshaped, Advice([], misshaped));
    }

    /// <summary>Later versions of peft put <c>base_layer</c> and <c>weight</c> into names that earlier ones had without.</summary>
    private static string Normalize(string key)
    {
        const string Magnitude = "lora_magnitude_vector.weight";
        key = key.Replace(".base_layer.", ".", StringComparison.Ordinal);
        return key.EndsWith(Magnitude, StringComparison.Ordinal) ? key[..^".weight".Length] : key;
    }

    private string Advice(List<string> missing, List<string> misshaped)
    {
        if (!_tensors.ContainsKey("prompt_embeddings") && !_tensors.Keys.Any(key => key.StartsWith("base_model.model.", StringComparison.Ordinal)))
            return "No key begins with 'base_model.model.', and none is 'prompt_embeddings': this is not an adapter that peft has saved.";
        var made = string.IsNullOrEmpty(_base) ? "" : $" (it names '{PeftException.Bound(_base)}')";
        return misshaped.Count > 0 && missing.Count == 0
            ? $"Either the sizes in adapter_config.json (r, num_virtual_tokens and the like) are not those of the weights, or the adapter is for another base model{made}."
            : $"The adapter is for another base model{made}, or adapter_config.json does not belong to these weights.";
    }

    /// <summary>Tensors and where their numbers go.</summary>
    internal sealed class WriteList(List<(Tensor Place, Tensor Value)> writes)
    {
        public void Apply()
        {
            using var noGrad = GradMode.NoGrad();
            using var scope = new TensorScope();
            foreach (var (place, value) in writes)
            {
                var backend = place.Backend;
                backend.WriteSlice(place, value.DType == place.DType ? value : backend.Cast(value, place.DType), 0, 0);
            }
        }
    }
}
