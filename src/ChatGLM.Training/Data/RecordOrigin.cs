using System.Globalization;

namespace ChatGLM.Training;

/// <summary>Where a record stands in its file. Kept as numbers: a text for each of millions of records would cost more than reading them.</summary>
/// <param name="Path">The file.</param>
/// <param name="Number">The record, from 1.</param>
/// <param name="Line">The line that it begins in, from 1.</param>
/// <param name="Byte">The byte that it begins at, from 0; -1 where bytes are not counted.</param>
internal readonly record struct RecordOrigin(string Path, long Number, long Line, long Byte = -1)
{
    public override string ToString() => Byte < 0
        ? string.Create(CultureInfo.InvariantCulture, $"{Path}, record {Number} (line {Line})")
        : string.Create(CultureInfo.InvariantCulture, $"{Path}, record {Number} (line {Line}, byte {Byte})");
}
