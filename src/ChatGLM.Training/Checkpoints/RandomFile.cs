using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary><c>rng_state.pth</c> of a checkpoint: the states of Python's, numpy's and PyTorch's generators. Everything random here draws from the last of them.</summary>
internal static class RandomFile
{
    public const string FileName = "rng_state.pth";

    /// <summary>The generator before it drew the order of the epoch, which Python does not keep: it goes through the data again instead.</summary>
    private const string EpochKey = "cpu_at_epoch_begin";

    public static void Write(string folder, long seed, byte[] random, byte[] epochRandom)
    {
        using var scope = new TensorScope();
        var states = new Dictionary<object, object?>
        {
            ["python"] = RandomStates.Python(seed),
            ["numpy"] = RandomStates.Numpy(seed),
            ["cpu"] = Tensor.From(random, [random.Length]),
            [EpochKey] = Tensor.From(epochRandom, [epochRandom.Length]),
        };
        TorchArchive.Save(states, Path.Combine(folder, FileName));
    }

    /// <summary>The generator, and the generator at the begin of the epoch if it is there; nulls if there is no file, as Python puts up with too.</summary>
    public static (byte[]? Random, byte[]? EpochRandom) Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        if (!File.Exists(path))
            return (null, null);
        using var scope = new TensorScope();
        var file = TorchState.Load(path);
        var (random, epoch) = (file.Bytes("cpu"), file.Has(EpochKey) ? file.Bytes(EpochKey) : null);
        // Refused here, before anything of the run has changed.
        Check(random, "cpu");
        if (epoch is not null)
            Check(epoch, EpochKey);
        return (random, epoch);

        void Check(byte[] state, string key)
        {
            try
            {
                new TorchGenerator().SetState(state);
            }
            catch (TorchGeneratorStateException error)
            {
                throw new TrainingCheckpointException(path, $"{key}: {error.Message}", error);
            }
        }
    }
}
