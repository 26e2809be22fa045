namespace ChatGLM.Training;

/// <summary>The numbers of the fields that an event file holds, from TensorFlow's event.proto, summary.proto, tensor.proto and tensor_shape.proto.</summary>
internal static class EventFields
{
    // Event
    public const int WallTime = 1;
    public const int Step = 2;
    public const int FileVersion = 3;
    public const int Summary = 5;

    // Summary
    public const int SummaryValue = 1;

    // Summary.Value
    public const int Tag = 1;
    public const int SimpleValue = 2;
    public const int Tensor = 8;
    public const int Metadata = 9;

    // SummaryMetadata and its PluginData
    public const int Plugin = 1;
    public const int PluginName = 1;

    // TensorProto, TensorShapeProto and its Dim
    public const int TensorType = 1;
    public const int TensorShape = 2;
    public const int StringValue = 8;
    public const int Dimension = 2;
    public const int DimensionSize = 1;

    /// <summary>DT_STRING.</summary>
    public const int StringType = 7;
}
