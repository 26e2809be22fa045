using ChatGLM.Tensors;

namespace ChatGLM.TorchSharp.Tests;

/// <summary>Tensors between the two libraries, and what is said when libtorch cannot do what is asked.</summary>
[Collection("Kernels")]
public sealed class TorchTensorTests
{
    private readonly TorchBackend _torch = new();

    [Theory]
    [InlineData(DType.Float32)]
    [InlineData(DType.Float16)]
    [InlineData(DType.BFloat16)]
    [InlineData(DType.Float64)]
    [InlineData(DType.Int64)]
    [InlineData(DType.Int32)]
    [InlineData(DType.Int16)]
    [InlineData(DType.Int8)]
    [InlineData(DType.UInt8)]
    [InlineData(DType.Bool)]
    public void Every_element_type_goes_there_and_back(DType dtype)
    {
        using var scope = new TensorScope();
        var source = Tensor.From([0f, 1, 2, 3, 4, 5], [2, 3]);
        source = source.Backend.Cast(source, dtype);
        using var there = source.ToTorch();
        there.shape.Should().Equal(2, 3);
        var back = there.ToTensor(_torch);
        (back.DType, back.Shape).Should().Be((dtype, source.Shape));
        var (expected, found) = (new byte[source.ByteLength], new byte[source.ByteLength]);
        source.Read(0, expected);
        back.Read(0, found);
        found.Should().Equal(expected);
        using var again = back.ToTorch();
        again.Equals(there).Should().BeTrue();
    }

    [Fact]
    public void A_copy_has_memory_of_its_own_and_a_view_is_made_contiguous()
    {
        using var scope = new TensorScope();
        using var source = Torch.arange(6, Torch.ScalarType.Float32).view(2, 3);
        using var turned = source.t();
        var tensor = turned.ToTensor(_torch);
        source.fill_(9);
        tensor.ToArray<float>().Should().Equal(0, 3, 1, 4, 2, 5);
    }

    [Fact]
    public void A_device_that_is_not_there_is_refused_with_advice()
    {
        FluentActions.Invoking(() => new TorchBackend(new Device("tpu"))).Should().Throw<TorchUnavailableException>().WithMessage("*tpu*Device.Cuda*");
        if (!Torch.cuda.is_available())
            FluentActions.Invoking(() => new TorchBackend(Device.Cuda())).Should().Throw<TorchUnavailableException>().WithMessage("cuda:0*TorchSharp-cuda*");
        else
            FluentActions.Invoking(() => new TorchBackend(Device.Cuda(99))).Should().Throw<TorchUnavailableException>().WithMessage("cuda:99*");
    }

    [Fact]
    public void Tensors_of_two_backends_are_not_mixed()
    {
        using var scope = new TensorScope();
        var (here, there) = (Tensor.Zeros([2]), Tensor.Zeros([2], DType.Float32, _torch));
        FluentActions.Invoking(() => _torch.Add(there, here)).Should().Throw<TensorException>().WithMessage("*another backend*");
    }

    [Fact]
    public void The_public_surface_is_the_one_that_is_written_down()
    {
        var root = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(root.FullName, "ChatGLM.sln")))
            root = root.Parent!;
        var file = Path.Combine(root.FullName, "docs", "api", "ChatGLM.TorchSharp.txt");
        var actual = PublicApi.Tests.PublicSurface.Describe(typeof(TorchBackend).Assembly);
        if (Environment.GetEnvironmentVariable("CHATGLM_UPDATE_API") == "1")
            File.WriteAllLines(file, actual);
        File.ReadAllLines(file).Should().Equal(actual);
    }
}
