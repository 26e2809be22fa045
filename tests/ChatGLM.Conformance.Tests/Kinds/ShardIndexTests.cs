using ChatGLM.Conformance.Tests.Infrastructure;
using ChatGLM.Formats;
using Xunit.Abstractions;

namespace ChatGLM.Conformance.Tests.Kinds;

public sealed class ShardIndexTests(ITestOutputHelper output)
{
    [ConformanceTheory("shard_index"), CasesOf("shard_index")]
    public void Loads_and_refuses_as_recorded(string caseName)
    {
        var recorded = ConformanceFolder.Get(caseName);
        var cases = recorded.Json.GetProperty("cases").EnumerateArray().ToArray();
        cases.Should().NotBeEmpty();
        foreach (var one in cases)
        {
            var path = recorded.PathOf(one.GetProperty("file").GetString()!);
            var open = () => Checkpoint.Open(path).Dispose();
            switch (one.GetProperty("must").GetString())
            {
                case "refuse":
                    var error = open.Should().Throw<ShardIndexException>("'{0}': {1}", path, one.GetProperty("why")).Which;
                    error.Message.Should().Contain(path);
                    output.WriteLine(error.Message);
                    break;
                case "load":
                    open.Should().NotThrow("'{0}'", path);
                    break;
                default:
                    Assert.Fail($"'{path}' must do something that this test does not know.");
                    break;
            }
        }

        output.WriteLine($"{cases.Length} files: largest error 0");
    }
}
