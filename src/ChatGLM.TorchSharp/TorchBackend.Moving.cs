namespace ChatGLM.TorchSharp;

/// <content>Bytes in and out, and numbers moved about.</content>
public sealed partial class TorchBackend
{
    /// <summary>Bytes that cross between libtorch and the program at a time: a span cannot show more than 2^31.</summary>
    internal const int MaxTransferBytes = 1 << 28;

    /// <inheritdoc/>
    public override void Write(Tensor target, long byteOffset, ReadOnlySpan<byte> bytes)
    {
        CheckRange(nameof(Write), target, byteOffset, bytes.Length);
        for (var done = 0; done < bytes.Length; done += MaxTransferBytes)
            WritePart(target, byteOffset + done, bytes.Slice(done, Math.Min(MaxTransferBytes, bytes.Length - done)));
    }

    /// <inheritdoc/>
    public override void Read(Tensor source, long byteOffset, Span<byte> bytes)
    {
        CheckRange(nameof(Read), source, byteOffset, bytes.Length);
        for (var done = 0; done < bytes.Length; done += MaxTransferBytes)
        {
            using var scope = Torch.NewDisposeScope();
            var into = bytes.Slice(done, Math.Min(MaxTransferBytes, bytes.Length - done));
            var (part, skipped) = Covering(source, byteOffset + done, into.Length);
            (IsHost ? part : part.cpu()).bytes.Slice(skipped, into.Length).CopyTo(into);
        }

        GC.KeepAlive(source);
    }

    /// <inheritdoc/>
    public override void Fill(Tensor target, double value)
    {
        using var scope = Torch.NewDisposeScope();
        Flat(target).fill_(S(value));
    }

    /// <inheritdoc/>
    public override Tensor Copy(Tensor x)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(View(x).clone());
    }

    /// <inheritdoc/>
    public override Tensor Cast(Tensor x, DType dtype)
    {
        using var scope = Torch.NewDisposeScope();
        var view = View(x);
        return Wrap(x.DType == dtype ? view.clone() : dtype == DType.Bool ? view.ne(I(0)) : view.to_type(dtype.ToTorch()));
    }

    /// <inheritdoc/>
    public override Tensor Permute(Tensor x, ReadOnlySpan<int> axes)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(Fresh(View(x).permute(Array.ConvertAll(axes.ToArray(), axis => (long)axis))));
    }

    /// <inheritdoc/>
    public override Tensor Concat(ReadOnlySpan<Tensor> tensors, int axis)
    {
        using var scope = Torch.NewDisposeScope();
        var views = new Torch.Tensor[tensors.Length];
        for (var i = 0; i < views.Length; i++)
            views[i] = View(tensors[i]);
        return Wrap(Torch.cat(views, axis));
    }

    /// <inheritdoc/>
    public override Tensor Slice(Tensor x, int axis, int start, int length)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(Fresh(View(x).narrow(axis, start, length)));
    }

    /// <inheritdoc/>
    public override void WriteSlice(Tensor target, Tensor source, int axis, int start)
    {
        using var scope = Torch.NewDisposeScope();
        if (source.Shape.Rank == 0)
            View(target).copy_(View(source));
        else
            View(target).narrow(axis, start, source.Shape[axis]).copy_(View(source));
    }

    /// <inheritdoc/>
    public override Tensor SelectRows(Tensor x, ReadOnlySpan<int> rows)
    {
        using var scope = Torch.NewDisposeScope();
        var indices = Torch.tensor(Array.ConvertAll(rows.ToArray(), row => (long)row), Torch.ScalarType.Int64, _device);
        return Wrap(View(x).index_select(0, indices));
    }

    private static void CheckRange(string operation, Tensor tensor, long byteOffset, int length)
    {
        if (byteOffset < 0 || byteOffset > tensor.ByteLength - length)
            throw new TensorException(operation, $"bytes {byteOffset}..{byteOffset + length} are not inside the {tensor.ByteLength} bytes of {tensor.Shape} {tensor.DType}.");
    }

    private void WritePart(Tensor target, long byteOffset, ReadOnlySpan<byte> bytes)
    {
        using var scope = Torch.NewDisposeScope();
        var (part, skipped) = Covering(target, byteOffset, bytes.Length);
        var isWhole = bytes.Length == part.NumberOfElements * target.DType.SizeInBytes();
        // On a device the elements at both ends may be written in part only: they are fetched first.
        var host = IsHost ? part : isWhole ? Torch.empty(part.shape, part.dtype) : part.cpu();
        bytes.CopyTo(host.bytes[skipped..]);
        if (!IsHost)
            part.copy_(host);
        GC.KeepAlive(target);
    }

    /// <summary>The elements that some bytes lie in, and how many bytes of the first one come before them.</summary>
    private (Torch.Tensor Part, int Skipped) Covering(Tensor x, long byteOffset, int length)
    {
        var size = x.DType.SizeInBytes();
        var first = byteOffset / size;
        var end = (byteOffset + length + size - 1) / size;
        return (Flat(x).narrow(0, first, end - first), (int)(byteOffset - (first * size)));
    }
}
