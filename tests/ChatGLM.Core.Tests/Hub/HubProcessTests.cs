using System.Diagnostics;

namespace ChatGLM.Core.Tests.Hub;

/// <summary>Downloads by processes of their own, which can be killed as a user kills them.</summary>
public sealed class HubProcessTests
{
    private static readonly string[] Files = ["config.json", "generation_config.json", "model.safetensors"];

    [Fact]
    public async Task Killed_at_random_points_a_download_ends_with_the_right_bytes()
    {
        var random = new Random(11);
        using var setup = new HubSetup(TestRepository.Small(weightBytes: 900_000, seed: 11));
        setup.Hub.BytesPerSecond = 1_000_000;
        for (var kill = 0; kill < 4; kill++)
        {
            var limit = setup.Hub.Downloads.Count();
            using var process = Start(setup);
            // From when content flows: before that there is nothing to interrupt.
            while (setup.Hub.Downloads.Count() == limit && !process.HasExited)
                await Task.Delay(10);
            await Task.Delay(random.Next(20, 180));
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            File.Exists(Path.Combine(setup.Store, "refs", "main")).Should().BeFalse();
        }

        setup.Hub.BytesPerSecond = 0;
        setup.ShouldHold(await FinishAsync(Start(setup)), Files);
        setup.Hub.Downloads.Should().Contain(r => r.IsStore && r.From > 0, "the killed ones were taken up");
    }

    [Fact]
    public async Task Two_processes_share_one_download()
    {
        using var setup = new HubSetup(TestRepository.Small(weightBytes: 300_000, seed: 12));
        setup.Hub.BytesPerSecond = 400_000;
        var folders = await Task.WhenAll(FinishAsync(Start(setup)), FinishAsync(Start(setup)));
        folders[0].Should().Be(folders[1]);
        setup.ShouldHold(folders[0], Files);
        setup.Hub.Downloads.Should().HaveCount(4, "the large one takes two requests: its redirect and its content");
    }

    private static Process Start(HubSetup setup)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var argument in (string[])[Path.Combine(AppContext.BaseDirectory, "ChatGLM.Core.Tests.Downloader.dll"), setup.Hub.Endpoint, setup.Cache.Path, HubSetup.Repo])
            start.ArgumentList.Add(argument);
        return Process.Start(start)!;
    }

    private static async Task<string> FinishAsync(Process process)
    {
        using (process)
        {
            var error = process.StandardError.ReadToEndAsync();
            var output = await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            process.ExitCode.Should().Be(0, await error);
            return output.Trim();
        }
    }
}
