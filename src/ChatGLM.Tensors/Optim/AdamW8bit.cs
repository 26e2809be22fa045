using System.Buffers;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

/// <summary>
/// AdamW whose moments are kept in eight bits each (Dettmers et al. 2022; <c>bitsandbytes.optim.AdamW8bit</c> of version 0.41): blocks of 2048 numbers, each with its greatest magnitude and a byte
/// a number that stands for a value of <see cref="DynamicMap"/>. A quarter of the memory of AdamW's moments; the step itself is computed in float32. Parameters of fewer than 4096 numbers keep
/// float32 moments, as there.
/// </summary>
public sealed class AdamW8bit : Optimizer
{
    /// <summary>The numbers that share a scale.</summary>
    public const int BlockSize = 2048;

    /// <summary>Parameters of fewer numbers are not worth quantizing.</summary>
    public const int LeastQuantized = 4096;

    private const int First = 0;
    private const int Second = 1;
    private const int FirstScale = 2;
    private const int SecondScale = 3;
    private static readonly string[] Names = ["state1", "state2", "absmax1", "absmax2"];

    private readonly AdamWOptions _options;

    /// <summary>Trains parameters as one group.</summary>
    /// <param name="parameters">The parameters.</param>
    /// <param name="options">The numbers; those of <see cref="AdamWOptions"/> if null. It has no AMSGrad.</param>
    public AdamW8bit(IEnumerable<Tensor> parameters, AdamWOptions? options = null)
        : this([new ParameterGroup(parameters, (options ??= new()).LearningRate, options.WeightDecay)], options)
    {
    }

    /// <summary>Trains groups of parameters, each with its own learning rate and weight decay; those of the options are not used.</summary>
    /// <param name="groups">The groups.</param>
    /// <param name="options">The other numbers; those of <see cref="AdamWOptions"/> if null. It has no AMSGrad.</param>
    public AdamW8bit(IEnumerable<ParameterGroup> groups, AdamWOptions? options = null)
        : base(groups)
    {
        _options = options ?? new();
        if (_options is not { Beta1: >= 0 and < 1, Beta2: >= 0 and < 1, Epsilon: >= 0, AmsGrad: false })
            throw new ArgumentOutOfRangeException(nameof(options), options, "Both betas are at least 0 and less than 1, epsilon is not negative, and there is no AMSGrad.");
    }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, object?> Defaults => new Dictionary<string, object?>
    {
        ["betas"] = new object?[] { _options.Beta1, _options.Beta2 },
        ["eps"] = _options.Epsilon,
    };

    private protected override ReadOnlySpan<string> StateNames => Names;

    private protected override bool IsOptional(int index, int slot) => slot is FirstScale or SecondScale && !IsQuantized(index);

    private protected override Shape StateShape(int index, int slot) =>
        slot is FirstScale or SecondScale ? new Shape(checked((int)((ParameterShape(index).ElementCount + BlockSize - 1) / BlockSize))) : ParameterShape(index);

    private protected override DType StateDType(int index, int slot) => slot is First or Second && IsQuantized(index) ? DType.UInt8 : DType.Float32;

    private protected override void Step(ParameterGroup group, int index, Tensor parameter, Tensor gradient, long step, float gradientScale)
    {
        // bitsandbytes multiplies epsilon by the correction instead of dividing the root by it, which is the same; it decays the parameter after the step.
        var correction = Math.Sqrt(1 - Math.Pow(_options.Beta2, step));
        var numbers = new AdamChunk(
            (float)_options.Beta1,
            (float)_options.Beta2,
            (float)(1 - _options.Beta1),
            (float)(1 - _options.Beta2),
            (float)(correction * _options.Epsilon),
            (float)(group.LearningRate * correction / (1 - Math.Pow(_options.Beta1, step))),
            RootScale: 1,
            DecayBefore: 1,
            DecayAfter: (float)(1 - (group.LearningRate * group.WeightDecay)),
            GradientDecay: 0);
        if (!IsQuantized(index))
            ChunkedStep.Run(numbers, parameter, gradient, gradientScale, StateOrZeros(index, First), StateOrZeros(index, Second));
        else
            RunQuantized(numbers, index, parameter, gradient, gradientScale);
    }

    private bool IsQuantized(int index) => ParameterShape(index).ElementCount >= LeastQuantized;

    private void RunQuantized(in AdamChunk numbers, int index, Tensor parameter, Tensor gradient, float gradientScale)
    {
        parameter.MakeWritable();
        var (first, second) = (StateOrZeros(index, First), StateOrZeros(index, Second));
        var (firstScale, secondScale) = (StateOrZeros(index, FirstScale), StateOrZeros(index, SecondScale));
        var floats = ArrayPool<float>.Shared.Rent(4 * BlockSize);
        var bytes = ArrayPool<byte>.Shared.Rent(BlockSize * (sizeof(double) + 2));
        try
        {
            Span<float> scales = stackalloc float[2];
            for (long at = 0; at < parameter.ElementCount; at += BlockSize)
            {
                var count = (int)Math.Min(BlockSize, parameter.ElementCount - at);
                var values = floats.AsSpan(0, count);
                var slopes = floats.AsSpan(BlockSize, count);
                var one = floats.AsSpan(2 * BlockSize, count);
                var two = floats.AsSpan(3 * BlockSize, count);
                var codes = bytes.AsSpan(BlockSize * sizeof(double), 2 * BlockSize);
                var codesOne = codes[..count];
                var codesTwo = codes.Slice(BlockSize, count);
                ChunkedStep.ReadFloats(parameter, at, values, bytes);
                ChunkedStep.ReadFloats(gradient, at, slopes, bytes);
                System.Numerics.Tensors.TensorPrimitives.Multiply(slopes, gradientScale, slopes);
                first.Read(at, codesOne);
                second.Read(at, codesTwo);
                var block = at / BlockSize * sizeof(float);
                firstScale.Read(block, MemoryMarshal.AsBytes(scales[..1]));
                secondScale.Read(block, MemoryMarshal.AsBytes(scales[1..]));
                Unpack(codesOne, scales[0], DynamicMap.Signed, one);
                Unpack(codesTwo, scales[1], DynamicMap.Unsigned, two);

                numbers.Apply(values, slopes, one, two, third: default);

                ChunkedStep.WriteFloats(parameter, at, values, bytes);
                scales[0] = PackSigned(one, codesOne);
                scales[1] = PackUnsigned(two, codesTwo);
                first.Backend.Write(first, at, codesOne);
                second.Backend.Write(second, at, codesTwo);
                firstScale.Backend.Write(firstScale, block, MemoryMarshal.AsBytes(scales[..1]));
                secondScale.Backend.Write(secondScale, block, MemoryMarshal.AsBytes(scales[1..]));
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(floats);
            ArrayPool<byte>.Shared.Return(bytes);
        }
    }

    private static void Unpack(ReadOnlySpan<byte> codes, float scale, ReadOnlySpan<float> map, Span<float> values)
    {
        for (var i = 0; i < codes.Length; i++)
            values[i] = map[codes[i]] * scale;
    }

    /// <summary>Packs first moments; returns the scale of the block.</summary>
    private static float PackSigned(ReadOnlySpan<float> values, Span<byte> codes)
    {
        var scale = MathF.Abs(System.Numerics.Tensors.TensorPrimitives.MaxMagnitude(values));
        if (scale == 0)
        {
            codes.Fill(DynamicMap.QuantizeSigned(0));
            return 0;
        }

        for (var i = 0; i < values.Length; i++)
        {
            var code = DynamicMap.QuantizeSigned(values[i] / scale);
            // A small negative number would become zero: it keeps its sign. (Zero counts as positive in the map, so a small positive number may become zero.)
            if (values[i] < 0 && DynamicMap.Signed[code] >= 0)
                code--;
            codes[i] = code;
        }

        return scale;
    }

    /// <summary>Packs second moments, which are not negative; returns the scale of the block.</summary>
    private static float PackUnsigned(ReadOnlySpan<float> values, Span<byte> codes)
    {
        var scale = System.Numerics.Tensors.TensorPrimitives.Max(values);
        if (scale == 0)
        {
            codes.Clear();
            return 0;
        }

        for (var i = 0; i < values.Length; i++)
            codes[i] = DynamicMap.QuantizeUnsigned(values[i] / scale);
        return scale;
    }
}
