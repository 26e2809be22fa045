using System.Diagnostics;
using System.Text;

namespace ChatGLM.Tool.Tests;

/// <summary>The command as a program, as a shell starts it.</summary>
internal sealed class ToolProcess : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly Process _process;

    /// <param name="shell">A line for bash, in which <c>$chatglm</c> is the program; its exit code is that of the line.</param>
    /// <param name="folder">Where it runs.</param>
    public ToolProcess(string shell, string folder)
    {
        var start = new ProcessStartInfo("bash", ["--norc", "-c", shell])
        {
            WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false, StandardOutputEncoding = Encoding.UTF8, StandardErrorEncoding = Encoding.UTF8,
        };
        // Where tests run in the background, Ctrl+C is ignored by whatever they start.
        start.Environment["chatglm"] = $"env --default-signal=INT,PIPE dotnet {Path.Combine(AppContext.BaseDirectory, "chatglm.dll")}";
        _process = Process.Start(start)!;
        (OutputText, ErrorText) = (_process.StandardOutput.ReadToEndAsync(), _process.StandardError.ReadToEndAsync());
    }

    public Task<string> OutputText { get; }

    public Task<string> ErrorText { get; }

    public StreamWriter Input => _process.StandardInput;

    /// <summary>Waits for the end.</summary>
    public async Task<int> WaitAsync()
    {
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }
}
