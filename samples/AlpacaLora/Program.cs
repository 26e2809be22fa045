using ChatGLM.Samples;
using ChatGLM.Samples.AlpacaLora;

return await SampleHost.RunAsync(AlpacaCommand.Create(), () => ArgumentFile.Normalize(ArgumentFile.Expand(args)));
