using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Core.Tests.Models;

public sealed class KeyValueCacheTests
{
    [Fact]
    public void It_grows_without_losing_anything()
    {
        using var cache = new KeyValueCache(2, Backend.Default);
        var expected = new List<float>();
        for (var token = 0; token < 150; token++)
        {
            for (var layer = 0; layer < 2; layer++)
            {
                var values = new[] { token, layer, 0.5f, -token };
                cache.Append(layer, Tensor.From(values, [1, 2, 1, 2]), Tensor.From(values, [1, 2, 1, 2]));
            }

            cache.Advance(1);
            expected.AddRange([token, 1, 0.5f, -token]);
        }

        cache.Length.Should().Be(150);
        cache.Capacity.Should().Be(256);
        var (key, value) = cache.Export(1);
        key.Shape.ToArray().Should().Equal(150, 1, 2, 2);
        key.ToArray<float>().Should().Equal(expected);
        value.ToArray<float>().Should().Equal(expected);
    }

    [Fact]
    public void It_goes_back_to_a_length()
    {
        using var cache = new KeyValueCache(1, Backend.Default);
        cache.Append(0, Tensor.From(new float[] { 1, 2, 3 }, [1, 1, 3, 1]), Tensor.From(new float[] { 4, 5, 6 }, [1, 1, 3, 1]));
        cache.Advance(3);
        cache.Truncate(1);
        cache.Append(0, Tensor.From(new float[] { 9 }, [1, 1, 1, 1]), Tensor.From(new float[] { 8 }, [1, 1, 1, 1]));
        cache.Advance(1);
        cache.Export(0).Key.ToArray<float>().Should().Equal(1, 9);
        FluentActions.Invoking(() => cache.Truncate(3)).Should().Throw<ArgumentOutOfRangeException>();
        FluentActions.Invoking(() => cache.Truncate(-1)).Should().Throw<ArgumentOutOfRangeException>();
    }

    [Fact]
    public void A_pass_that_was_not_finished_leaves_it_as_it_was()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        using var noGrad = GradMode.NoGrad();
        using var cache = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(5, 6, 7), UseCache = true }).PastKeyValues!;
        var before = cache.Export(1).Key.ToArray<float>();
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();
        FluentActions.Invoking(() => model.Forward(new ModelInputs { InputIds = TinyModels.Ids(8), PastKeyValues = cache, CancellationToken = cancelled.Token })).Should().Throw<OperationCanceledException>();
        cache.Length.Should().Be(3);
        cache.Export(1).Key.ToArray<float>().Should().Equal(before);
    }

    [Fact]
    public void A_cache_of_another_model_or_batch_is_refused()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        using var noGrad = GradMode.NoGrad();
        using var other = new KeyValueCache(5, Backend.Default);
        FluentActions.Invoking(() => model.Forward(new ModelInputs { InputIds = TinyModels.Ids(8), PastKeyValues = other })).Should().Throw<ModelInputException>().WithMessage("*5 layers*");
        using var cache = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(5, 6, 7), UseCache = true }).PastKeyValues!;
        FluentActions.Invoking(() => model.Forward(new ModelInputs { InputIds = Tensor.From(new long[] { 1, 2 }, [2, 1]), PastKeyValues = cache }))
            .Should().Throw<ModelInputException>().WithMessage("*1 sequences*2*");
    }

    [Fact]
    public void Gradients_flow_through_new_tokens_over_a_cache()
    {
        using var model = TinyModels.Create(TinyModels.Second);
        KeyValueCache cache;
        using (GradMode.NoGrad())
            cache = model.Forward(new ModelInputs { InputIds = TinyModels.Ids(5, 6, 7), UseCache = true }).PastKeyValues!;
        using (cache)
        {
            var ids = TinyModels.Ids(8, 9, 10);
            model.Forward(new ModelInputs { InputIds = ids, PastKeyValues = cache, Labels = ids }).Loss!.Backward();
            cache.Length.Should().Be(6);
            model.NamedParameters().Should().OnlyContain(p => p.Parameter.Grad != null);
        }
    }
}
