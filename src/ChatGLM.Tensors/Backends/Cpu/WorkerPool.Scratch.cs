using System.Runtime.InteropServices;

namespace ChatGLM.Tensors;

internal sealed partial class WorkerPool
{
    private readonly ScratchBuffer?[] _idleScratch = new ScratchBuffer?[64];

    /// <summary>Lends memory with undefined content, 64-byte aligned, to the thread that asks; give it back with <c>using</c>. Nothing is allocated once the buffers have grown.</summary>
    public Scratch RentScratch(long byteLength)
    {
        while (true)
        {
            // The smallest that is large enough; else the largest makes room for a larger one, or every size ever asked for would stay.
            var (slot, best) = (-1, (ScratchBuffer?)null);
            for (var i = 0; i < _idleScratch.Length; i++)
            {
                if (Volatile.Read(ref _idleScratch[i]) is { } buffer && (best is null || IsBetter(buffer.ByteLength, best.ByteLength, byteLength)))
                    (slot, best) = (i, buffer);
            }

            if (best is null)
                return new Scratch(this, new ScratchBuffer(byteLength));
            if (Interlocked.CompareExchange(ref _idleScratch[slot], null, best) != best)
                continue; // another thread was faster
            if (best.ByteLength >= byteLength)
                return new Scratch(this, best);
            best.Free();
            return new Scratch(this, new ScratchBuffer(byteLength + (byteLength / 8)));
        }
    }

    private static bool IsBetter(long byteLength, long thanByteLength, long wanted) => byteLength >= wanted
        ? thanByteLength < wanted || byteLength < thanByteLength
        : thanByteLength < wanted && byteLength > thanByteLength;

    private void ReturnScratch(ScratchBuffer buffer)
    {
        for (var slot = 0; slot < _idleScratch.Length; slot++)
        {
            if (Volatile.Read(ref _idleScratch[slot]) is null && Interlocked.CompareExchange(ref _idleScratch[slot], buffer, null) is null)
                return;
        }

        buffer.Free();
    }

    /// <summary>A loan of scratch memory.</summary>
    internal readonly ref struct Scratch(WorkerPool pool, ScratchBuffer buffer)
    {
        /// <summary>The first byte, 64-byte aligned.</summary>
        public unsafe void* Pointer => (void*)buffer.Pointer;

        /// <summary>Gives the memory back.</summary>
        public void Dispose() => pool.ReturnScratch(buffer);
    }

    /// <summary>Aligned native memory that frees itself.</summary>
    internal sealed unsafe class ScratchBuffer(long byteLength)
    {
        private nint _pointer = (nint)NativeMemory.AlignedAlloc((nuint)Math.Max(byteLength, 64), 64);

        ~ScratchBuffer() => NativeMemory.AlignedFree((void*)_pointer);

        public nint Pointer => _pointer;

        public long ByteLength { get; } = byteLength;

        public void Free()
        {
            NativeMemory.AlignedFree((void*)_pointer);
            _pointer = 0;
            GC.SuppressFinalize(this);
        }
    }
}
