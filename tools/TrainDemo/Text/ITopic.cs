namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Something that the model can talk about.</summary>
internal interface ITopic
{
    /// <summary>One or more rounds that belong together, held-out ones among them.</summary>
    IReadOnlyList<Exchange> Next(Draw draw);
}
