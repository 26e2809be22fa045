using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors.Kernels;

/// <summary>Plain scalar code, for processors without vectors and as a check on the others.</summary>
internal unsafe struct GroupScalar : IGroupSimd<int, float>
{
    public static int Lanes => 1;

    public static bool HasWideQuads => false;

    public static int ByteOffset => 128;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Load(byte* source) => *(int*)source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Broadcast(int value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int LowNibbles(int octets) => octets & 0x0F0F0F0F;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int HighNibbles(int octets) => (octets >> 4) & 0x0F0F0F0F;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Open(int total) => total;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int AddNibbles(int part, int nibbles, byte* quad) => AddBytes(part, nibbles, 0, quad);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddNibblesInFours(ref int part00, ref int part01, ref int part10, ref int part11, int nibbles0, int nibbles1, byte* quad0, byte* quad1)
    {
        part00 = AddNibbles(part00, nibbles0, quad0);
        part01 = AddNibbles(part01, nibbles1, quad0);
        part10 = AddNibbles(part10, nibbles0, quad1);
        part11 = AddNibbles(part11, nibbles1, quad1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Close(int total, int part) => part;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Split(int quads, out int first, out int second)
    {
        first = quads;
        second = 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int AddBytes(int total, int first, int second, byte* quad)
    {
        var x = (sbyte*)quad;
        return total + ((first & 0xFF) * x[0]) + (((first >> 8) & 0xFF) * x[1]) + (((first >> 16) & 0xFF) * x[2]) + ((int)((uint)first >> 24) * x[3]);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void AddBytesInPairs(ref int total0, ref int total1, int first0, int second0, int first1, int second1, byte* quad)
    {
        total0 = AddBytes(total0, first0, second0, quad);
        total1 = AddBytes(total1, first1, second1, quad);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float ToFloat(int value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float LoadScales(ushort* source) => SimdScalar.ShiftLeft(SimdScalar.LoadUInt16((byte*)source), 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Broadcast(float value) => value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Load(float* source) => *source;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(float* target, float value) => *target = value;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Add(float a, float b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Multiply(float a, float b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MultiplyAdd(float a, float b, float c) => MathF.FusedMultiplyAdd(a, b, c);
}
