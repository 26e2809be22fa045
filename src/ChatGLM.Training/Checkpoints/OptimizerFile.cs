using System.Globalization;
using ChatGLM.Formats;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>
/// <c>optimizer.pt</c> of a checkpoint: the state dict of PyTorch's optimizers, in which a parameter is known by its number. Numbers count through transformers' two groups, those with
/// weight decay first, which is how <see cref="OptimizerFactory"/> makes them.
/// </summary>
internal static class OptimizerFile
{
    public const string FileName = "optimizer.pt";
    private const string Step = "step";

    /// <summary>The root mean square of a parameter that transformers' Adafactor notes at every step and never reads from a state.</summary>
    private const string AdafactorNote = "RMS";

    /// <summary>What bytes stand for in a state of bitsandbytes.</summary>
    private static readonly string[] Maps = ["qmap1", "qmap2"];

    public static void Write(string folder, Optimizer optimizer, IReadOnlyList<double> initialRates)
    {
        using var scope = new TensorScope();
        var state = new Dictionary<object, object?>();
        foreach (var (key, tensor) in optimizer.StateDict())
        {
            if (!key.StartsWith("state.", StringComparison.Ordinal))
                continue;
            var parts = key.Split('.', 3);
            var index = int.Parse(parts[1], CultureInfo.InvariantCulture);
            if (!state.TryGetValue(index, out var of))
                state.Add(index, of = new Dictionary<object, object?>());
            ((Dictionary<object, object?>)of!).Add(parts[2], parts[2] == Step ? StepOf(optimizer, tensor) : tensor);
        }

        if (optimizer is AdamW8bit)
        {
            // bitsandbytes looks up in the state what the bytes stand for.
            var (signed, unsigned) = (Tensor.From(DynamicMap.Signed.ToArray(), [DynamicMap.Signed.Length]), Tensor.From(DynamicMap.Unsigned.ToArray(), [DynamicMap.Unsigned.Length]));
            foreach (var of in state.Values.OfType<Dictionary<object, object?>>().Where(of => of["state1"] is Tensor { DType: DType.UInt8 }))
                (of[Maps[0]], of[Maps[1]]) = (signed, unsigned);
        }

        if (optimizer is Sgd)
        {
            foreach (var of in state.Values.OfType<Dictionary<object, object?>>())
                of.TryAdd("momentum_buffer", null);
        }

        var groups = new List<object?>();
        var next = 0;
        for (var i = 0; i < optimizer.Groups.Count; i++)
        {
            var group = optimizer.Groups[i];
            var numbers = new Dictionary<object, object?> { ["weight_decay"] = group.WeightDecay, ["lr"] = group.LearningRate };
            foreach (var (name, value) in optimizer.Defaults)
                numbers.Add(name, value);
            numbers.Add("initial_lr", initialRates[i]);
            numbers.Add("params", Enumerable.Range(next, group.Parameters.Count).Select(index => (object?)index).ToList());
            next += group.Parameters.Count;
            groups.Add(numbers);
        }

        TorchArchive.Save(new Dictionary<object, object?> { ["state"] = state, ["param_groups"] = groups }, Path.Combine(folder, FileName));
    }

    /// <summary>Reads a state that was written here or by Python.</summary>
    /// <param name="folder">The checkpoint.</param>
    /// <param name="optimizer">What goes on from it. It is as before if anything does not fit.</param>
    /// <param name="globalStep">The steps of the run, for optimizers of PyTorch that do not count their own.</param>
    public static void Read(string folder, Optimizer optimizer, int globalStep)
    {
        using var scope = new TensorScope();
        var path = Path.Combine(folder, FileName);
        var backend = optimizer.Groups.SelectMany(group => group.Parameters).First().Backend;
        var file = TorchState.Load(path, backend);
        var groups = file.Dicts("param_groups");
        var numbers = groups.Select(group => group.Integers("params")).ToArray();
        var expected = optimizer.Groups.Select(group => group.Parameters.Count);
        if (!numbers.Select(of => of.Count).SequenceEqual(expected))
        {
            throw new TrainingCheckpointException(
                path,
                $"its groups have {string.Join(" and ", numbers.Select(of => of.Count))} parameters, those of this run {string.Join(" and ", expected)}. The run trains other parameters than the "
                + "one that was saved.");
        }

        var state = new Dictionary<string, Tensor>();
        for (var i = 0; i < groups.Count; i++)
        {
            state.Add(string.Create(CultureInfo.InvariantCulture, $"param_groups.{i}.lr"), Tensor.From([groups[i].Number("lr")], Shape.Scalar, backend));
            state.Add(string.Create(CultureInfo.InvariantCulture, $"param_groups.{i}.weight_decay"), Tensor.From([groups[i].Number("weight_decay")], Shape.Scalar, backend));
        }

        var saved = file.Dict("state");
        var index = -1;
        foreach (var number in numbers.SelectMany(of => of))
        {
            index++;
            if (!saved.Has(number))
                continue;
            var of = saved.Dict(number);
            var steps = of.Has(Step) ? of.Integer(Step) : globalStep;
            state.Add(string.Create(CultureInfo.InvariantCulture, $"state.{index}.{Step}"), Tensor.From([steps], Shape.Scalar, backend));
            for (var map = 0; map < Maps.Length; map++)
            {
                if (of.Has(Maps[map]) && !IsClose(of.Tensor(Maps[map]).ToFloatArray(), map == 0 ? DynamicMap.Signed : DynamicMap.Unsigned))
                    throw of.Wrong(Maps[map], "the dynamic map of 8-bit optimizers");
            }

            foreach (var key in of.Keys.OfType<string>().Where(key => key is not (Step or AdafactorNote) && !Maps.Contains(key) && of.Value(key) is not null))
                state.Add(string.Create(CultureInfo.InvariantCulture, $"state.{index}.{key}"), of.Tensor(key));
        }

        try
        {
            optimizer.LoadStateDict(state);
        }
        catch (OptimizerStateException error)
        {
            throw new TrainingCheckpointException(path, error.Message, error);
        }
    }

    /// <summary>Whether bytes stand for the same values; their last digit depends on how PyTorch was built.</summary>
    private static bool IsClose(ReadOnlySpan<float> saved, ReadOnlySpan<float> map)
    {
        if (saved.Length != map.Length)
            return false;
        for (var code = 0; code < map.Length; code++)
        {
            if (!(Math.Abs(saved[code] - map[code]) <= 1e-6f * Math.Abs(map[code])))
                return false;
        }

        return true;
    }

    /// <summary>PyTorch's own optimizers keep their steps as float32 tensors, those of transformers and bitsandbytes as numbers.</summary>
    private static object StepOf(Optimizer optimizer, Tensor step)
    {
        var steps = step.ToArray<long>()[0];
        return optimizer is AdamW or Adam or Adagrad ? Tensor.From([(float)steps], Shape.Scalar, step.Backend) : steps;
    }
}
