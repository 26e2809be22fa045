using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text.Json.Nodes;
using ChatGLM.Hub;
using ChatGLM.Tool.Commands;
using ChatGLM.Tool.Terminal;
using ChatGLM.Training;
using Microsoft.Extensions.Options;

namespace ChatGLM.Tool;

/// <summary>Runs one command line, and turns whatever happens into words and an exit code.</summary>
internal static class ToolHost
{
    private const int BrokenPipeError = 32; // EPIPE

    /// <param name="args">The words after the program's name.</param>
    /// <param name="console">What to read from and write to.</param>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> args, ToolConsole console)
    {
        var isJson = args.Contains("--json");
        try
        {
            var root = ToolCommandLine.Create(console);
            // A prompt may begin with @ or -: nothing in it is a file of arguments or a bundle of flags.
            var parsed = root.Parse(TrainCommand.Words(args), new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
            if (parsed.Action is ParseErrorAction || parsed.Errors.Count > 0)
                return UsageText.Write(parsed, console, isJson);
            var configuration = new InvocationConfiguration { Output = console.Out, Error = console.Error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            var code = await parsed.InvokeAsync(configuration, console.Interruption.Token);
            await console.Out.FlushAsync(CancellationToken.None);
            return code;
        }
        catch (OperationCanceledException stopped) when (console.Interruption.Token.IsCancellationRequested)
        {
            // A trainer says where it stopped; the runtime has nothing to say.
            var message = stopped is TaskCanceledException || stopped.Message == new OperationCanceledException().Message ? "Stopped." : stopped.Message;
            return Fail(console.Interruption.ExitCode, message, nameof(OperationCanceledException));
        }
        catch (IOException error) when (!OperatingSystem.IsWindows() && (error.HResult == BrokenPipeError || error.InnerException?.HResult == BrokenPipeError))
        {
            return ExitCode.BrokenPipe; // nobody is there to be told
        }
        catch (OutOfMemoryException error)
        {
            return Fail(ExitCode.Failed, $"There is not enough memory: {error.Message} chatglm info says what a model needs; --quantize 4 holds it in the least.", nameof(OutOfMemoryException));
        }
        catch (Exception error) when (error is UsageException or TrainingArgumentsException)
        {
            return Fail(ExitCode.Usage, $"{error.Message}\n{UsageText.Hint(args)}", error.GetType().Name);
        }
        catch (Exception error) when (error is ChatGLMException or IOException or UnauthorizedAccessException or OptionsValidationException or InvalidDataException)
        {
            var hint = error is HubAccessDeniedException { IsGated: false } && string.IsNullOrEmpty(console.Environment("HF_TOKEN")) ? "\nHF_TOKEN, or the file that `huggingface-cli login` writes, gives the token." : "";
            return Fail(ExitCode.Failed, error.Message + hint, error.GetType().Name);
        }

        int Fail(int code, string message, string type)
        {
            if (isJson)
                JsonLine.Write(console.Error, new JsonObject { ["event"] = "error", ["error"] = type, ["message"] = message, ["exit_code"] = code });
            else
                console.Error.WriteLine(message);
            return code;
        }
    }
}
