namespace ChatGLM.Peft.Tuners;

/// <summary>Values that a configuration gives to some layers by the ends of their paths (<c>rank_pattern</c>, <c>alpha_pattern</c>).</summary>
internal static class PathPatterns
{
    /// <summary>The value of the first pattern that the end of the path matches.</summary>
    public static T ValueFor<T>(string path, string source, string field, IReadOnlyDictionary<string, T> patterns, T fallback)
    {
        foreach (var (pattern, value) in patterns)
        {
            if (new ModulePattern($@"(?:.*\.)?(?:{pattern})", source, field, pattern).Matches(path))
                return value;
        }

        return fallback;
    }
}
