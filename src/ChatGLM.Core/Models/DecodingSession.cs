using System.Runtime.InteropServices;
using ChatGLM.Generation;
using ChatGLM.Tensors;

namespace ChatGLM.Models;

/// <summary>A prompt that a model has read, and the answers that grow from it: cache, masks and positions of each row.</summary>
internal sealed class DecodingSession : IDecodingSession
{
    private readonly ChatGLMForConditionalGeneration _model;
    private readonly KeyValueCache _cache;
    private readonly bool _ownsCache;
    private readonly DecodingState _state;
    private float[] _logits = [];
    private TokenPass? _pass;

    private DecodingSession(ChatGLMForConditionalGeneration model, KeyValueCache cache, bool ownsCache, DecodingState state)
    {
        _model = model;
        _cache = cache;
        _ownsCache = ownsCache;
        _state = state;
        VocabularySize = model.Config.VocabularySize;
    }

    public int Rows => _state.Rows;

    public int VocabularySize { get; }

    public int Length => _state.Length;

    /// <summary>Feeds a prompt. With a cache that is not empty the prompt is what follows the tokens in it; the caller keeps a cache that it gave.</summary>
    public static DecodingSession Start(ChatGLMForConditionalGeneration model, ModelInputs prompt)
    {
        prompt = prompt.On(model.Backend);
        var cache = prompt.PastKeyValues ?? new KeyValueCache(model.Config.NumLayers, model.Backend, model.CacheFormat);
        var ownsCache = prompt.PastKeyValues is null;
        try
        {
            var session = new DecodingSession(model, cache, ownsCache, model.StartDecoding(prompt, cache.TokenLength));
            session.Feed(prompt with { PastKeyValues = cache, LastLogitsOnly = true, Labels = null, OutputHiddenStates = false, UseCache = null });
            return session;
        }
        catch when (ownsCache)
        {
            cache.Dispose();
            throw;
        }
    }

    public ReadOnlySpan<float> Logits(int row) => _logits.AsSpan(row * VocabularySize, VocabularySize);

    public void Step(ReadOnlySpan<int> tokens, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        _state.Advance(tokens);
        if (PassOf(Rows) is { } pass)
        {
            _model.Forward(pass, tokens, _state, _cache, cancellationToken);
            Read(pass.Scores);
            return;
        }

        using var scope = new TensorScope();
        Feed(_state.Inputs(tokens, _cache, _model.Backend, cancellationToken));
    }

    public void SelectRows(ReadOnlySpan<int> rows)
    {
        foreach (var row in rows)
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows, nameof(rows));
        _cache.SelectRows(rows);
        _state.SelectRows(rows);
        var selected = new float[rows.Length * (long)VocabularySize];
        for (var i = 0; i < rows.Length; i++)
            Logits(rows[i]).CopyTo(selected.AsSpan(i * VocabularySize));
        _logits = selected;
    }

    public void Dispose()
    {
        _pass?.Dispose();
        if (_ownsCache)
            _cache.Dispose();
    }

    /// <summary>The buffers of a token, made when the first one comes and when the number of rows changes; null where tokens go through ordinary passes.</summary>
    private TokenPass? PassOf(int rows)
    {
        // Its kernels read keys and values of the ordinary layout.
        if (_cache.Pages is not null)
            return null;
        if (_pass is not null && (_pass.Rows != rows || _model.Training))
        {
            _pass.Dispose();
            _pass = null;
        }

        return _pass ??= _model.CreateTokenPass(rows);
    }

    private void Feed(ModelInputs inputs)
    {
        using var noGrad = GradMode.NoGrad();
        using var scope = new TensorScope();
        Read(_model.Forward(inputs).Logits);
    }

    private void Read(Tensor logits)
    {
        if (_logits.LongLength != logits.ElementCount)
            _logits = new float[logits.ElementCount];
        logits.Read(0, MemoryMarshal.AsBytes(_logits.AsSpan()));
    }
}
