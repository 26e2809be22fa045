using System.Globalization;
using ChatGLM.Fuzz;

const string Usage = """
    Feeds the readers of untrusted files with damaged and hostile ones.

      --target NAME    one of the targets below; all of them if not given
      --inputs N       how many inputs for each target (100000)
      --seed N         the same seed gives the same inputs (1)
      --first N        the number of the first input (0): with --inputs 1, runs a failing one again
      --file PATH      reads one saved file instead, and shows the error with its stack

    Targets: 
    """;

var options = new Dictionary<string, string>();
for (var i = 0; i < args.Length; i += 2)
{
    if (args[i] is not ("--target" or "--inputs" or "--seed" or "--first" or "--file") || i + 1 == args.Length)
    {
        Console.Error.WriteLine(Usage + string.Join(", ", FuzzTargets.All.Select(t => t.Name)));
        return 2;
    }

    options[args[i]] = args[i + 1];
}

var name = options.GetValueOrDefault("--target");
var targets = FuzzTargets.All.Where(t => name is null || t.Name == name).ToArray();
if (targets.Length == 0)
{
    Console.Error.WriteLine($"There is no target '{name}'; there are {string.Join(", ", FuzzTargets.All.Select(t => t.Name))}.");
    return 2;
}

if (options.GetValueOrDefault("--file") is { } file)
{
    if (targets.Length > 1)
    {
        Console.Error.WriteLine("--file needs --target.");
        return 2;
    }

    try
    {
        targets[0].Read(File.ReadAllBytes(file));
        Console.WriteLine("accepted");
        return 0;
    }
    catch (Exception e)
    {
        Console.WriteLine(e);
        return e is ChatGLM.ChatGLMException ? 0 : 1;
    }
}

var inputs = long.Parse(options.GetValueOrDefault("--inputs", "100000"), CultureInfo.InvariantCulture);
var seed = ulong.Parse(options.GetValueOrDefault("--seed", "1"), CultureInfo.InvariantCulture);
var first = ulong.Parse(options.GetValueOrDefault("--first", "0"), CultureInfo.InvariantCulture);
var failed = false;
foreach (var target in targets)
{
    var report = new FuzzRunner(target, seed).Run(inputs, first);
    Console.WriteLine(report);
    foreach (var failure in report.Failures)
        Console.WriteLine(failure);
    failed |= report.Failures.Count > 0;
}

return failed ? 1 : 0;
