namespace ChatGLM.Core.Tests.Formats;

/// <summary>A theory about symbolic links, which an ordinary account on Windows may not make, or about renaming a mapped file, which Windows refuses.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class SkippableOnWindowsTheoryAttribute : TheoryAttribute
{
    public SkippableOnWindowsTheoryAttribute()
    {
        if (OperatingSystem.IsWindows())
            Skip = "Windows needs a privilege for symbolic links, and keeps mapped files.";
    }
}
