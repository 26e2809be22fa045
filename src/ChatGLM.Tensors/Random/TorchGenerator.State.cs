using System.Buffers.Binary;

namespace ChatGLM.Tensors;

/// <content>Saving and restoring: the byte layout of <c>torch.get_rng_state()</c>, little-endian, alignment gaps zero.</content>
public sealed partial class TorchGenerator
{
    /// <summary>The size of a saved state in bytes.</summary>
    public const int StateBytes = 5056;

    // uint64 seed | int32 left | int32 seeded | uint64 next | uint64 words[624] | double x, y, rho | int32 valid, gap | float | bool, gap
    private const int LeftAt = 8;
    private const int SeededAt = 12;
    private const int NextAt = 16;
    private const int WordsAt = 24;
    private const int NormalYAt = WordsAt + 8 * StateWords + 8;
    private const int NormalValidAt = NormalYAt + 16;
    private const int SingleAt = NormalValidAt + 8;
    private const int SingleValidAt = SingleAt + 4;

    /// <summary>The state as <c>torch.get_rng_state()</c> gives it.</summary>
    /// <returns>[<see cref="StateBytes"/>] bytes, ready for a checkpoint's rng_state file.</returns>
    public byte[] GetState()
    {
        var state = new byte[StateBytes];
        var bytes = state.AsSpan();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, InitialSeed);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[LeftAt..], _left);
        BinaryPrimitives.WriteInt32LittleEndian(bytes[SeededAt..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[NextAt..], (ulong)_next);
        for (var i = 0; i < StateWords; i++)
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(WordsAt + 8 * i)..], _words[i]);
        if (_hasNextNormal)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes[NormalYAt..], _nextNormal);
            BinaryPrimitives.WriteInt32LittleEndian(bytes[NormalValidAt..], 1);
        }

        if (_hasNextSingleNormal)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes[SingleAt..], _nextSingleNormal);
            bytes[SingleValidAt] = 1;
        }

        return state;
    }

    /// <summary>Goes on from a state that <see cref="GetState"/> or <c>torch.get_rng_state()</c> saved.</summary>
    /// <param name="state">[<see cref="StateBytes"/>] bytes.</param>
    /// <exception cref="TorchGeneratorStateException">The bytes are no such state; the generator is left as it was.</exception>
    public void SetState(ReadOnlySpan<byte> state)
    {
        if (state.Length != StateBytes)
        {
            throw new TorchGeneratorStateException(
                $"A saved state of PyTorch's CPU generator has {StateBytes} bytes, but {state.Length} were given. " +
                "Pass the bytes of torch.get_rng_state(); states of CUDA generators cannot be used.");
        }

        var left = BinaryPrimitives.ReadInt32LittleEndian(state[LeftAt..]);
        var seeded = BinaryPrimitives.ReadInt32LittleEndian(state[SeededAt..]);
        var next = BinaryPrimitives.ReadUInt64LittleEndian(state[NextAt..]);
        // Words are read from `next` until `left` runs out, so the two together must stay inside the table.
        if (seeded == 0 || left is < 1 or > StateWords || next > (ulong)(StateWords + 1 - left))
        {
            throw new TorchGeneratorStateException(
                $"The saved generator state is not valid: seeded {seeded} (expected 1), left {left} (expected 1 to {StateWords}), next {next} " +
                $"(expected at most {StateWords} + 1 - left). The file is damaged or not a torch CPU generator state.");
        }

        InitialSeed = BinaryPrimitives.ReadUInt64LittleEndian(state);
        _left = left;
        _next = (int)next;
        for (var i = 0; i < StateWords; i++)
            _words[i] = (uint)BinaryPrimitives.ReadUInt64LittleEndian(state[(WordsAt + 8 * i)..]);
        _hasNextNormal = BinaryPrimitives.ReadInt32LittleEndian(state[NormalValidAt..]) != 0;
        _nextNormal = _hasNextNormal ? BinaryPrimitives.ReadDoubleLittleEndian(state[NormalYAt..]) : 0;
        _hasNextSingleNormal = state[SingleValidAt] != 0;
        _nextSingleNormal = _hasNextSingleNormal ? BinaryPrimitives.ReadSingleLittleEndian(state[SingleAt..]) : 0;
    }
}
