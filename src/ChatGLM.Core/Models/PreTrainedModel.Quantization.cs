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
        if (Config.QuantizationConfig is not null || (Config.QuantizationBit != 0 && Config.QuantizationBit != bits))
            throw AlreadyQuantized($"{bits} bits");
        QuantizeLayers(new RowQuantizer(Config, bits), config => config with { QuantizationBit = bits }, cancellationToken);
    }

    /// <summary>
    /// Quantizes the linear layers of the transformer, and the output layer if asked, in place and group by group: smaller errors than the published form at the same bits, and the fastest kernels. A layer at a time: the
    /// dense weight is given back before the next one is read. The quantized weights are frozen; everything else stays as it is. A model that has this format already is left alone.
    /// </summary>
    /// <param name="quantization">Bits, group size and so on; <c>new()</c> for the defaults.</param>
    /// <param name="cancellationToken">Stops between two layers; what is quantized by then stays so, and a further call goes on.</param>
    /// <exception cref="ArgumentException">The values do not fit each other.</exception>
    /// <exception cref="QuantizationException">The model is quantized in another way, carries adapters, or has a weight that cannot be quantized. Nothing was changed, unless a
    /// weight holds NaN or infinity: then the layers before it are quantized.</exception>
    public void Quantize(QuantizationConfig quantization, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(quantization);
        if (quantization.Problem is { } problem)
            throw new ArgumentException($"{problem.Field} {problem.Problem}", nameof(quantization));
        if (Config.QuantizationBit != 0 || (Config.QuantizationConfig is not null && Config.QuantizationConfig != quantization))
            throw AlreadyQuantized(quantization.ToString());
        QuantizeLayers(new GroupQuantizer(quantization), config => config with { QuantizationConfig = quantization }, cancellationToken);
    }

    private QuantizationException AlreadyQuantized(string wanted) => new(GetType().Name,
        $"it has {(Config.QuantizationBit != 0 ? $"{Config.QuantizationBit} bits per weight" : Config.QuantizationConfig)} and cannot be given {wanted}: load the snapshot without quantization, and quantize that.");

    private void QuantizeLayers(IWeightQuantizer quantizer, Func<ChatGLMConfig, ChatGLMConfig> note, CancellationToken cancellationToken)
    {
        // The gate stays closed: no pass may read a weight that is being given back.
        lock (_passGate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_passes > 0)
                throw new QuantizationException(GetType().Name, "it is computing on another thread. Quantize it before it is used, or when it is done.");
            QuantizeLayers(quantizer, cancellationToken);
            Config = note(Config);
        }
    }

    private void QuantizeLayers(IWeightQuantizer quantizer, CancellationToken cancellationToken)
    {
        var layers = Quantizable(quantizer);
        using var unscoped = TensorScope.Suspend();
        foreach (var (path, layer, dense) in layers)
        {
            cancellationToken.ThrowIfCancellationRequested();
            layer.SetWeight(quantizer.Quantize(path, dense.Tensor));
            dense.Tensor.ReleasePages();
            if (NamedParameters().Any(p => ReferenceEquals(p.Parameter, dense.Tensor)))
                continue; // the table of a tied head goes on serving the embedding
            dense.Tensor.ZeroGrad();
            dense.Tensor.Dispose();
        }
    }

    /// <summary>The layers to quantize, all of them checked before the first is changed.</summary>
    private List<(string Path, Linear Layer, DenseWeight Dense)> Quantizable(IWeightQuantizer quantizer)
    {
        var layers = new List<(string Path, Linear Layer, DenseWeight Dense)>();
        foreach (var (path, module) in NamedModules())
        {
            if (!quantizer.Covers(path) || module is not Linear layer)
                continue;
            if (layer.GetType() != typeof(Linear))
                throw new QuantizationException(path, $"the layer is wrapped by an adapter ({layer.GetType().Name}). Quantize the model first, then add the adapter.");
            if (layer.Weight is BlockQuantizedWeight blocks)
                throw new QuantizationException(path, $"the layer has the format {blocks.Format} of a GGUF file already. Load the file with ModelOptions.Quantization or QuantizationBit to have it in another one.");
            if (layer.Weight is not DenseWeight dense)
                continue;
            quantizer.RequireQuantizable(path, layer.InFeatures);
            layers.Add((path, layer, dense));
        }

        return layers;
    }
}
