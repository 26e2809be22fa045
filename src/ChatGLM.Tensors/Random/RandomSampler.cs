namespace ChatGLM.Tensors;

/// <summary>The order in which a shuffling <c>DataLoader</c> of PyTorch asks for its samples.</summary>
public static class RandomSampler
{
    /// <summary>
    /// The order of one epoch. The loader first draws the base seed of its workers, then its sampler draws the seed of a generator
    /// of its own, which makes the permutation: two draws from the global generator an epoch, whatever the number of samples.
    /// </summary>
    /// <param name="order">[samples] where the indices go, in the order they are asked for.</param>
    /// <param name="generator">The global generator, which everything else that is random draws from too.</param>
    public static void NextEpoch(Span<int> order, TorchGenerator generator)
    {
        ArgumentNullException.ThrowIfNull(generator);
        _ = generator.NextInt64();
        new TorchGenerator((ulong)generator.NextInt64()).RandPerm(order);
    }
}
