using ChatGLM.Samples;
using ChatGLM.Samples.PTuning;

return await SampleHost.RunAsync(PTuningCommand.Create(), () => PTuningCommand.Words(args));
