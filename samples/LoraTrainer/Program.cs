using ChatGLM.Samples;
using ChatGLM.Samples.LoraTrainer;

return await SampleHost.RunAsync(LoraCommand.Create(Environment.GetEnvironmentVariable), () => args);
