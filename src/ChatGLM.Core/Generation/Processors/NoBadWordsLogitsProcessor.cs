namespace ChatGLM.Generation;

/// <summary>Rules out token sequences; the end of sequence token on its own is never ruled out.</summary>
internal sealed class NoBadWordsLogitsProcessor(IEnumerable<int[]> badWordsIds, int[] eosTokenIds)
    : SequenceBiasLogitsProcessor(badWordsIds
        .Where(word => word.Length != 1 || !eosTokenIds.Contains(word[0]))
        .Select(word => (word, float.NegativeInfinity)));
