using ChatGLM.Models;
using ChatGLM.Quantization;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Tests;

/// <summary>Adapters in float32 over a frozen base of 8 or 4 bits (QLoRA, Dettmers et al. 2023).</summary>
public sealed class QuantizedBaseTests
{
    [Theory]
    [InlineData(8, false)]
    [InlineData(4, false)]
    [InlineData(4, true)]
    public void An_adapter_over_a_quantized_base_is_one_over_its_values(int bits, bool dora)
    {
        using var quantized = TinyModels.Create(2);
        using var dense = TinyModels.Create(2);
        quantized.Quantize(bits);
        foreach (var (path, module) in quantized.NamedModules().ToList())
        {
            if (module is Linear { Weight: RowQuantizedWeight weight } && dense.TryGetModule(path, out var same))
                ((Linear)same).SetWeight(new DenseWeight(weight.Backend.Dequantize(weight)));
        }

        var config = new LoraConfig { R = 4, LoraAlpha = 8, TargetModules = "all-linear", InitLoraWeights = InitLoraWeights.Random, UseDora = dora };
        quantized.Generator.ManualSeed(5);
        dense.Generator.ManualSeed(5);
        using var overQuantized = quantized.GetPeftModel(config);
        using var overDense = dense.GetPeftModel(config);
        TinyModels.LargestDifference(TinyModels.Logits(quantized), TinyModels.Logits(dense)).Should().BeLessThan(1e-5);
        overQuantized.CountParameters().Should().Be(overDense.CountParameters());
        overQuantized.Forward(TinyModels.Inputs()).Loss!.Backward();
        overDense.Forward(TinyModels.Inputs()).Loss!.Backward();
        var expected = overDense.GetPeftModelStateDict();
        foreach (var (key, tensor) in overQuantized.GetPeftModelStateDict())
            TinyModels.LargestDifference(tensor.Grad!.ToFloatArray(), expected[key].Grad!.ToFloatArray()).Should().BeLessThan(1e-5, key);
    }

    [Theory]
    [InlineData(8, true)]
    [InlineData(4, true)]
    [InlineData(4, false)]
    public void An_adapter_over_a_base_quantized_by_groups_learns_as_over_its_values(int bits, bool symmetric)
    {
        using var quantized = TinyModels.Create(2);
        using var dense = TinyModels.Create(2);
        quantized.Quantize(new QuantizationConfig { Bits = bits, Sym = symmetric });
        foreach (var (path, module) in quantized.NamedModules().ToList())
        {
            if (module is Linear { Weight: GroupQuantizedWeight weight } && dense.TryGetModule(path, out var same))
                ((Linear)same).SetWeight(new DenseWeight(weight.Backend.Dequantize(weight)));
        }

        var config = new LoraConfig { R = 4, LoraAlpha = 8, TargetModules = "all-linear", InitLoraWeights = InitLoraWeights.Random };
        quantized.Generator.ManualSeed(5);
        dense.Generator.ManualSeed(5);
        using var overQuantized = quantized.GetPeftModel(config);
        using var overDense = dense.GetPeftModel(config);
        overQuantized.CountParameters().Should().Be(overDense.CountParameters());
        overQuantized.Forward(TinyModels.Inputs()).Loss!.Backward();
        overDense.Forward(TinyModels.Inputs()).Loss!.Backward();
        var expected = overDense.GetPeftModelStateDict();
        foreach (var (key, tensor) in overQuantized.GetPeftModelStateDict())
            TinyModels.LargestDifference(tensor.Grad!.ToFloatArray(), expected[key].Grad!.ToFloatArray()).Should().BeLessThan(1e-5, key);
    }

    [Theory]
    [InlineData(BlockFormat.Q4_0)]
    [InlineData(BlockFormat.Q5_1)]
    [InlineData(BlockFormat.Q8_0)]
    public void An_adapter_over_the_blocks_of_a_GGUF_file_learns_as_over_their_values(BlockFormat format)
    {
        using var blocks = TinyModels.Create(2);
        using var dense = TinyModels.Create(2);
        foreach (var (path, module) in blocks.NamedModules().ToList())
        {
            if (module is not Linear { InFeatures: var inFeatures and > 0, OutFeatures: var outFeatures } linear || inFeatures % 32 != 0 || !dense.TryGetModule(path, out var same))
                continue;
            var weight = RandomBlocks(outFeatures, inFeatures, format);
            linear.SetWeight(weight);
            ((Linear)same).SetWeight(new DenseWeight(weight.Backend.Dequantize(weight)));
        }

        blocks.NamedModules().Select(m => m.Module).OfType<Linear>().Count(l => l.Weight is BlockQuantizedWeight).Should().BeGreaterThan(4);
        var config = new LoraConfig { R = 4, LoraAlpha = 8, TargetModules = "all-linear", InitLoraWeights = InitLoraWeights.Random };
        blocks.Generator.ManualSeed(5);
        dense.Generator.ManualSeed(5);
        using var overBlocks = blocks.GetPeftModel(config);
        using var overDense = dense.GetPeftModel(config);
        overBlocks.Forward(TinyModels.Inputs()).Loss!.Backward();
        overDense.Forward(TinyModels.Inputs()).Loss!.Backward();
        var expected = overDense.GetPeftModelStateDict();
        foreach (var (key, tensor) in overBlocks.GetPeftModelStateDict())
            TinyModels.LargestDifference(tensor.Grad!.ToFloatArray(), expected[key].Grad!.ToFloatArray()).Should().BeLessThan(1e-5, key);
        overBlocks.Invoking(p => p.MergeAdapter()).Should().Throw<AdapterMergeException>().WithMessage("*BlockQuantizedWeight*");
    }

    [Fact]
    public void A_quantized_weight_takes_no_adapter_for_good()
    {
        using var model = TinyModels.Create(2);
        model.Quantize(4);
        using var peft = model.GetPeftModel(new LoraConfig { R = 2, TargetModules = "all-linear", InitLoraWeights = InitLoraWeights.Random });
        var before = TinyModels.Logits(model);
        peft.Invoking(p => p.MergeAdapter()).Should().Throw<AdapterMergeException>().WithMessage("*query_key_value*RowQuantizedWeight*without quantization*");
        peft.Invoking(p => p.MergeAndUnload()).Should().Throw<AdapterMergeException>();
        TinyModels.Logits(model).Should().Equal(before);
    }

    [Theory]
    [InlineData(1, 8, false)]
    [InlineData(2, 4, false)]
    [InlineData(2, 4, true)]
    public void A_quantized_base_trains_and_keeps_its_bits(int generation, int bits, bool dora)
    {
        using var model = TinyModels.Create(generation);
        model.Quantize(bits);
        model.PrepareModelForKbitTraining().Should().BeSameAs(model);
        model.GradientCheckpointing.Should().BeTrue();
        model.NamedParameters().Should().OnlyContain(p => !p.Parameter.RequiresGrad);
        var before = Quantized(model);
        before.Should().NotBeEmpty();
        using var peft = model.GetPeftModel(new LoraConfig { R = 4, LoraAlpha = 8, TargetModules = "all-linear", UseDora = dora });
        peft.Train();
        using var optimizer = new AdamW(peft.NamedParameters().Where(p => p.Parameter.RequiresGrad).Select(p => p.Parameter), new AdamWOptions { LearningRate = 2e-2 });
        var losses = new List<float>();
        for (var step = 0; step < 15; step++)
        {
            using var scope = new TensorScope();
            var loss = peft.Forward(TinyModels.Inputs(rows: 2)).Loss!;
            losses.Add(loss.Item());
            loss.Backward();
            optimizer.Step();
            peft.ZeroGrad();
        }

        losses[^1].Should().BeLessThan(losses[0] / 2);
        Quantized(model).Should().Equal(before);

        static byte[] Quantized(ChatGLMForConditionalGeneration model) =>
        [
            .. model.NamedModules().Select(m => m.Module).OfType<Linear>().Select(l => l.Weight).OfType<RowQuantizedWeight>().SelectMany(w => w.Tensors).SelectMany(t =>
            {
                var bytes = new byte[t.Tensor.ByteLength];
                t.Tensor.Read(0, bytes);
                return bytes;
            }),
        ];
    }

    /// <summary>Numbers at random with small scales; the size of a block is a half first, another one where there is a minimum.</summary>
    private static BlockQuantizedWeight RandomBlocks(int outFeatures, int inFeatures, BlockFormat format)
    {
        var (_, bytes) = BlockQuantizedWeight.BlockOf(format);
        var rowBytes = BlockQuantizedWeight.RowBytes(inFeatures, format);
        var data = new byte[outFeatures * rowBytes];
        new Random(outFeatures).NextBytes(data);
        for (var at = 0; at < data.Length; at += bytes)
        {
            BitConverter.TryWriteBytes(data.AsSpan(at), (Half)(format == BlockFormat.Q8_0 ? 0.002 : 0.02));
            if (format == BlockFormat.Q5_1)
                BitConverter.TryWriteBytes(data.AsSpan(at + 2), (Half)(-0.3));
        }

        return new BlockQuantizedWeight(Tensor.From(data, [outFeatures, rowBytes]), inFeatures, format);
    }
}
