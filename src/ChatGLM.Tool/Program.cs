using ChatGLM.Tool;
using ChatGLM.Tool.Terminal;

var console = ToolConsole.OfProcess();
using var signals = new SignalHandlers(console);
return await ToolHost.RunAsync(args, console);
