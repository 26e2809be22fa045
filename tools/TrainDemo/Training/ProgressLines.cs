using ChatGLM.Training;

namespace ChatGLM.Tools.TrainDemo.Training;

/// <summary>Writes a line every fifty steps.</summary>
internal sealed class ProgressLines : IProgress<TrainingProgress>
{
    private const int Every = 50;

    private double _loss;

    public void Report(TrainingProgress value)
    {
        _loss += value.Loss;
        if (value.Step % Every != 0)
            return;
        Console.WriteLine($"step {value.Step,5} of {value.TotalSteps}  loss {_loss / Every:F4}  {value.TokensPerSecond:F0} tokens/s  {value.Elapsed:mm\\:ss}");
        _loss = 0;
    }
}
