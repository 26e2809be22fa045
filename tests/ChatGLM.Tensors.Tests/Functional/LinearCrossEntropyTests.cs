using ChatGLM.Tensors.Tests.Autograd;

namespace ChatGLM.Tensors.Tests.Functions;

/// <summary>Scores and loss in one, against the two operations one after the other.</summary>
public sealed class LinearCrossEntropyTests
{
    private const int Rows = 37, Width = 64, Classes = 203;

    public static TheoryData<string, string, int> Cases
    {
        get
        {
            var cases = new TheoryData<string, string, int>();
            foreach (var weight in new[] { "float32", "bfloat16", "int8", "int4" })
            {
                foreach (var blockRows in new[] { 0, 5, 36 })
                {
                    cases.Add(TestBackends.Cpu, weight, blockRows);
                    cases.Add(TestBackends.Reference, weight, blockRows);
                }
            }

            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Is_the_two_operations_in_one(string backendName, string format, int blockRows)
    {
        using var scope = new TensorScope();
        var backend = TestBackends.Create(backendName);
        var generator = new TorchGenerator(11);
        var x = Normal(Rows, Width);
        var matrix = Normal(Classes, Width);
        LinearWeight weight = format switch
        {
            "int8" => backend.Quantize(matrix, new RowQuantization(8, DType.Float32, DividesByStoredScale: false)),
            "int4" => backend.Quantize(matrix, new GroupQuantization(4, 32)),
            "bfloat16" => new DenseWeight(backend.Cast(matrix, DType.BFloat16)),
            _ => new DenseWeight(matrix),
        };
        var labels = Tensor.From(Enumerable.Range(0, Rows).Select(row => row % 3 == 1 ? -100L : row * 7 % Classes).ToArray(), [Rows], backend);
        x.RequiresGrad = true;
        var (expected, expectedGrad) = Run(() => Functional.CrossEntropy(Functional.Linear(x, weight), labels));
        var (loss, grad) = Run(() => Functional.LinearCrossEntropy(x, weight, labels, blockRows: blockRows));
        loss.Should().BeApproximately(expected, 2e-6f * expected);
        var largest = expectedGrad.Max(MathF.Abs);
        grad.Zip(expectedGrad, (a, b) => MathF.Abs(a - b)).Max().Should().BeLessThan(3e-6f * largest);
        using (GradMode.NoGrad())
            Functional.LinearCrossEntropy(x, weight, labels, blockRows: blockRows).Item().Should().BeApproximately(Functional.CrossEntropy(Functional.Linear(x, weight), labels).Item(), 2e-6f * expected);

        Tensor Normal(int rows, int columns)
        {
            var values = new float[rows * columns];
            generator.Normal(values);
            return Tensor.From(values, [rows, columns], backend);
        }

        (float Loss, float[] Grad) Run(Func<Tensor> function)
        {
            x.ZeroGrad();
            var result = function();
            Functional.Affine(result, 2.5f, 0).Backward();
            return (result.Item(), x.Grad!.ToFloatArray());
        }
    }

    [Theory]
    [InlineData(TestBackends.Cpu)]
    [InlineData(TestBackends.Reference)]
    public void No_label_that_counts_gives_nan_and_no_gradient(string backendName)
    {
        using var scope = new TensorScope();
        var backend = TestBackends.Create(backendName);
        var x = Tensor.Full([2, 4], 1, DType.Float32, backend);
        x.RequiresGrad = true;
        var loss = Functional.LinearCrossEntropy(x, new DenseWeight(Tensor.Full([3, 4], 1, DType.Float32, backend)), Tensor.From([-100L, -100], [2], backend));
        float.IsNaN(loss.Item()).Should().BeTrue();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Holds_the_scores_of_one_block_at_a_time(bool trainsWeight)
    {
        var backend = new CpuBackend(new CpuBackendOptions { Threads = 1 });
        using var scope = new TensorScope();
        const int rows = 512, width = 16, classes = 4096, block = 32;
        var x = Tensor.Full([rows, width], 0.1, DType.Float32, backend);
        var matrix = Tensor.Full([classes, width], 0.1, DType.Float32, backend);
        x.RequiresGrad = true;
        matrix.RequiresGrad = trainsWeight;
        var labels = Tensor.From(new long[rows], [rows], backend);
        var before = backend.Memory.LoanedBytes;
        Functional.LinearCrossEntropy(x, new DenseWeight(matrix), labels, blockRows: block).Backward();
        var peak = backend.Memory.PeakLoanedBytes - before;

        // Scores and their gradient of one block, the gradients of the two matrices twice over, and small change.
        peak.Should().BeLessThan((2L * block * classes * sizeof(float)) + (3L * ((rows * width) + (classes * width)) * sizeof(float)));
        peak.Should().BeLessThan((long)rows * classes * sizeof(float) / 4);
    }
}
