namespace ChatGLM.TorchSharp;

/// <content>Embeddings, norms, the gated activation and the loss.</content>
public sealed partial class TorchBackend
{
    /// <inheritdoc/>
    public override Tensor Embedding(Tensor ids, Tensor table)
    {
        using var scope = Torch.NewDisposeScope();
        RequireBelow(nameof(Embedding), "id", "position", View(ids), table.Shape[0]);
        return Wrap(Float(View(table).index_select(0, Flat(ids))).view([.. ids.Shape.ToTorch(), table.Shape[1]]));
    }

    /// <inheritdoc/>
    public override void EmbeddingBackward(Tensor dy, Tensor ids, Tensor grad)
    {
        using var scope = Torch.NewDisposeScope();
        RequireBelow(nameof(EmbeddingBackward), "id", "position", View(ids), grad.Shape[0]);
        View(grad).index_add_(0, Flat(ids), Rows(dy), I(1));
    }

    /// <inheritdoc/>
    public override Tensor LayerNorm(Tensor x, Tensor weight, Tensor bias, float epsilon)
    {
        using var scope = Torch.NewDisposeScope();
        return Wrap(Torch.nn.functional.layer_norm(View(x), [x.Shape[^1]], Float(View(weight)), Float(View(bias)), epsilon));
    }

    /// <inheritdoc/>
    public override Tensor LayerNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad, Tensor? biasGrad)
    {
        using var scope = Torch.NewDisposeScope();
        var (d, v) = (Rows(dy), Rows(x));
        var centered = v.sub(v.mean([-1], keepdim: true));
        var rstd = centered.square().mean([-1], keepdim: true).add_(S(epsilon)).rsqrt_();
        var normed = centered.mul_(rstd);
        if (weightGrad is not null)
            View(weightGrad).add_(d.mul(normed).sum(dim: [0]));
        if (biasGrad is not null)
            View(biasGrad).add_(d.sum(dim: [0]));
        var scaled = d.mul(Float(View(weight)));
        var along = scaled.mul(normed).mean([-1], keepdim: true);
        return Wrap(scaled.sub(scaled.mean([-1], keepdim: true)).sub_(normed.mul(along)).mul_(rstd).view(x.Shape.ToTorch()));
    }

    /// <inheritdoc/>
    public override Tensor RmsNorm(Tensor x, Tensor weight, float epsilon)
    {
        using var scope = Torch.NewDisposeScope();
        var v = View(x);
        return Wrap(v.mul(v.square().mean([-1], keepdim: true).add_(S(epsilon)).rsqrt_()).mul_(Float(View(weight))));
    }

    /// <inheritdoc/>
    public override Tensor RmsNormBackward(Tensor dy, Tensor x, Tensor weight, float epsilon, Tensor? weightGrad)
    {
        using var scope = Torch.NewDisposeScope();
        var (d, v) = (Rows(dy), Rows(x));
        var rstd = v.square().mean([-1], keepdim: true).add_(S(epsilon)).rsqrt_();
        var normed = v.mul(rstd);
        if (weightGrad is not null)
            View(weightGrad).add_(d.mul(normed).sum(dim: [0]));
        var scaled = d.mul(Float(View(weight)));
        var along = scaled.mul(normed).mean([-1], keepdim: true);
        return Wrap(scaled.sub_(normed.mul_(along)).mul_(rstd).view(x.Shape.ToTorch()));
    }

    /// <inheritdoc/>
    public override Tensor SwiGlu(Tensor x)
    {
        using var scope = Torch.NewDisposeScope();
        var (gate, up) = Halves(View(x));
        return Wrap(gate.sigmoid().mul_(gate).mul_(up));
    }

    /// <inheritdoc/>
    public override Tensor SwiGluBackward(Tensor dy, Tensor x)
    {
        using var scope = Torch.NewDisposeScope();
        var d = View(dy);
        var (gate, up) = Halves(View(x));
        return Wrap(Torch.cat(new[] { SiluDerivative(gate).mul_(up).mul_(d), gate.sigmoid().mul_(gate).mul_(d) }, -1));
    }

    /// <inheritdoc/>
    public override Tensor CrossEntropy(Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor? logSumExp)
    {
        using var scope = Torch.NewDisposeScope();
        var (scores, classes) = (View(logits), logits.Shape[1]);
        var lse = scores.logsumexp(1);
        if (logSumExp is not null)
            View(logSumExp).copy_(lse);
        var (targets, counted) = Targets(labels, ignoreIndex, classes);
        var picked = scores.gather(1, targets.unsqueeze(1)).squeeze(1);
        var loss = lse.sub(picked).mul_(S(1 - labelSmoothing));
        if (labelSmoothing != 0)
            loss.add_(lse.sub(scores.mean([1])), S(labelSmoothing));
        // Rows that do not count may hold anything, infinity too: they are left out, not multiplied by zero.
        return Wrap(Torch.where(counted, loss, Torch.zeros_like(loss)).sum().div(Float(counted.sum())));
    }

    /// <inheritdoc/>
    public override Tensor CrossEntropyBackward(Tensor dy, Tensor logits, Tensor labels, int ignoreIndex, float labelSmoothing, Tensor logSumExp)
    {
        using var scope = Torch.NewDisposeScope();
        var classes = logits.Shape[1];
        var (targets, counted) = Targets(labels, ignoreIndex, classes);
        var gradient = View(logits).sub(View(logSumExp).unsqueeze(1)).exp_();
        if (labelSmoothing != 0)
            gradient.sub_(S(labelSmoothing / classes));
        var at = targets.unsqueeze(1);
        gradient.scatter_add_(1, at, Torch.full(at.shape, labelSmoothing - 1, Torch.ScalarType.Float32, _device));
        return Wrap(gradient.mul_(View(dy).div(Float(counted.sum()))).masked_fill_(counted.logical_not().unsqueeze(1), S(0)));
    }

    private static (Torch.Tensor First, Torch.Tensor Second) Halves(Torch.Tensor x)
    {
        var width = x.shape[^1] / 2;
        return (x.narrow(-1, 0, width), x.narrow(-1, width, width));
    }

    /// <summary>Labels with 0 where a row does not count, and which rows do.</summary>
    private (Torch.Tensor Targets, Torch.Tensor Counted) Targets(Tensor labels, int ignoreIndex, int classes)
    {
        var given = Flat(labels);
        var counted = given.ne(I(ignoreIndex));
        var targets = given.masked_fill(counted.logical_not(), I(0));
        RequireBelow(nameof(CrossEntropy), "label", "row", targets, classes);
        return (targets, counted);
    }

    /// <summary>Refuses indices that are out of range before a kernel meets them: on a GPU that would end all work of the process there.</summary>
    /// <param name="operation">The kernel.</param>
    /// <param name="what">What an index is.</param>
    /// <param name="where">How a place in the tensor is called, before its number.</param>
    /// <param name="indices">int64, of any shape.</param>
    /// <param name="limit">The first index that is too large.</param>
    private void RequireBelow(string operation, string what, string where, Torch.Tensor indices, long limit)
    {
        if (indices.NumberOfElements == 0)
            return;
        var flat = indices.reshape(-1);
        var wrong = flat.lt(I(0)).logical_or_(flat.ge(I(limit)));
        if (!wrong.any().item<bool>())
            return;
        var at = wrong.to_type(Torch.ScalarType.Int32).argmax().item<long>();
        throw new TensorException(operation, $"{what} {flat[at].item<long>()} at {where} {Place(at, indices.shape)} is not in 0..{limit - 1}.");
    }

    private static string Place(long at, long[] shape)
    {
        var place = new long[shape.Length];
        for (var axis = shape.Length - 1; axis >= 0; axis--)
            (at, place[axis]) = Math.DivRem(at, shape[axis]);
        return place.Length == 1 ? $"{place[0]}" : $"[{string.Join(", ", place)}]";
    }
}
