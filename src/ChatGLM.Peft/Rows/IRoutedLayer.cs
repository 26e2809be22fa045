namespace ChatGLM.Peft.Rows;

/// <summary>A layer that can send each row of a batch through an adapter of its own.</summary>
internal interface IRoutedLayer
{
    /// <summary>Where the layer finds out; set when it is put into a model.</summary>
    RowRouting? Routing { get; set; }
}
