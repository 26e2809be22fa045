using System.Numerics;

namespace ChatGLM.Generation;

/// <summary>The best continuations over all beams of a prompt: largest score first, the earlier one among equals.</summary>
internal sealed class BeamCandidates(int capacity)
{
    private readonly float[] _scores = new float[capacity];
    private readonly int[] _beams = new int[capacity];
    private readonly int[] _tokens = new int[capacity];

    public int Count { get; private set; }

    public void Clear() => Count = 0;

    public (float Score, int Beam, int Token) this[int rank] => (_scores[rank], _beams[rank], _tokens[rank]);

    /// <summary>Offers every token of a beam; most are passed over a vector at a time.</summary>
    public void OfferRow(ReadOnlySpan<float> scores, int beam)
    {
        var at = 0;
        for (; at < scores.Length && Count < _scores.Length; at++)
            Offer(scores[at], beam, at);
        for (; at <= scores.Length - Vector<float>.Count; at += Vector<float>.Count)
        {
            if (!Vector.GreaterThanAny(new Vector<float>(scores[at..]), new Vector<float>(_scores[^1])))
                continue;
            for (var token = at; token < at + Vector<float>.Count; token++)
                Offer(scores[token], beam, token);
        }

        for (; at < scores.Length; at++)
            Offer(scores[at], beam, at);
    }

    public void Offer(float score, int beam, int token)
    {
        if (Count == _scores.Length && !(score > _scores[^1]))
            return;
        var at = Count < _scores.Length ? Count++ : _scores.Length - 1;
        for (; at > 0 && score > _scores[at - 1]; at--)
            (_scores[at], _beams[at], _tokens[at]) = (_scores[at - 1], _beams[at - 1], _tokens[at - 1]);
        (_scores[at], _beams[at], _tokens[at]) = (score, beam, token);
    }
}
