using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>What masks and positions of the tokens to come depend on: per row, a flag for each token so far and the position of the last one.</summary>
internal abstract class DecodingState
{
    private readonly int _sections;
    private readonly bool _flagOfNewToken;
    private bool[]? _flags;
    private long[] _positions;
    private int _stride;

    /// <param name="rows">The sequences.</param>
    /// <param name="length">The tokens of each, without a prefix.</param>
    /// <param name="flags">[rows, length], or null when no token needs a mask.</param>
    /// <param name="flagOfNewToken">The flag of a token that is generated.</param>
    /// <param name="positions">The last token's positions, [rows, sections].</param>
    protected DecodingState(int rows, int length, bool[]? flags, bool flagOfNewToken, long[] positions)
    {
        Rows = rows;
        Length = length;
        _flags = flags;
        _stride = length;
        _flagOfNewToken = flagOfNewToken;
        _positions = positions;
        _sections = positions.Length / rows;
    }

    public int Rows { get; private set; }

    public int Length { get; private set; }

    /// <summary>Whether any token of a row is hidden from those after it.</summary>
    public bool HidesTokens => _flags is not null;

    /// <summary>Counts one more token of each row.</summary>
    /// <param name="tokens">The tokens, [rows].</param>
    public void Advance(ReadOnlySpan<int> tokens)
    {
        if (tokens.Length != Rows)
            throw new ArgumentException($"Expected one token for each of the {Rows} rows, found {tokens.Length}.", nameof(tokens));
        for (var row = 0; row < Rows; row++)
            Advance(_positions.AsSpan(row * _sections, _sections));
        AppendFlags();
        Length++;
    }

    /// <summary>Copies the last tokens' positions, [rows, sections], moved on by virtual tokens that stand before the first one: they are a part of the context, not of the block.</summary>
    /// <returns>The largest.</returns>
    public long CopyPositions(Span<long> positions, int virtualTokens)
    {
        var largest = 0L;
        for (var i = 0; i < _positions.Length; i++)
        {
            positions[i] = _positions[i] + (i % _sections == 0 ? virtualTokens : 0);
            largest = Math.Max(largest, positions[i]);
        }

        return largest;
    }

    /// <summary>Copies which keys are hidden, [rows, before + length]; those before the first token are not. Only where <see cref="HidesTokens"/>.</summary>
    public void CopyHidden(Span<bool> hidden, int before)
    {
        for (var row = 0; row < Rows; row++)
        {
            var keys = hidden.Slice(row * (before + Length), before + Length);
            keys[..before].Clear();
            for (var i = 0; i < Length; i++)
                keys[before + i] = _flags![(row * _stride) + i] != _flagOfNewToken;
        }
    }

    /// <summary>The inputs of a pass over the tokens that <see cref="Advance(ReadOnlySpan{int})"/> has counted.</summary>
    public ModelInputs Inputs(ReadOnlySpan<int> tokens, KeyValueCache cache, Backend backend, CancellationToken cancellationToken)
    {
        Span<long> ids = Rows <= 64 ? stackalloc long[Rows] : new long[Rows];
        for (var row = 0; row < Rows; row++)
            ids[row] = tokens[row];
        return new ModelInputs
        {
            InputIds = Tensor.From<long>(ids, [Rows, 1], backend),
            PositionIds = Tensor.From(_positions, _sections == 1 ? [Rows, 1] : [Rows, _sections, 1], backend),
            AttentionMask = _flags is null ? null : Tensor.From(Packed(), MaskShape(Rows, Length), backend),
            PastKeyValues = cache,
            LastLogitsOnly = true,
            CancellationToken = cancellationToken,
        };
    }

    /// <summary>Row i continues the old row <c>rows[i]</c>.</summary>
    public void SelectRows(ReadOnlySpan<int> rows)
    {
        var positions = new long[rows.Length * _sections];
        var flags = _flags is null ? null : new bool[rows.Length * _stride];
        for (var i = 0; i < rows.Length; i++)
        {
            _positions.AsSpan(rows[i] * _sections, _sections).CopyTo(positions.AsSpan(i * _sections));
            _flags?.AsSpan(rows[i] * _stride, _stride).CopyTo(flags.AsSpan(i * _stride));
        }

        (_positions, _flags, Rows) = (positions, flags, rows.Length);
    }

    /// <summary>Turns the positions of a token into those of the one after it.</summary>
    protected abstract void Advance(Span<long> positions);

    protected abstract Shape MaskShape(int rows, int length);

    private void AppendFlags()
    {
        if (_flags is null)
            return;
        if (Length == _stride)
        {
            var stride = _stride * 2;
            var grown = new bool[Rows * stride];
            for (var row = 0; row < Rows; row++)
                _flags.AsSpan(row * _stride, Length).CopyTo(grown.AsSpan(row * stride));
            (_flags, _stride) = (grown, stride);
        }

        for (var row = 0; row < Rows; row++)
            _flags[(row * _stride) + Length] = _flagOfNewToken;
    }

    private bool[] Packed()
    {
        var packed = new bool[Rows * Length];
        for (var row = 0; row < Rows; row++)
            _flags.AsSpan(row * _stride, Length).CopyTo(packed.AsSpan(row * Length));
        return packed;
    }
}
