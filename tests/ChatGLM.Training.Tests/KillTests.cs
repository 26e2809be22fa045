using System.Diagnostics;
using ChatGLM.Training.Worker;
using Xunit.Abstractions;

namespace ChatGLM.Training.Tests;

/// <summary>Runs that are killed, not asked to stop: the checkpoints they leave are whole, and going on from them ends with the same bits.</summary>
public sealed class KillTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData(20, false)]
    [InlineData(20, true)]
    [Trait("Category", "Slow")]
    public void A_run_that_is_killed_at_random_moments_ends_with_the_bits_of_one_that_was_not(int times, bool withAdapter) => Kill(times, withAdapter);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_run_that_is_killed_once_ends_with_the_bits_of_one_that_was_not(bool withAdapter) => Kill(1, withAdapter);

    private void Kill(int times, bool withAdapter)
    {
        var weights = withAdapter ? "adapter_model.safetensors" : "pytorch_model.bin";
        using var folder = new TemporaryFolder();
        using (var whole = Start(folder["whole"], withAdapter))
        {
            whole.WaitForExit();
            whole.ExitCode.Should().Be(0);
        }

        var expected = File.ReadAllBytes(Path.Combine(folder["whole"], TinyRun.FinalFolder, weights));
        var random = new Random(7);
        var (killed, missed) = (0, 0);
        while (killed < times)
        {
            var at = folder[$"killed-{killed}-{missed}"];
            // At a random step, and a random moment of what is done between two steps; the second time further on.
            var step = random.Next(1, 9) * 2;
            if (!KillWhen(at, step, random, withAdapter) || !KillWhen(at, step + 2, random, withAdapter))
            {
                // The run came to its end while this process waited for a processor.
                missed++.Should().BeLessThan(times + 5, "most runs are caught");
                continue;
            }

            using (var rest = Start(at, withAdapter))
            {
                rest.WaitForExit();
                rest.ExitCode.Should().Be(0);
            }

            output.WriteLine($"run {killed++}: killed at steps {step} and {step + 2}");
            File.ReadAllBytes(Path.Combine(at, TinyRun.FinalFolder, weights)).Should().Equal(expected);
            Directory.EnumerateDirectories(at, ".partial-*").Should().BeEmpty();
        }
    }

    /// <summary>Kills a run soon after it has begun to write a checkpoint of a step; false if it got to its end first.</summary>
    private static bool KillWhen(string folder, int step, Random random, bool withAdapter)
    {
        using var run = Start(folder, withAdapter);
        var clock = Stopwatch.StartNew();
        // Also the folder that is being written counts: then the run dies while saving.
        while (!Directory.Exists(folder) || !Directory.EnumerateDirectories(folder, $"*checkpoint-{step}*").Any())
        {
            if (run.HasExited)
            {
                run.ExitCode.Should().Be(0, "nothing but being killed ends a run early");
                return false;
            }

            clock.Elapsed.Should().BeLessThan(TimeSpan.FromMinutes(2));
            Thread.Sleep(1);
        }

        Thread.Sleep(random.Next(0, 30));
        run.Kill();
        run.WaitForExit();
        return run.ExitCode != 0;
    }

    private static Process Start(string folder, bool withAdapter) =>
        Process.Start(new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "ChatGLM.Training.Worker.dll"), folder, .. (withAdapter ? ["--adapter"] : Array.Empty<string>())]) { UseShellExecute = false })!;
}
