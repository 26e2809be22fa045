using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>The rotary table of a model, made as far as positions are used: a table for a million positions would be larger than a small model.</summary>
internal sealed class RotaryPositions(float[] inverseFrequencies, RotaryStyle style, int sections, int limit, float positionDivisor, Backend backend) : IDisposable
{
    private const int FirstPositions = 512;

    private readonly Lock _growing = new();
    private Backend _backend = backend;
    private readonly List<RotaryTable> _outgrown = [];
    private volatile RotaryTable? _table;

    /// <summary>A table that covers positions 0 to <paramref name="positions"/> - 1.</summary>
    public RotaryTable Covering(long positions)
    {
        if (positions > limit)
            throw new ModelInputException("PositionIds", $"position {positions - 1} is beyond the model's last, {limit - 1}. Shorten the text.");
        return _table is { } table && table.Positions >= positions ? table : Grow((int)positions);
    }

    /// <summary>Makes the table anew on another backend when it is needed next.</summary>
    public void MoveTo(Backend backend)
    {
        Dispose();
        _backend = backend;
    }

    public void Dispose()
    {
        lock (_growing)
        {
            if (_table is { } table)
                _outgrown.Add(table);
            foreach (var old in _outgrown)
            {
                old.Cos.Dispose();
                old.Sin.Dispose();
            }

            _outgrown.Clear();
            _table = null;
        }
    }

    private RotaryTable Grow(int positions)
    {
        lock (_growing)
        {
            if (_table is { } table)
            {
                if (table.Positions >= positions)
                    return table;
                // Another thread may be computing with the old table; all of them together are smaller than the new one.
                _outgrown.Add(table);
            }

            return _table = Create(Math.Min(limit, Math.Max(FirstPositions, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)positions))));
        }
    }

    private RotaryTable Create(int positions)
    {
        var pairs = inverseFrequencies.Length;
        var (cos, sin) = (new float[(long)positions * pairs], new float[(long)positions * pairs]);
        for (var position = 0; position < positions; position++)
        {
            var scaled = position / positionDivisor;
            for (var pair = 0; pair < pairs; pair++)
            {
                // The angle is rounded to float32 first, as the reference's is: at position 2,000 the difference would show.
                var angle = scaled * inverseFrequencies[pair];
                (cos[(position * (long)pairs) + pair], sin[(position * (long)pairs) + pair]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
            }
        }

        using var unscoped = TensorScope.Suspend();
        return new RotaryTable(Tensor.From(cos, [positions, pairs], _backend), Tensor.From(sin, [positions, pairs], _backend), style, sections);
    }
}
