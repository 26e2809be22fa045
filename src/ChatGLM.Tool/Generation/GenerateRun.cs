using System.Text.Json.Nodes;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tokenizers;
using ChatGLM.Tool.Chat;
using ChatGLM.Tool.Models;
using ChatGLM.Tool.Terminal;

namespace ChatGLM.Tool.Generation;

/// <summary>Continues texts, one after another or in batches, and writes each result when it is there.</summary>
internal sealed class GenerateRun(ToolConsole console, GenerateSettings settings, OpenedModel opened, ToolProgress progress)
{
    private readonly GenerationConfig _config = settings.Configure(settings.AsChat ? opened.Model.ChatGenerationConfig : opened.Model.GenerationConfig) switch
    {
        // transformers' own default is a total of 20 tokens, which nobody means who has not asked for it.
        { MaxNewTokens: null, MaxLength: <= 20 } short_ => short_ with { MaxNewTokens = 256 },
        var config => config,
    };

    /// <returns>The exit code: a text that does not fit the model does not stop the others, and makes it a failure.</returns>
    public async Task<int> RunAsync(IReadOnlyList<string> prompts, CancellationToken cancellationToken)
    {
        if (settings.BatchSize > 1 && _config.StopStrings is { Count: > 0 })
            throw new UsageException("--stop is looked for in one text at a time: leave --batch-size out.");
        // A search with beams has no words before it has all.
        if (prompts.Count == 1 && !settings.IsJson && _config.NumBeams == 1)
        {
            await StreamAsync(prompts[0], cancellationToken);
            return ExitCode.Success;
        }

        var failed = 0;
        for (var start = 0; start < prompts.Count; start += settings.BatchSize)
        {
            var batch = prompts.Skip(start).Take(settings.BatchSize).ToArray();
            var results = await Task.Run(() => Generate(start, batch, cancellationToken), cancellationToken);
            foreach (var result in results)
                Write(result);
            failed += results.Count(result => result.Error is not null);
            // Bars would be written between the texts.
            if (console.IsOutputRedirected && prompts.Count > 1)
                progress.Report(new ProgressReport("generating", start + batch.Length, prompts.Count, "texts"));
        }

        return failed == 0 ? ExitCode.Success : ExitCode.Failed;
    }

    private async Task StreamAsync(string prompt, CancellationToken cancellationToken)
    {
        try
        {
            var pieces = settings.AsChat
                ? opened.Model.StreamChatAsync(opened.Tokenizer, prompt, options: new ChatOptions { Generation = _config, GuardInvalidScores = true }, cancellationToken: cancellationToken)
                : opened.Model.StreamGenerateAsync(opened.Tokenizer, prompt, _config, cancellationToken);
            await foreach (var piece in pieces)
                await console.Out.WriteAsync(piece);
        }
        finally
        {
            await console.Out.WriteLineAsync(); // also behind what was written when it was stopped
        }
    }

    private IReadOnlyList<GeneratedText> Generate(int start, string[] batch, CancellationToken cancellationToken)
    {
        try
        {
            return batch.Length == 1 ? [One(start, batch[0], cancellationToken)] : Many(start, batch, cancellationToken);
        }
        catch (PromptTooLongException) when (batch.Length > 1)
        {
            return [.. batch.SelectMany((prompt, i) => Generate(start + i, [prompt], cancellationToken))]; // the others are not to blame
        }
        catch (PromptTooLongException error)
        {
            return [new GeneratedText(start, batch[0], null, FinishReason.Cancelled, 0, 0, error.Message)];
        }
    }

    private GeneratedText One(int index, string prompt, CancellationToken cancellationToken)
    {
        if (!settings.AsChat)
        {
            var result = opened.Model.Generate(opened.Tokenizer, prompt, _config, cancellationToken);
            return new GeneratedText(index, prompt, result.Text, result.FinishReason, result.PromptTokens, result.CompletionTokens);
        }

        var answer = opened.Model.Chat(opened.Tokenizer, prompt, options: new ChatOptions { Generation = _config, GuardInvalidScores = true }, cancellationToken: cancellationToken);
        return new GeneratedText(index, prompt, answer.Content, answer.FinishReason, answer.PromptTokens, answer.CompletionTokens);
    }

    private GeneratedText[] Many(int start, string[] batch, CancellationToken cancellationToken)
    {
        var padding = new BatchEncodeOptions { Padding = PaddingStrategy.Longest };
        var prompts = settings.AsChat ? opened.Tokenizer.Pad([.. batch.Select(query => opened.Tokenizer.BuildChatInput(query))], padding) : opened.Tokenizer.EncodeBatch(batch, padding);
        var config = settings.AsChat ? _config with { EosTokenId = _config.EosTokenId ?? opened.Tokenizer.ChatEosTokenIds } : _config;
        var ends = config.EosTokenId ?? opened.Model.GenerationConfig.EosTokenId ?? [];
        var result = opened.Model.Generate(prompts, config, cancellationToken);
        return [.. batch.Select((prompt, row) =>
        {
            // Several returned sequences lie behind one another: the first of each text is its best.
            var at = row * Math.Max(1, config.NumReturnSequences);
            var completion = result.Completion(at);
            if (result.FinishReasons[at] == FinishReason.Stop && completion.Length > 0 && ends.Contains(completion[^1]))
                completion = completion[..^1];
            var text = opened.Tokenizer.Decode(completion);
            return new GeneratedText(
                start + row, prompt, settings.AsChat ? opened.Tokenizer.ProcessResponse(text).Content : text, result.FinishReasons[at], result.PromptTokens[row], result.CompletionTokens[at]);
        })];
    }

    private void Write(GeneratedText result)
    {
        if (!settings.IsJson)
        {
            if (result.Error is { } error)
                console.Error.WriteLine($"Text {result.Index + 1}: {error}");
            console.Out.WriteLine(result.Text); // an empty line for what failed: lines of output go with lines of input
            return;
        }

        JsonLine.Write(console.Out, result.Error is { } problem
            ? new JsonObject { ["index"] = result.Index, ["prompt"] = result.Prompt, ["error"] = problem }
            : new JsonObject
            {
                ["index"] = result.Index,
                ["prompt"] = result.Prompt,
                ["text"] = result.Text,
                ["finish_reason"] = FinishText.Of(result.FinishReason),
                ["prompt_tokens"] = result.PromptTokens,
                ["completion_tokens"] = result.CompletionTokens,
            });
    }
}
