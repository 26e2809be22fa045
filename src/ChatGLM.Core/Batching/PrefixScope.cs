using ChatGLM.Models;

namespace ChatGLM.Batching;

/// <summary>What must be the same for keys and values of the same tokens to be the same: the adapter, what stands before the first token, and, where a context attends to itself in both directions, all
/// of it.</summary>
internal readonly struct PrefixScope(string? adapter, StandingPrompt prompt, int[] context) : IEquatable<PrefixScope>
{
    private readonly string? _adapter = adapter;
    private readonly StandingPrompt _prompt = prompt;
    private readonly int[] _context = context;

    public bool Equals(PrefixScope other) => _adapter == other._adapter && _prompt == other._prompt && _context.AsSpan().SequenceEqual(other._context);

    public override bool Equals(object? obj) => obj is PrefixScope other && Equals(other);

    public override int GetHashCode()
    {
        var hash = new HashCode();
        hash.Add(_adapter, StringComparer.Ordinal);
        hash.Add(_prompt);
        hash.AddBytes(System.Runtime.InteropServices.MemoryMarshal.AsBytes(_context.AsSpan()));
        return hash.ToHashCode();
    }
}
