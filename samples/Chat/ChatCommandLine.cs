using System.CommandLine;
using ChatGLM.Tensors;

namespace ChatGLM.Samples.Chat;

/// <summary>The flags of the sample.</summary>
internal static class ChatCommandLine
{
    public static RootCommand Create(Func<SampleOptions, CancellationToken, Task<int>> run)
    {
        var model = new Option<string>("--model", "-m") { Description = "A snapshot folder, or a repo id, which is downloaded if the Hugging Face cache does not hold it. Default: the small model inside this sample." };
        var dtype = new Option<string?>("--dtype") { Description = "Convert the weights. Default: as in the file, used in place." };
        dtype.AcceptOnlyFromAmong("float32", "float16", "bfloat16");
        var prompt = new Option<string?>("--prompt", "-p") { Description = "Answer this one question and end." };
        var system = new Option<string?>("--system") { Description = "Instructions before the chat (ChatGLM3)." };
        var greedy = new Option<bool>("--greedy") { Description = "Always take the likeliest token." };
        var temperature = new Option<double?>("--temperature") { Description = "Higher is more varied." };
        var topP = new Option<double?>("--top-p") { Description = "Sample from the likeliest tokens that together have this probability." };
        var topK = new Option<int?>("--top-k") { Description = "Sample from this many of the likeliest tokens; 0 for all." };
        var penalty = new Option<double?>("--repetition-penalty") { Description = "Above 1 makes repetition less likely." };
        var maxNewTokens = new Option<int?>("--max-new-tokens") { Description = "The most tokens of an answer." };
        var seed = new Option<long?>("--seed") { Description = "The same seed gives the same answers." };
        var threads = new Option<int>("--threads") { Description = "How many threads compute; 0 for one per core." };

        var command = new RootCommand("Chats with a ChatGLM model. Inside: /clear forgets the conversation, /exit ends, Ctrl+C stops an answer.")
        {
            model, dtype, prompt, system, greedy, temperature, topP, topK, penalty, maxNewTokens, seed, threads,
        };
        command.SetAction((parsed, cancellationToken) => run(
            new SampleOptions
            {
                Model = parsed.GetValue(model) ?? DemoSnapshot.Folder,
                Dtype = parsed.GetValue(dtype) is { } name ? Enum.Parse<DType>(name, ignoreCase: true) : null,
                Prompt = parsed.GetValue(prompt),
                System = parsed.GetValue(system),
                Greedy = parsed.GetValue(greedy),
                Temperature = parsed.GetValue(temperature),
                TopP = parsed.GetValue(topP),
                TopK = parsed.GetValue(topK),
                RepetitionPenalty = parsed.GetValue(penalty),
                MaxNewTokens = parsed.GetValue(maxNewTokens),
                Seed = parsed.GetValue(seed),
                Threads = parsed.GetValue(threads),
            },
            cancellationToken));
        return command;
    }
}
