using System.Diagnostics;
using ChatGLM.Training.Worker;
using Xunit.Abstractions;

namespace ChatGLM.Training.Tests;

/// <summary>Runs that are killed, not asked to stop: the checkpoints they leave are whole, and going on from them ends with the same bits.</summary>
public sealed class KillTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(20)]
    [Trait("Category", "Slow")]
    public void A_run_that_is_killed_at_random_moments_ends_with_the_bits_of_one_that_was_not(int times) => Kill(times);

    [Fact]
    public void A_run_that_is_killed_once_ends_with_the_bits_of_one_that_was_not() => Kill(1);

    private void Kill(int times)
    {
        using var folder = new TemporaryFolder();
        var clock = Stopwatch.StartNew();
        using (var whole = Start(folder["whole"]))
        {
            whole.WaitForExit();
            whole.ExitCode.Should().Be(0);
        }

        var length = clock.Elapsed;
        var expected = File.ReadAllBytes(Path.Combine(folder["whole"], TinyRun.FinalFolder, "model.safetensors"));
        var random = new Random(7);
        for (var i = 0; i < times; i++)
        {
            var at = folder[$"killed-{i}"];
            var kills = 0;
            while (true)
            {
                using var run = Start(at);
                // The start of the process takes part of the time: the second half of it is where checkpoints are written.
                if (run.WaitForExit(length * (0.4 + (0.6 * random.NextDouble()))))
                {
                    run.ExitCode.Should().Be(0);
                    break;
                }

                run.Kill();
                run.WaitForExit();
                if (++kills >= 3)
                {
                    using var rest = Start(at);
                    rest.WaitForExit();
                    rest.ExitCode.Should().Be(0);
                    break;
                }
            }

            output.WriteLine($"run {i}: killed {kills} times");
            File.ReadAllBytes(Path.Combine(at, TinyRun.FinalFolder, "model.safetensors")).Should().Equal(expected);
            Directory.EnumerateDirectories(at, ".partial-*").Should().BeEmpty();
        }
    }

    private static Process Start(string folder) =>
        Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "ChatGLM.Training.Worker.dll"), folder]) { UseShellExecute = false })!;
}
