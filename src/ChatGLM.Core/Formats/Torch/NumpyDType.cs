namespace ChatGLM.Formats;

/// <summary>The element type of a numpy array in a pickle: a plain number, little-endian. Types that hold objects are refused, since their elements would be pickled themselves.</summary>
internal sealed class NumpyDType
{
    private NumpyDType(string code, int sizeInBytes) => (Code, SizeInBytes) = (code, sizeInBytes);

    /// <summary>numpy's name, such as <c>u4</c>.</summary>
    public string Code { get; }

    public int SizeInBytes { get; }

    /// <summary>The type of a name such as <c>u4</c> or <c>&lt;f8</c>; null if it is none of the plain ones.</summary>
    public static NumpyDType? Find(string code)
    {
        var bare = code.AsSpan();
        if (bare.Length > 0 && bare[0] is '<' or '|' or '=')
            bare = bare[1..];
        return bare switch
        {
            "b1" or "i1" or "u1" => new NumpyDType(bare.ToString(), 1),
            "i2" or "u2" or "f2" => new NumpyDType(bare.ToString(), 2),
            "i4" or "u4" or "f4" => new NumpyDType(bare.ToString(), 4),
            "i8" or "u8" or "f8" => new NumpyDType(bare.ToString(), 8),
            _ => null,
        };
    }

    /// <summary>Looks at what BUILD sets: a version, the order of bytes, and fields that plain numbers do not have. Returns what is wrong, or null.</summary>
    public static string? ProblemWith(object? state) => state is PickleSequence { Items: [_, "<" or "|" or "=", null, null, null, ..] }
        ? null
        : "a numpy type has fields, or big-endian numbers";
}
