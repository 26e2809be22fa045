using System.CommandLine;
using ChatGLM.Tools.TrainDemo;

return await DemoCommandLine.Create().Parse(args).InvokeAsync();
