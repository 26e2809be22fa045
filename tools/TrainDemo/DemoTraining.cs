using System.Diagnostics;
using ChatGLM.Chat;
using ChatGLM.Models;
using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Tools.TrainDemo;

/// <summary>Trains a model of ChatGLM2's architecture on <see cref="Corpus"/> until it knows it, and writes it as a float16 snapshot.</summary>
internal static class DemoTraining
{
    private const int IgnoredLabel = -100;

    public static int Run(DemoOptions options)
    {
        var tokenizer = AutoTokenizer.FromPretrained(options.Tokenizer);
        var corpus = Corpus.All().ToList();
        using var model = AutoModel.FromConfig(Config(tokenizer.VocabSize), new ModelOptions { Seed = options.Seed });
        Console.WriteLine($"{corpus.Count} questions; {model.NamedParameters().Sum(p => p.Parameter.ElementCount):N0} parameters");

        Train(model, tokenizer, corpus, options);
        Save(model, tokenizer, options.Output);
        return 0;
    }

    private static ChatGLM2Config Config(int vocabulary) => new()
    {
        PaddedVocabSize = (vocabulary + 63) / 64 * 64,
        HiddenSize = 128,
        FfnHiddenSize = 352,
        NumLayers = 4,
        NumAttentionHeads = 4,
        KvChannels = 32,
        MultiQueryGroupNum = 2,
        SeqLength = 1024,
        TieWordEmbeddings = false,
        EosTokenIds = [2],
    };

    private static (int[] Ids, int PromptLength) Encode(ChatGLMTokenizer tokenizer, IEnumerable<(string Question, string Answer)> before, (string Question, string Answer) asked)
    {
        var prompt = tokenizer.BuildChatInput(asked.Question, ChatHistory.FromRounds(before));
        var answer = asked.Answer;
        return ([.. prompt, .. tokenizer.Encode(answer, options: new EncodeOptions { AddSpecialTokens = false }), tokenizer.EosTokenId], prompt.Length);
    }

    private static void Train(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, List<(string Question, string Answer)> corpus, DemoOptions options)
    {
        model.Train();
        var parameters = model.NamedParameters().Select(p => p.Parameter).ToList();
        using var optimizer = new AdamW(parameters, new AdamWOptions { LearningRate = options.LearningRate, WeightDecay = 0.01 });
        var generator = new TorchGenerator(options.Seed);
        var order = new int[corpus.Count];
        var at = order.Length;
        var clock = Stopwatch.StartNew();
        for (var step = 1; step <= options.Steps; step++)
        {
            var chosen = new List<(int[] Ids, int PromptLength)>();
            while (chosen.Count < options.Batch)
            {
                if (at == order.Length)
                {
                    generator.RandPerm(order);
                    at = 0;
                }

                // Half of the questions stand alone, the others come after one to three rounds of other questions: a chat has a history.
                var rounds = generator.NextUInt32() % 2 == 0 ? 0 : 1 + (int)(generator.NextUInt32() % 3);
                var before = Enumerable.Range(0, rounds).Select(_ => corpus[(int)(generator.NextUInt32() % (uint)corpus.Count)]).ToList();
                chosen.Add(Encode(tokenizer, before, corpus[order[at++]]));
            }

            optimizer.Groups[0].LearningRate = options.LearningRate * Schedule(step, options.Steps);
            var loss = Step(model, chosen);
            GradientClipping.ClipNorm(parameters, 1);
            optimizer.Step();
            optimizer.ZeroGrad();
            if (step % 100 == 0 || step == 1)
                Console.WriteLine($"step {step,5}  loss {loss:F4}  {clock.Elapsed.TotalSeconds / step:F3} s/step");
        }

        model.Eval();
    }

    private static float Step(ChatGLMForConditionalGeneration model, List<(int[] Ids, int PromptLength)> rows)
    {
        var seq = rows.Max(row => row.Ids.Length);
        var ids = new long[rows.Count * seq];
        var labels = new long[rows.Count * seq];
        Array.Fill(labels, IgnoredLabel);
        for (var row = 0; row < rows.Count; row++)
        {
            // Padding stands on the right, behind everything that counts: causality hides it.
            for (var i = 0; i < rows[row].Ids.Length; i++)
            {
                ids[(row * seq) + i] = rows[row].Ids[i];
                if (i >= rows[row].PromptLength)
                    labels[(row * seq) + i] = rows[row].Ids[i];
            }
        }

        using var scope = new TensorScope();
        var output = model.Forward(new ModelInputs { InputIds = Tensor.From(ids, [rows.Count, seq]), Labels = Tensor.From(labels, [rows.Count, seq]), UseCache = false });
        output.Loss!.Backward();
        return output.Loss.Item();
    }

    /// <summary>Rises over the first hundredth of the steps, then falls along a half cosine.</summary>
    private static double Schedule(int step, int steps)
    {
        var warmup = Math.Max(1, steps / 100);
        return step < warmup ? (double)step / warmup : 0.5 * (1 + Math.Cos(Math.PI * (step - warmup) / Math.Max(1, steps - warmup)));
    }

    private static void Save(ChatGLMForConditionalGeneration model, ChatGLMTokenizer tokenizer, string folder)
    {
        var wide = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            model.SavePretrained(wide);
            using var half = AutoModel.FromPretrained(wide, new ModelOptions { Dtype = DType.Float16 });
            half.SavePretrained(folder);
        }
        finally
        {
            if (Directory.Exists(wide))
                Directory.Delete(wide, recursive: true);
        }

        tokenizer.SavePretrained(folder);
        Console.WriteLine($"wrote {folder}");
    }
}
