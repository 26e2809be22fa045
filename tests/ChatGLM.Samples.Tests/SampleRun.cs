using System.Diagnostics;

namespace ChatGLM.Samples.Tests;

/// <summary>A sample, run as a program in a folder of its own, as a user runs it.</summary>
internal sealed class SampleRun : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    public static string RepositoryRoot { get; } = FindRoot();

    public string Folder { get; } = Directory.CreateTempSubdirectory("chatglm-samples-").FullName;

    public static string Data(string file) => Path.Combine(AppContext.BaseDirectory, "Data", file);

    public string PathOf(params string[] parts) => Path.Combine([Folder, .. parts]);

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    /// <summary>Runs to the end.</summary>
    /// <param name="sample">The program, such as PTuning.</param>
    /// <param name="words">Its command line.</param>
    /// <param name="environment">Variables for it.</param>
    public (int ExitCode, string Output, string Error) Run(string sample, IReadOnlyList<string> words, params (string Name, string Value)[] environment)
    {
        using var process = Start(sample, words, environment);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail("The sample does not end.");
        }

        return (process.ExitCode, output.Result, error.Result);
    }

    /// <summary>Runs until a file or folder is there, and then asks it to end, which the samples take as Ctrl+C: a shell that runs tests in the background has them ignore Ctrl+C itself.</summary>
    public (int ExitCode, string Error) Interrupt(string sample, IReadOnlyList<string> words, string whenThereIs)
    {
        using var process = Start(sample, words);
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        var clock = Stopwatch.StartNew();
        while (!Path.Exists(PathOf(whenThereIs)))
        {
            process.HasExited.Should().BeFalse("it has to be running when it is interrupted");
            clock.Elapsed.Should().BeLessThan(Patience);
            Thread.Sleep(5);
        }

        using (var kill = Process.Start("kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]))
            kill.WaitForExit();
        if (!process.WaitForExit(Patience))
        {
            process.Kill();
            Assert.Fail("The sample goes on after it was asked to end.");
        }

        _ = output.Result;
        return (process.ExitCode, error.Result);
    }

    private Process Start(string sample, IReadOnlyList<string> words, params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, sample + ".dll"), .. words])
        {
            WorkingDirectory = Folder, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false,
            StandardOutputEncoding = System.Text.Encoding.UTF8, StandardErrorEncoding = System.Text.Encoding.UTF8,
        };
        start.Environment["XDG_CACHE_HOME"] = PathOf("cache");
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start)!;
    }

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
        {
            if (File.Exists(Path.Combine(at.FullName, "ChatGLM.sln")))
                return at.FullName;
        }

        throw new DirectoryNotFoundException($"No ChatGLM.sln above {AppContext.BaseDirectory}.");
    }
}
