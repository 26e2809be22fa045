using System.CommandLine;
using System.Text;
using ChatGLM.Samples.QuickStart;

Console.OutputEncoding = Encoding.UTF8;

var command = QuickStartCommandLine.Create((options, cancellationToken) => QuickStartRun.RunAsync(options, Screen.OfConsole(), Console.Error, cancellationToken));

// Ctrl+C lets the step that is being made end and its checkpoint be written.
return await command.Parse(args).InvokeAsync(new InvocationConfiguration { ProcessTerminationTimeout = TimeSpan.FromSeconds(30) });
