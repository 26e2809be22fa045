using ChatGLM.Tensors.Tests.Autograd;
using Xunit.Abstractions;

namespace ChatGLM.Tensors.Tests.Functions;

public sealed class GradientTests(ITestOutputHelper output)
{
    public static TheoryData<string, string> Operations => OperationCases.All;

    [Theory]
    [MemberData(nameof(Operations))]
    public void Agrees_with_finite_differences(string operation, string backend)
    {
        var (inputs, function) = new OperationCases(TestBackends.Create(backend)).Get(operation);
        var error = GradientCheck.LargestError(function, inputs);
        output.WriteLine($"largest error {error:E2}");
        error.Should().BeLessThan(GradientCheck.Tolerance);
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void Leaves_no_buffer_behind(string operation, string backend)
    {
        var host = TestBackends.Create(backend);
        var cases = new OperationCases(host);
        var (inputs, function) = cases.Get(operation);
        Pass();
        var loaned = host.Memory.LoanedBuffers;
        Pass();
        Pass();
        host.Memory.LoanedBuffers.Should().Be(loaned);
        GC.KeepAlive(cases);

        void Pass()
        {
            using (new TensorScope())
                function(inputs).Select(Functional.Sum).Aggregate((a, b) => Functional.Add(a, b)).Backward();
            foreach (var input in inputs)
                input.ZeroGrad();
        }
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void Records_nothing_under_no_grad_or_for_frozen_inputs(string operation, string backend)
    {
        var (inputs, function) = new OperationCases(TestBackends.Create(backend)).Get(operation);
        using (GradMode.NoGrad())
            function(inputs).Should().OnlyContain(result => result.Function == null);
        foreach (var input in inputs)
            input.RequiresGrad = false;
        function(inputs).Should().OnlyContain(result => result.Function == null && !result.RequiresGrad);
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public void Results_are_the_same_recorded_or_not(string operation, string backend)
    {
        var (inputs, function) = new OperationCases(TestBackends.Create(backend)).Get(operation);
        var recorded = function(inputs).Select(result => result.ToArray<float>()).ToArray();
        using var noGrad = GradMode.NoGrad();
        var plain = function(inputs).Select(result => result.ToArray<float>()).ToArray();
        plain.Should().BeEquivalentTo(recorded, options => options.WithStrictOrdering());
    }
}
