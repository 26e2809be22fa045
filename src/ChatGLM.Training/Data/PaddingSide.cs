namespace ChatGLM.Training;

/// <summary>Where the padding of short rows goes.</summary>
public enum PaddingSide
{
    /// <summary>Before them, with masks and positions, as ChatGLM's tokenizers pad: the side to generate from.</summary>
    Left,

    /// <summary>Behind them, without masks, as THUDM's scripts pad training rows: what stands behind a row changes nothing in it, and its labels do not count.</summary>
    Right,
}
