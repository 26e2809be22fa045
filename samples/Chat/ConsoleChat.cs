using System.Diagnostics;
using ChatGLM.Generation;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;
using Spectre.Console;

namespace ChatGLM.Samples.Chat;

/// <summary>A conversation on a console: reads questions, writes answers as they come.</summary>
internal sealed class ConsoleChat : IDisposable
{
    private readonly IAnsiConsole _console = CreateConsole();
    private readonly SampleOptions _options;
    private readonly ChatGLMTokenizer _tokenizer;
    private readonly ChatGLMForConditionalGeneration _model;
    private readonly ChatSession _session;
    private readonly GenerationConfig _generation;

    /// <summary>Ends the answer that is being written; null while none is.</summary>
    private CancellationTokenSource? _answering;

    private ConsoleChat(SampleOptions options, ChatGLMTokenizer tokenizer, ChatGLMForConditionalGeneration model)
    {
        _options = options;
        _tokenizer = tokenizer;
        _model = model;
        _session = model.StartChat(tokenizer);
        _generation = Configure(options, model.ChatGenerationConfig);
        StartHistory();
    }

    public static ConsoleChat Load(SampleOptions options)
    {
        var tokenizer = AutoTokenizer.FromPretrained(options.Model);
        var backend = options.Threads == 0 ? null : new CpuBackend(new CpuBackendOptions { Threads = options.Threads });
        var model = AutoModel.FromPretrained(options.Model, new ModelOptions { Dtype = options.Dtype, Backend = backend });
        return new ConsoleChat(options, tokenizer, model);
    }

    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        Console.CancelKeyPress += StopAnswer;
        try
        {
            if (_options.Prompt is { } prompt)
            {
                await AnswerAsync(prompt, cancellationToken);
                return 0;
            }

            Greet();
            while (ReadQuestion() is { } question)
            {
                switch (question.Trim())
                {
                    case "":
                        continue;
                    case "/exit" or "/quit":
                        return 0;
                    case "/clear":
                        _session.Clear();
                        StartHistory();
                        _console.MarkupLine("[grey]The conversation is forgotten.[/]");
                        continue;
                    case "/help":
                        _console.MarkupLine("[grey]/clear forgets the conversation, /exit ends, Ctrl+C stops an answer.[/]");
                        continue;
                    case var text:
                        await AnswerAsync(text, cancellationToken);
                        continue;
                }
            }

            return 0;
        }
        finally
        {
            Console.CancelKeyPress -= StopAnswer;
        }
    }

    public void Dispose()
    {
        _session.Dispose();
        _model.Dispose();
    }

    /// <summary>Colours on a terminal; plain lines, never wrapped, where the output goes to a file or another program.</summary>
    private static IAnsiConsole CreateConsole()
    {
        if (!Console.IsOutputRedirected)
            return AnsiConsole.Console;
        var plain = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors });
        plain.Profile.Width = int.MaxValue;
        return plain;
    }

    private static GenerationConfig Configure(SampleOptions options, GenerationConfig defaults) => defaults with
    {
        DoSample = !options.Greedy && defaults.DoSample,
        Temperature = options.Temperature ?? defaults.Temperature,
        TopP = options.TopP ?? defaults.TopP,
        TopK = options.TopK ?? defaults.TopK,
        RepetitionPenalty = options.RepetitionPenalty ?? defaults.RepetitionPenalty,
        MaxNewTokens = options.MaxNewTokens ?? defaults.MaxNewTokens,
        Seed = options.Seed ?? defaults.Seed,
    };

    private string? ReadQuestion()
    {
        _console.Markup("[green]>[/] ");
        var line = Console.ReadLine();
        if (line is null || Console.IsInputRedirected)
            Console.WriteLine(line); // a piped question is not echoed by a terminal
        return line;
    }

    private void Greet()
    {
        var report = _model.LoadReport;
        var name = _options.Model == DemoSnapshot.Folder ? "the small demonstration model" : _options.Model;
        _console.MarkupLineInterpolated($"[grey]Loaded {name}{(report is null ? "" : $": {report.Bytes / 1e6:N1} MB in {report.Seconds:F1} s")}. /help lists the commands.[/]");
    }

    private void StartHistory()
    {
        if (_options.System is { } instructions)
            _session.History.AddSystem(instructions);
    }

    private async Task AnswerAsync(string question, CancellationToken cancellationToken)
    {
        using var answering = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        _answering = answering;
        var clock = Stopwatch.StartNew();
        TimeSpan? firstPiece = null;
        try
        {
            await foreach (var piece in _session.StreamChatAsync(question, new ChatOptions { Generation = _generation, GuardInvalidScores = true }, answering.Token))
            {
                firstPiece ??= clock.Elapsed;
                Console.Write(piece);
            }

            Console.WriteLine();
            if (_session.LastResult is { } result)
                Report(result, firstPiece, clock.Elapsed);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            Console.WriteLine();
            _console.MarkupLine("[grey]Stopped.[/]");
        }
        finally
        {
            _answering = null;
        }
    }

    private void Report(ChatResult result, TimeSpan? firstPiece, TimeSpan total)
    {
        // The rate is that of the tokens after the first text: reading the prompt is a time of its own.
        var seconds = (total - (firstPiece ?? TimeSpan.Zero)).TotalSeconds;
        var first = firstPiece is { } time ? $"first text after {time.TotalSeconds:F2} s" : "no text";
        _console.MarkupLineInterpolated(
            $"[grey]{result.PromptTokens} prompt tokens ({result.CachedTokens} cached), {first}; {result.CompletionTokens} tokens, {result.CompletionTokens / seconds:F1} tokens/s; {result.FinishReason}[/]");
    }

    private void StopAnswer(object? sender, ConsoleCancelEventArgs pressed)
    {
        if (_answering is not { } answering)
            return; // at the prompt Ctrl+C ends the program, as anywhere
        pressed.Cancel = true;
        answering.Cancel();
    }
}
