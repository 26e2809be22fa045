namespace ChatGLM.Generation;

/// <summary>
/// The order in which <c>torch.sort</c> on a CPU puts equal values, which is not the order of their places: it runs an introspective sort with
/// the median of three, as the C++ standard library of GCC has it. Needed only where a filter's cut falls between equal scores.
/// </summary>
internal sealed class TorchSort
{
    private const int SmallRun = 16;

    private float[] _keys = [];
    private int[] _places = [];

    /// <summary>The places of the values in ascending order, valid until the next call; the values hold no NaN.</summary>
    public ReadOnlySpan<int> Ascending(ReadOnlySpan<float> values)
    {
        if (_keys.Length < values.Length)
        {
            _keys = new float[values.Length];
            _places = new int[values.Length];
        }

        values.CopyTo(_keys);
        for (var i = 0; i < values.Length; i++)
            _places[i] = i;
        if (values.Length > 0)
            Partition(0, values.Length, 2 * (31 - System.Numerics.BitOperations.LeadingZeroCount((uint)values.Length)));
        Insert(values.Length);
        return _places.AsSpan(0, values.Length);
    }

    // Leaves runs of at most 16 unordered; each is before the next.
    private void Partition(int first, int last, int depth)
    {
        while (last - first > SmallRun)
        {
            if (depth-- == 0)
            {
                // Only input made to defeat the median of three comes here; its equal values keep the order they have by now.
                Array.Sort(_keys, _places, first, last - first);
                return;
            }

            Swap(first, MedianOf(first + 1, first + (last - first) / 2, last - 1));
            var cut = Split(first + 1, last, _keys[first]);
            Partition(cut, last, depth);
            last = cut;
        }
    }

    private int Split(int first, int last, float pivot)
    {
        while (true)
        {
            while (_keys[first] < pivot)
                first++;
            last--;
            while (pivot < _keys[last])
                last--;
            if (first >= last)
                return first;
            Swap(first, last);
            first++;
        }
    }

    private int MedianOf(int a, int b, int c)
    {
        if (_keys[a] < _keys[b])
            return _keys[b] < _keys[c] ? b : _keys[a] < _keys[c] ? c : a;
        return _keys[a] < _keys[c] ? a : _keys[b] < _keys[c] ? c : b;
    }

    private void Insert(int count)
    {
        for (var i = 1; i < count; i++)
        {
            var (key, place) = (_keys[i], _places[i]);
            var to = i;
            for (; to > 0 && key < _keys[to - 1]; to--)
                (_keys[to], _places[to]) = (_keys[to - 1], _places[to - 1]);
            (_keys[to], _places[to]) = (key, place);
        }
    }

    private void Swap(int left, int right)
    {
        (_keys[left], _keys[right]) = (_keys[right], _keys[left]);
        (_places[left], _places[right]) = (_places[right], _places[left]);
    }
}
