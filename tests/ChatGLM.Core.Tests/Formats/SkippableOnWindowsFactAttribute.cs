namespace ChatGLM.Core.Tests.Formats;

/// <summary>A fact about symbolic links, which an ordinary account on Windows may not make.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SkippableOnWindowsFactAttribute : FactAttribute
{
    public SkippableOnWindowsFactAttribute()
    {
        if (OperatingSystem.IsWindows())
            Skip = "Making symbolic links needs a privilege on Windows.";
    }
}
