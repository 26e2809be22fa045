namespace ChatGLM.Hub;

/// <summary>Where models are downloaded from.</summary>
public enum HubSource
{
    /// <summary>huggingface.co, or a mirror of it.</summary>
    HuggingFace,

    /// <summary>modelscope.cn, where the same models are published under other names, such as <c>ZhipuAI/chatglm3-6b</c>.</summary>
    ModelScope,
}
