using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

public abstract partial class PreTrainedModel
{
    /// <summary>
    /// Quantizes the linear layers of the transformer in place, as the published quantized snapshots are: 8 or 4 bits per weight with a scale for each row. A layer at a time: the dense
    /// weight is given back before the next one is read. The quantized weights are frozen; everything else stays as it is. A model that has these bits already is left alone.
    /// </summary>
    /// <param name="bits">8 or 4.</param>
    /// <param name="cancellationToken">Stops between two layers; what is quantized by then stays so, and a further call goes on.</param>
    /// <exception cref="QuantizationException">The model is quantized to other bits, carries adapters, or has a weight that cannot be quantized. Nothing was changed, unless a
    /// weight holds NaN or infinity: then the layers before it are quantized.</exception>
    public void Quantize(int bits, CancellationToken cancellationToken = default)
    {
        if (bits is not (8 or 4))
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "ChatGLM models are quantized to 8 or 4 bits.");
        if (Config.QuantizationBit != 0 && Config.QuantizationBit != bits)
            throw new QuantizationException(GetType().Name, $"it has {Config.QuantizationBit} bits per weight and cannot be given {bits}: load the snapshot without quantization, and quantize that.");
        // The gate stays closed: no pass may read a weight that is being given back.
        lock (_passGate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_passes > 0)
                throw new QuantizationException(GetType().Name, "it is computing on another thread. Quantize it before it is used, or when it is done.");
            QuantizeLayers(new RowQuantizer(Config, bits), cancellationToken);
            Config = Config with { QuantizationBit = bits };
        }
    }

    private void QuantizeLayers(RowQuantizer quantizer, CancellationToken cancellationToken)
    {
        var layers = Quantizable(quantizer);
        using var unscoped = TensorScope.Suspend();
        foreach (var (path, layer, dense) in layers)
        {
            cancellationToken.ThrowIfCancellationRequested();
            layer.SetWeight(quantizer.Quantize(path, dense.Tensor));
            dense.Tensor.ZeroGrad();
            dense.Tensor.Dispose();
        }
    }

    /// <summary>The layers to quantize, all of them checked before the first is changed.</summary>
    private List<(string Path, Linear Layer, DenseWeight Dense)> Quantizable(RowQuantizer quantizer)
    {
        var layers = new List<(string Path, Linear Layer, DenseWeight Dense)>();
        foreach (var (path, module) in NamedModules())
        {
            if (!quantizer.Covers(path) || module is not Linear layer)
                continue;
            if (layer.GetType() != typeof(Linear))
                throw new QuantizationException(path, $"the layer is wrapped by an adapter ({layer.GetType().Name}). Quantize the model first, then add the adapter.");
            if (layer.Weight is not DenseWeight dense)
                continue;
            quantizer.RequireQuantizable(path, layer.InFeatures);
            layers.Add((path, layer, dense));
        }

        return layers;
    }
}
