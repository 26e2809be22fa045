using System.Numerics;
using System.Numerics.Tensors;

namespace ChatGLM.Generation;

/// <summary>
/// The tokens of one row that are still possible, with their scores and probabilities: after a top-k the filters that follow look at a few
/// dozen instead of the vocabulary. Scratch that a chain of processors shares; it grows to the largest row and is then reused.
/// </summary>
internal sealed class Candidates
{
    // Beyond this span of the key a probability is below 1e-17 of the largest one, so finer buckets would tell nothing apart.
    private const float BucketSpan = 40;
    private const int Buckets = 1024;
    private const int SortWhole = 256;

    private readonly double[] _bucketMass = new double[Buckets];
    private float[] _scores = [];
    private float[] _probabilities = [];
    private float[] _keys = [];
    private int[] _tokens = [];
    private ulong[] _order = [];

    /// <summary>The number of tokens that are still possible.</summary>
    public int Count { get; private set; }

    /// <summary>[count] the tokens, ascending.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>[count] their scores.</summary>
    public ReadOnlySpan<float> Scores => _scores.AsSpan(0, Count);

    /// <summary>[count] their probabilities, which add up to 1.</summary>
    public ReadOnlySpan<float> Probabilities => _probabilities.AsSpan(0, Count);

    /// <summary>[count] what <see cref="FirstPast(float, bool, float)"/> orders by, for the caller to fill.</summary>
    public Span<float> Keys => _keys.AsSpan(0, Count);

    /// <summary>Collects the tokens of a row whose score is above minus infinity, and their probabilities.</summary>
    public void Gather(ReadOnlySpan<float> row)
    {
        if (_scores.Length < row.Length)
        {
            _scores = new float[row.Length];
            _probabilities = new float[row.Length];
            _keys = new float[row.Length];
            _tokens = new int[row.Length];
            _order = new ulong[row.Length];
        }

        var none = new Vector<float>(float.NegativeInfinity);
        var count = 0;
        var at = 0;
        for (; at <= row.Length - Vector<float>.Count; at += Vector<float>.Count)
        {
            if (!Vector.GreaterThanAny(new Vector<float>(row[at..]), none))
                continue;
            for (var token = at; token < at + Vector<float>.Count; token++)
                count = Take(row, token, count);
        }

        for (; at < row.Length; at++)
            count = Take(row, at, count);
        Count = count;
        if (count > 0)
            RowMath.Softmax(_scores.AsSpan(0, count), _probabilities);
    }

    /// <summary>
    /// Walks the candidates by ascending key (equal keys by ascending token), adding up probabilities, to the first one with which the sum
    /// is past the limit. Only the bucket of keys in which that happens is sorted.
    /// </summary>
    /// <param name="limit">The mass, a float32 as torch compares it.</param>
    /// <param name="reaching">Whether a sum equal to the limit is past it.</param>
    /// <param name="lowest">Where the buckets begin; smaller keys share the first one, keys 40 above share the last one.</param>
    /// <returns>The place of that candidate in the order (see <see cref="Place"/>), or <see cref="ulong.MaxValue"/> when there is none.</returns>
    public ulong FirstPast(float limit, bool reaching, float lowest)
    {
        if (Count <= SortWhole)
            return FirstPast(0.0, limit, reaching, Collect(-1, lowest));

        Array.Clear(_bucketMass);
        for (var i = 0; i < Count; i++)
            _bucketMass[Bucket(_keys[i], lowest)] += _probabilities[i];
        var sum = 0.0;
        for (var bucket = 0; bucket < Buckets; bucket++)
        {
            if (IsPast(sum + _bucketMass[bucket], limit, reaching)
                && FirstPast(sum, limit, reaching, Collect(bucket, lowest)) is var place and < ulong.MaxValue)
                return place;
            sum += _bucketMass[bucket];
        }

        return ulong.MaxValue;
    }

    /// <summary>The place of a candidate in the order of ascending keys, equal keys in the order of their tokens.</summary>
    public ulong Place(int candidate) => ((ulong)Sortable(_keys[candidate]) << 32) | (uint)candidate;

    /// <summary>The key at a place.</summary>
    public float KeyAt(ulong place) => _keys[(int)(uint)place];

    /// <summary>How many candidates of the same key come before a place.</summary>
    public int CountEqualsBefore(ulong place) => RowMath.Count(_keys.AsSpan(0, (int)(uint)place), KeyAt(place)); // equal keys are in the order of their candidates

    /// <summary>The place that has a given number of candidates before it (0 to count - 1), for a number that is small or near the count.</summary>
    public ulong PlaceWith(int before)
    {
        if (before == Count - 1)
            return LastPlace();
        for (var i = 0; i < Count; i++)
            _order[i] = Place(i);
        var places = _order.AsSpan(0, Count);
        // Few are ever asked for (a minimum to keep), so pick them off the nearer end.
        if (before < Count / 2)
        {
            for (var i = 0; i <= before; i++)
                Swap(places, i, i + IndexOfMin(places[i..]));
            return places[before];
        }

        for (var i = 0; i < Count - before; i++)
            Swap(places, i, i + IndexOfMax(places[i..]));
        return places[Count - before - 1];
    }

    /// <summary>The place of the largest key, of equal ones the last.</summary>
    private ulong LastPlace()
    {
        var keys = _keys.AsSpan(0, Count);
        return Place(RowMath.LastIndexOf(keys, TensorPrimitives.Max<float>(keys)));
    }

    private int Take(ReadOnlySpan<float> row, int token, int count)
    {
        if (!(row[token] > float.NegativeInfinity))
            return count;
        _scores[count] = row[token];
        _tokens[count] = token;
        return count + 1;
    }

    private static int Bucket(float key, float lowest) =>
        (int)Math.Clamp((key - lowest) * (Buckets / BucketSpan), 0, Buckets - 1);

    private Span<ulong> Collect(int bucket, float lowest)
    {
        var count = 0;
        for (var i = 0; i < Count; i++)
        {
            if (bucket < 0 || Bucket(_keys[i], lowest) == bucket)
                _order[count++] = Place(i);
        }

        var places = _order.AsSpan(0, count);
        places.Sort();
        return places;
    }

    private ulong FirstPast(double sum, float limit, bool reaching, ReadOnlySpan<ulong> places)
    {
        foreach (var place in places)
        {
            sum += _probabilities[(int)(uint)place];
            if (IsPast(sum, limit, reaching))
                return place;
        }

        return ulong.MaxValue;
    }

    // torch adds up in float64 and stores float32, which is what it compares.
    private static bool IsPast(double sum, float limit, bool reaching) => reaching ? (float)sum >= limit : (float)sum > limit;

    // Bits that order as the floats do. Adding zero turns -0 into 0: the two are one score.
    private static uint Sortable(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value + 0f);
        return (bits & 0x80000000) != 0 ? ~bits : bits | 0x80000000;
    }

    private static int IndexOfMin(ReadOnlySpan<ulong> places) => TensorPrimitives.IndexOfMin(places);

    private static int IndexOfMax(ReadOnlySpan<ulong> places) => TensorPrimitives.IndexOfMax(places);

    private static void Swap(Span<ulong> places, int left, int right) => (places[left], places[right]) = (places[right], places[left]);
}
