namespace ChatGLM.Formats;

/// <summary>Which of Python's sequences a <see cref="PickleSequence"/> is.</summary>
internal enum PickleSequenceKind
{
    List,
    Tuple,
    Set,
    FrozenSet,
    TorchSize,
}
