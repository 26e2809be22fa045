using global::TorchSharp;

namespace ChatGLM.TorchSharp;

/// <summary>
/// Keeps the last numbers that a thread gave to libtorch alive. TorchSharp passes a number as a native object with a finalizer and lets go of it before the native call returns: the collector may free it
/// in the middle of the call, which then reads freed memory. No kernel uses as many numbers as are held.
/// </summary>
internal sealed class TorchScalars
{
    private readonly Scalar?[] _held = new Scalar?[64];
    private int _next;

    public Scalar Hold(Scalar scalar)
    {
        _held[_next] = scalar;
        _next = (_next + 1) % _held.Length;
        return scalar;
    }
}
