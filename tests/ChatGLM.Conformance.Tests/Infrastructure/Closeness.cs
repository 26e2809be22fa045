using System.Text.Json;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>Compares against a recording: |actual - expected| &lt;= atol + rtol * |expected|, infinities and NaN exactly; keeps the largest error.</summary>
public sealed class Closeness(double atol, double rtol = 0)
{
    public static Closeness From(JsonElement tolerance) => new(
        tolerance.TryGetProperty("atol", out var a) ? a.GetDouble() : 0,
        tolerance.TryGetProperty("rtol", out var r) ? r.GetDouble() : 0);

    public double LargestError { get; private set; }

    public void Check(string what, ReadOnlySpan<float> actual, ReadOnlySpan<float> expected)
    {
        actual.Length.Should().Be(expected.Length, "'{0}' has as many values as were recorded", what);
        for (var i = 0; i < expected.Length; i++)
        {
            if (actual[i].Equals(expected[i]))
                continue;
            double error = Math.Abs((double)actual[i] - expected[i]);
            if (!(error <= atol + rtol * Math.Abs((double)expected[i])))
                Assert.Fail($"{what}[{i}]: expected {expected[i]:R}, got {actual[i]:R} (error {error:G3}, allowed {atol + rtol * Math.Abs(expected[i]):G3}).");
            LargestError = Math.Max(LargestError, error);
        }
    }

    public void Report(ITestOutputHelper output, string what) => output.WriteLine($"{what}: largest error {LargestError:G3}");
}
