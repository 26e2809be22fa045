using System.Collections;
using System.Runtime.CompilerServices;

namespace ChatGLM.Peft;

/// <summary>
/// Which modules get an adapter: a list of names, <c>["query_key_value", "dense"]</c>, each the whole path of a module or its end after a point; or one string, a regular
/// expression that the whole path matches, or <c>"all-linear"</c> for every linear layer but the output layer.
/// </summary>
[CollectionBuilder(typeof(TargetModules), nameof(Create))]
public sealed class TargetModules : IEnumerable<string>
{
    /// <summary>What stands for every linear layer.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>Names of modules.</summary>
    public TargetModules(IEnumerable<string> names) => Names = [.. names];

    private TargetModules(string pattern)
    {
        Names = [];
        Pattern = pattern;
    }

    /// <summary>The names, if they were given as a list.</summary>
    public IReadOnlyList<string> Names { get; }

    /// <summary>The regular expression, or <see cref="AllLinear"/>; null if names were given.</summary>
    public string? Pattern { get; }

    /// <summary>Whether every linear layer is meant.</summary>
    public bool IsAllLinear => string.Equals(Pattern, AllLinear, StringComparison.OrdinalIgnoreCase);

    /// <summary>Names of modules; what a collection expression calls.</summary>
    public static TargetModules Create(ReadOnlySpan<string> names) => new(names.ToArray());

    /// <summary>A regular expression, or <see cref="AllLinear"/>.</summary>
    public static implicit operator TargetModules(string pattern) => new(pattern);

    /// <summary>Names of modules.</summary>
    public static implicit operator TargetModules(string[] names) => new((IEnumerable<string>)names);

    /// <inheritdoc/>
    public IEnumerator<string> GetEnumerator() => Names.GetEnumerator();

    /// <summary>The names or the pattern, for messages.</summary>
    public override string ToString() => Pattern is { } pattern ? $"'{PeftException.Bound(pattern)}'" : $"[{PeftException.List(Names)}]";

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
