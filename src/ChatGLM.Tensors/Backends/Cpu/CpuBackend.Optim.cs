namespace ChatGLM.Tensors;

public sealed unsafe partial class CpuBackend
{
    /// <inheritdoc/>
    public override void AdamWStep(Tensor parameter, Tensor gradient, Tensor firstMoment, Tensor secondMoment, in AdamWStep step)
    {
        RequireFloatingPoint(nameof(AdamWStep), parameter);
        parameter.MakeWritable();
        RequireFloat32(nameof(AdamWStep), gradient, "gradient");
        RequireFloat32(nameof(AdamWStep), firstMoment, "firstMoment", secondMoment, "secondMoment");
        var count = parameter.ElementCount;
        if (gradient.ElementCount != count || firstMoment.ElementCount != count || secondMoment.ElementCount != count)
            throw new TensorException(nameof(AdamWStep), $"gradient {gradient.Shape} and moments {firstMoment.Shape}, {secondMoment.Shape} are not of the parameter's shape {parameter.Shape}.");
        if (step.Step < 1)
            throw new TensorException(nameof(AdamWStep), $"steps count from 1, found {step.Step}.");
        Parallel(count, 8, new AdamWBody(parameter.DType, (void*)parameter.Address, gradient.Pointer<float>(), firstMoment.Pointer<float>(), secondMoment.Pointer<float>(), new AdamWBody.Factors(step)), 16);
        GC.KeepAlive(parameter);
        GC.KeepAlive(gradient);
        GC.KeepAlive(firstMoment);
        GC.KeepAlive(secondMoment);
    }
}
