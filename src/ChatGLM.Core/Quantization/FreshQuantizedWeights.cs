using ChatGLM.Tensors;

namespace ChatGLM.Quantization;

/// <summary>Fresh random parameters, of which those that a quantizer covers are quantized as they are made: no more than one of them is ever held dense.</summary>
internal sealed class FreshQuantizedWeights(IWeightSource fresh, IWeightQuantizer quantizer) : IWeightSource
{
    private const string Suffix = ".weight";

    public Backend Backend => fresh.Backend;

    public Tensor Get(string name, in Shape shape, Initializer initialize) => fresh.Get(name, shape, initialize);

    public LinearWeight GetLinear(string name, int outFeatures, int inFeatures, Initializer initialize)
    {
        var weight = fresh.GetLinear(name, outFeatures, inFeatures, initialize);
        var path = PathOf(name);
        if (weight is not DenseWeight dense || !quantizer.Covers(path))
            return weight;
        using var matrix = dense.Tensor;
        return quantizer.Quantize(path, matrix);
    }

    public LinearWeight GetTiedLinear(string name, LinearWeight table) =>
        quantizer is GroupQuantizer groups && table is DenseWeight dense && groups.Covers(PathOf(name)) ? groups.Quantize(PathOf(name), dense.Tensor) : table;

    public bool Contains(string name) => fresh.Contains(name);

    private static string PathOf(string name) => name.EndsWith(Suffix, StringComparison.Ordinal) ? name[..^Suffix.Length] : name;
}
