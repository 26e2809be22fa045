using System.Runtime.CompilerServices;

namespace ChatGLM.Tensors;

/// <summary>
/// One AdamW step in one pass over parameter, gradient and moments, with the operations in float32 and in the order of <c>torch.optim.AdamW</c>: decay the parameter, update
/// the moments, then step by -stepSize * m / (sqrt(v) / correction + epsilon). Parameters narrower than float32 are widened, stepped and rounded once.
/// </summary>
internal readonly unsafe struct AdamWBody(DType dtype, void* parameter, float* gradient, float* firstMoment, float* secondMoment, in AdamWBody.Factors factors) : ILaneBody
{
    private readonly Factors _factors = factors;

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Run<T>(long from, long to)
        where T : unmanaged, ILanes<T>
    {
        var block = stackalloc float[FloatStore.BlockLength];
        while (from < to)
        {
            var count = (int)Math.Min(to - from, FloatStore.BlockLength);
            var values = block;
            if (dtype == DType.Float32)
                values = (float*)parameter + from;
            else
                FloatStore.Load<T>(dtype, parameter, from, block, count);
            Step<T>(values, gradient + from, firstMoment + from, secondMoment + from, count);
            if (dtype != DType.Float32)
                FloatStore.Store<T>(dtype, block, parameter, from, count);
            from += count;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Step<T>(float* p, float* g, float* m, float* v, int count)
        where T : unmanaged, ILanes<T>
    {
        var i = 0;
        for (; i <= count - 16; i += 16)
        {
            var (newM, newV, newP) = Step(T.Load(p + i), T.Load(g + i), T.Load(m + i), T.Load(v + i));
            newM.Store(m + i);
            newV.Store(v + i);
            newP.Store(p + i);
        }

        if (i < count)
        {
            var rest = count - i;
            var (newM, newV, newP) = Step(LaneTail.Load<T>(p + i, rest), LaneTail.Load<T>(g + i, rest), LaneTail.Load<T>(m + i, rest), LaneTail.Load<T>(v + i, rest));
            LaneTail.Store(newM, m + i, rest);
            LaneTail.Store(newV, v + i, rest);
            LaneTail.Store(newP, p + i, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (T FirstMoment, T SecondMoment, T Parameter) Step<T>(T p, T g, T m, T v)
        where T : unmanaged, ILanes<T>
    {
        g *= T.Broadcast(_factors.GradientScale);
        m = T.MultiplyAdd(T.Broadcast(_factors.OneMinusBeta1), g, m * T.Broadcast(_factors.Beta1));
        v = T.MultiplyAdd(T.Broadcast(_factors.OneMinusBeta2) * g, g, v * T.Broadcast(_factors.Beta2));
        var denominator = (T.Sqrt(v) / T.Broadcast(_factors.RootOfCorrection2)) + T.Broadcast(_factors.Epsilon);
        return (m, v, (p * T.Broadcast(_factors.Decay)) + (T.Broadcast(_factors.NegativeStepSize) * m / denominator));
    }

    /// <summary>What is the same for all elements, worked out in double and rounded once, as PyTorch's scalars are.</summary>
    public readonly struct Factors(in AdamWStep step)
    {
        public readonly float GradientScale = step.GradientScale;
        public readonly float Beta1 = (float)step.Beta1;
        public readonly float OneMinusBeta1 = (float)(1 - step.Beta1);
        public readonly float Beta2 = (float)step.Beta2;
        public readonly float OneMinusBeta2 = (float)(1 - step.Beta2);
        public readonly float Decay = (float)(1 - (step.LearningRate * step.WeightDecay));
        public readonly float NegativeStepSize = (float)(-step.LearningRate / (1 - Math.Pow(step.Beta1, step.Step)));
        public readonly float RootOfCorrection2 = (float)Math.Sqrt(1 - Math.Pow(step.Beta2, step.Step));
        public readonly float Epsilon = (float)step.Epsilon;
    }
}
