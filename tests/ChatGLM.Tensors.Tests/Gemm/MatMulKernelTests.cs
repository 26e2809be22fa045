namespace ChatGLM.Tensors.Tests.Gemm;

public class MatMulKernelTests
{
    private readonly ReferenceBackend _witness = new();

    [Theory]
    [InlineData(0)]
    [InlineData(128)]
    [InlineData(256)]
    [InlineData(512)]
    public void Agrees_with_the_witness(int vectorBits)
    {
        var cpu = MatrixData.Cpu(vectorBits, threads: 3);
        foreach (var (batches, rows, columns, depth) in new[] { (1, 1, 1, 1), (2, 0, 3, 4), (2, 3, 0, 4), (2, 3, 4, 0), (0, 3, 4, 5), (1, 40, 33, 400), (2, 13, 17, 19), (7, 5, 65, 31), (4, 64, 64, 64) })
        {
            foreach (var (transposeA, transposeB) in new[] { (false, false), (true, false), (false, true), (true, true) })
            {
                var a = MatrixData.Random(_witness, transposeA ? [batches, depth, rows] : [batches, rows, depth], seed: 1);
                var b = MatrixData.Random(_witness, transposeB ? [batches, columns, depth] : [batches, depth, columns], seed: 2);
                var expected = _witness.MatMul(a, b, transposeA, transposeB);
                var magnitude = _witness.MatMul(a.Absolute(), b.Absolute(), transposeA, transposeB);
                cpu.MatMul(a.On(cpu), b.On(cpu), transposeA, transposeB).ShouldBeProduct(expected, magnitude, depth);
            }
        }
    }

    [Fact]
    public void Multiplies_matrices_without_batch_axes_and_with_several()
    {
        var cpu = MatrixData.Cpu();
        cpu.MatMul(MatrixData.Random(cpu, [3, 4]), MatrixData.Random(cpu, [4, 5])).Shape.Should().Be(new Shape(3, 5));
        cpu.MatMul(MatrixData.Random(cpu, [2, 6, 3, 4]), MatrixData.Random(cpu, [2, 6, 5, 4]), transposeB: true).Shape.Should().Be(new Shape(2, 6, 3, 5));
    }

    [Fact]
    public void Gives_the_same_bits_whether_batches_or_blocks_are_shared_out()
    {
        foreach (var batches in new[] { 1, 4 })
        {
            float[]? expected = null;
            foreach (var threads in new[] { 1, 2, 3, 5 })
            {
                var cpu = MatrixData.Cpu(threads: threads);
                var y = cpu.MatMul(MatrixData.Random(cpu, [batches, 200, 500], seed: 1), MatrixData.Random(cpu, [batches, 500, 300], seed: 2)).ToArray<float>();
                expected ??= y;
                y.AsSpan().SequenceEqual(expected).Should().BeTrue();
            }
        }
    }

    [Fact]
    public void Serves_two_threads_at_once()
    {
        var cpu = MatrixData.Cpu();
        var a = MatrixData.Random(cpu, [120, 300], seed: 1);
        var b = MatrixData.Random(cpu, [300, 200], seed: 2);
        var expected = cpu.MatMul(a, b).ToArray<float>();
        var results = new float[4][];
        Parallel.For(0, 4, i =>
        {
            for (var round = 0; round < 20; round++)
                results[i] = cpu.MatMul(a, b).ToArray<float>();
        });
        foreach (var result in results)
            result.AsSpan().SequenceEqual(expected).Should().BeTrue();
    }
}
