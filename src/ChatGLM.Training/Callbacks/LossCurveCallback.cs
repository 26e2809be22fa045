namespace ChatGLM.Training;

/// <summary>
/// Draws the losses of training and evaluation and the learning rate when training ends: <c>loss_curve.svg</c>, and <c>loss_curve.html</c> with the numbers beside it, in the output folder. A
/// trainer has it by itself.
/// </summary>
public sealed class LossCurveCallback : TrainerCallback
{
    /// <summary>The names of the files without their ends.</summary>
    public const string FileName = "loss_curve";

    /// <inheritdoc/>
    public override void OnTrainEnd(TrainerContext context)
    {
        ArgumentNullException.ThrowIfNull(context);
        var curve = new LossCurve(context.State.LogHistory, context.Arguments.RunName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(context.Arguments.OutputDir)));
        if (!curve.HasPoints)
            return;
        Directory.CreateDirectory(context.Arguments.OutputDir);
        Write(".svg", curve.ToSvg());
        Write(".html", curve.ToHtml());

        void Write(string end, string text) =>
            ResultFiles.WriteBeside(Path.Combine(context.Arguments.OutputDir, FileName + end), stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
    }
}
