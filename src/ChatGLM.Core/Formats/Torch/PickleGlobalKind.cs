namespace ChatGLM.Formats;

/// <summary>What the reader can build for a pickle.</summary>
internal enum PickleGlobalKind
{
    OrderedDict,
    RebuildTensorV1,
    RebuildTensorV2,
    RebuildParameter,
    RebuildParameterWithState,
    TorchSize,
    TorchDevice,
    Set,
    FrozenSet,
    Bytes,
    Storage,
    NumpyReconstruct,
    NumpyArray,
    NumpyDType,
    NumpyScalar,
}
