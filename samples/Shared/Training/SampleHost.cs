using System.CommandLine;
using System.CommandLine.Invocation;
using System.Text;
using ChatGLM.Training;

namespace ChatGLM.Samples;

/// <summary>Runs a command and says what went wrong, if anything did, in words and an exit code.</summary>
internal static class SampleHost
{
    /// <summary>Data, a model or a disk is not what it should be.</summary>
    public const int Failed = 1;

    /// <summary>A flag or its value is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ctrl+C.</summary>
    public const int Interrupted = 130;

    /// <summary>Runs on the console; the first Ctrl+C lets the step end and a checkpoint be saved, the second ends the program.</summary>
    public static async Task<int> RunAsync(RootCommand command, Func<IReadOnlyList<string>> words)
    {
        Console.OutputEncoding = Encoding.UTF8;
        using var interruption = new Interruption();
        return await RunAsync(command, words, Console.Out, Console.Error, interruption.Token);
    }

    /// <summary>Runs with these outputs.</summary>
    public static async Task<int> RunAsync(RootCommand command, Func<IReadOnlyList<string>> words, TextWriter output, TextWriter error, CancellationToken cancellationToken)
    {
        try
        {
            // A prompt may begin with @ or -: nothing in it is a file of arguments or a bundle of flags.
            var parsed = command.Parse(words(), new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
            if (parsed.Action is ParseErrorAction)
            {
                foreach (var problem in parsed.Errors)
                    await error.WriteLineAsync(problem.Message);
                await error.WriteLineAsync("--help lists the flags.");
                return Usage;
            }

            var configuration = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await parsed.InvokeAsync(configuration, cancellationToken);
        }
        catch (OperationCanceledException stopped) when (cancellationToken.IsCancellationRequested)
        {
            await error.WriteLineAsync(stopped.Message);
            return Interrupted;
        }
        catch (TrainingArgumentsException wrong)
        {
            await error.WriteLineAsync(wrong.Message);
            await error.WriteLineAsync("--help lists the flags.");
            return Usage;
        }
        catch (Exception wrong) when (wrong is ChatGLMException or IOException or UnauthorizedAccessException)
        {
            await error.WriteLineAsync(wrong.Message);
            return Failed;
        }
    }
}
