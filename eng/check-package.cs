using ChatGLM;
using ChatGLM.Models;
using ChatGLM.Tokenizers;

var problems = PackageContents.Problems(args[1]);
foreach (var problem in problems)
    Console.Error.WriteLine(problem);

var tokenizer = AutoTokenizer.FromPretrained(args[0]);
using var model = AutoModel.FromPretrained(args[0]);
var options = new ChatOptions { Generation = model.ChatGenerationConfig with { DoSample = false, MaxNewTokens = 64 } };
var answer = "";
await foreach (var piece in model.StreamChatAsync(tokenizer, "What is the capital of France?", options: options))
{
    answer += piece;
    Console.Write(piece);
}

Console.WriteLine();
return problems.Count == 0 && answer.Contains("Paris", StringComparison.Ordinal) ? 0 : 1;
