namespace ChatGLM.Generation;

/// <summary>Text of tokens: a tokenizer's decode.</summary>
/// <param name="tokens">The tokens.</param>
internal delegate string TokenDecoder(ReadOnlySpan<int> tokens);
