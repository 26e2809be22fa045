using System.Buffers;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

/// <summary>
/// Runs an elementwise optimizer step over a parameter of any element type on any backend, some thousand numbers at a time: one pass over memory, and no
/// temporary as large as the parameter.
/// </summary>
internal static class ChunkedStep
{
    private const int ChunkElements = 8192;

    /// <summary>Changes a parameter and its state in place.</summary>
    public static void Run<TStep>(in TStep step, Tensor parameter, Tensor gradient, float gradientScale, Tensor? first, Tensor? second = null, Tensor? third = null)
        where TStep : struct, IChunkStep
    {
        parameter.MakeWritable();
        var length = (int)Math.Min(ChunkElements, parameter.ElementCount);
        var pool = ArrayPool<float>.Shared.Rent(5 * length);
        var narrow = ArrayPool<byte>.Shared.Rent(length * sizeof(double));
        try
        {
            for (long at = 0; at < parameter.ElementCount; at += length)
            {
                var count = (int)Math.Min(length, parameter.ElementCount - at);
                var values = Buffer(0, count);
                var slopes = Buffer(1, count);
                ReadFloats(parameter, at, values, narrow);
                ReadFloats(gradient, at, slopes, narrow);
                if (gradientScale != 1)
                    TensorPrimitives.Multiply(slopes, gradientScale, slopes);
                var one = State(first, 2, at, count);
                var two = State(second, 3, at, count);
                var three = State(third, 4, at, count);
                step.Apply(values, slopes, one, two, three);
                WriteFloats(parameter, at, values, narrow);
                Store(first, at, one);
                Store(second, at, two);
                Store(third, at, three);
            }
        }
        finally
        {
            ArrayPool<float>.Shared.Return(pool);
            ArrayPool<byte>.Shared.Return(narrow);
        }

        Span<float> Buffer(int slot, int count) => pool.AsSpan(slot * length, count);

        Span<float> State(Tensor? state, int slot, long at, int count)
        {
            if (state is null)
                return default;
            var values = Buffer(slot, count);
            state.Read(at * sizeof(float), MemoryMarshal.AsBytes(values));
            return values;
        }
    }

    /// <summary>Reads a run of numbers of any floating-point type.</summary>
    public static void ReadFloats(Tensor source, long start, Span<float> target, byte[] scratch)
    {
        var size = source.DType.SizeInBytes();
        if (source.DType == DType.Float32)
        {
            source.Read(start * size, MemoryMarshal.AsBytes(target));
            return;
        }

        var bytes = scratch.AsSpan(0, target.Length * size);
        source.Read(start * size, bytes);
        switch (source.DType)
        {
            case DType.Float16:
                TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(bytes), target);
                break;
            case DType.BFloat16:
                var narrow = MemoryMarshal.Cast<byte, BFloat16>(bytes);
                for (var i = 0; i < target.Length; i++)
                    target[i] = (float)narrow[i];
                break;
            default:
                TensorPrimitives.ConvertTruncating<double, float>(MemoryMarshal.Cast<byte, double>(bytes), target);
                break;
        }
    }

    /// <summary>Writes a run of numbers in the tensor's own type.</summary>
    public static void WriteFloats(Tensor target, long start, Span<float> source, byte[] scratch)
    {
        var size = target.DType.SizeInBytes();
        if (target.DType == DType.Float32)
        {
            target.Backend.Write(target, start * size, MemoryMarshal.AsBytes(source));
            return;
        }

        var bytes = scratch.AsSpan(0, source.Length * size);
        switch (target.DType)
        {
            case DType.Float16:
                TensorPrimitives.ConvertToHalf(source, MemoryMarshal.Cast<byte, Half>(bytes));
                break;
            case DType.BFloat16:
                var narrow = MemoryMarshal.Cast<byte, BFloat16>(bytes);
                for (var i = 0; i < source.Length; i++)
                    narrow[i] = (BFloat16)source[i];
                break;
            default:
                TensorPrimitives.ConvertTruncating<float, double>(source, MemoryMarshal.Cast<byte, double>(bytes));
                break;
        }

        target.Backend.Write(target, start * size, bytes);
    }

    private static void Store(Tensor? state, long start, Span<float> values) => state?.Backend.Write(state, start * sizeof(float), MemoryMarshal.AsBytes(values));
}
