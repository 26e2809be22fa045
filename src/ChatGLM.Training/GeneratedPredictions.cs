using System.Text;
using System.Text.Json;

namespace ChatGLM.Training;

/// <summary>The file of answers that THUDM's script writes: a line <c>{"labels": "...", "predict": "..."}</c> for each row, without escapes for what is not ASCII.</summary>
public static class GeneratedPredictions
{
    /// <summary>Writes the file beside and renames it.</summary>
    /// <param name="path">The file, such as <c>generated_predictions.txt</c>.</param>
    /// <param name="rows">What should have been written, and what was.</param>
    public static void Write(string path, IEnumerable<(string Label, string Predicted)> rows)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(rows);
        if (Path.GetDirectoryName(path) is { Length: > 0 } folder)
            Directory.CreateDirectory(folder);
        ResultFiles.WriteBeside(path, stream =>
        {
            using var writer = new StreamWriter(stream, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true) { NewLine = "\n" };
            foreach (var (label, predicted) in rows)
                writer.WriteLine($"{{\"labels\": {PythonLiterals.Dumps(label)}, \"predict\": {PythonLiterals.Dumps(predicted)}}}");
        });
    }
}
