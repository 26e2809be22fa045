using System.CommandLine;
using System.Text;
using ChatGLM;
using ChatGLM.Samples.Chat;

Console.OutputEncoding = Encoding.UTF8;
Console.InputEncoding = Encoding.UTF8;

var command = ChatCommandLine.Create(async (options, cancellationToken) =>
{
    try
    {
        using var chat = ConsoleChat.Load(options);
        return await chat.RunAsync(cancellationToken);
    }
    catch (ChatGLMException error)
    {
        await Console.Error.WriteLineAsync(error.Message);
        return 1;
    }
});

// Ctrl+C belongs to the chat: it ends the answer, not the program.
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = null });
