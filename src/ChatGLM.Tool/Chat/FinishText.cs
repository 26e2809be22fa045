using ChatGLM.Generation;

namespace ChatGLM.Tool.Chat;

/// <summary>Why a text ended, as OpenAI's interface names it where it has a name.</summary>
internal static class FinishText
{
    public static string Of(FinishReason reason) => reason switch
    {
        FinishReason.Stop => "stop",
        FinishReason.Length => "length",
        FinishReason.StopString => "stop_string",
        _ => "cancelled",
    };
}
