using ChatGLM.Models;
using ChatGLM.Tensors;

namespace ChatGLM.Training;

/// <summary>Makes a batch of rows.</summary>
public interface IDataCollator
{
    /// <summary>Makes a batch of rows, in the current <see cref="TensorScope"/>.</summary>
    /// <param name="rows">At least one row.</param>
    /// <param name="backend">Where the tensors go.</param>
    ModelInputs Collate(IReadOnlyList<TokenizedExample> rows, Backend backend);
}
