namespace ChatGLM.Models;

/// <summary>What <c>rope_ratio</c> does to rotary positions.</summary>
public enum RopeScaling
{
    /// <summary>Positions are divided by the ratio: chatglm2-6b-32k.</summary>
    DividePositions,

    /// <summary>The base 10000 is multiplied by the ratio: chatglm3-6b-32k.</summary>
    MultiplyBase,
}
