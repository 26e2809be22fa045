using ChatGLM.Fuzz;
using Xunit.Abstractions;

namespace ChatGLM.Core.Tests.Formats;

public sealed class FuzzTests(ITestOutputHelper output)
{
    private const int InputsInTotal = 20_000;

    public static TheoryData<string> Targets => new(FuzzTargets.All.Select(t => t.Name));

    [Theory, MemberData(nameof(Targets))]
    public void Damaged_files_give_typed_errors_in_bounded_time_and_memory(string name)
    {
        var target = FuzzTargets.All.Single(t => t.Name == name);
        var report = new FuzzRunner(target, seed: 20230314).Run(InputsInTotal / FuzzTargets.All.Count);
        output.WriteLine(report.ToString());
        report.Failures.Should().BeEmpty();
        report.Accepted.Should().BeGreaterThan(0, "the fuzzer also makes good files, or it never gets past the first check");
        report.Accepted.Should().BeLessThan(report.Inputs);
    }

    [Theory, MemberData(nameof(Targets))]
    public void Every_seed_is_a_good_file_unless_it_is_an_empty_archive(string name)
    {
        var target = FuzzTargets.All.Single(t => t.Name == name);
        target.Seeds.Count(seed => Accepts(target, seed)).Should().BeGreaterThanOrEqualTo(target.Seeds.Count - 1);
    }

    [Fact]
    public void The_same_seed_and_number_give_the_same_input()
    {
        foreach (var target in FuzzTargets.All)
        {
            target.Input(7, 123).Should().Equal(target.Input(7, 123));
            Enumerable.Range(0, 20).Select(i => Convert.ToHexString(target.Input(7, (ulong)i))).Distinct().Should().HaveCountGreaterThan(10);
        }
    }

    [Fact]
    public void The_runner_catches_a_reader_that_throws_anything_else_and_says_how_to_see_it_again()
    {
        using var folder = new TemporaryFolder();
        var target = new FuzzTarget("broken", bytes => _ = bytes[100], [new byte[10]]);
        var report = new FuzzRunner(target, seed: 1) { FailureFolder = folder.Root }.Run(5);
        report.Failures.Should().HaveCount(5);
        var failure = report.Failures[0];
        failure.Problem.Should().Contain(nameof(IndexOutOfRangeException));
        failure.Command.Should().Contain("--target broken --seed 1 --first 0 --inputs 1");
        File.ReadAllBytes(failure.SavedTo).Should().Equal(target.Input(1, 0));
    }

    [Fact]
    public void The_runner_catches_a_reader_that_takes_too_much_memory()
    {
        using var folder = new TemporaryFolder();
        var target = new FuzzTarget("hungry", _ => GC.KeepAlive(new byte[64 << 20]), [new byte[10]]);
        var report = new FuzzRunner(target, seed: 1) { FailureFolder = folder.Root }.Run(1);
        report.Failures.Should().ContainSingle().Which.Problem.Should().Contain("bytes of memory");
    }

    [Fact]
    public void The_runner_catches_a_reader_that_hangs()
    {
        using var folder = new TemporaryFolder();
        using var release = new ManualResetEventSlim();
        var target = new FuzzTarget("stuck", _ => release.Wait(), [new byte[10]]);
        var report = new FuzzRunner(target, seed: 1) { FailureFolder = folder.Root, TimeLimit = TimeSpan.FromMilliseconds(100) }.Run(1);
        release.Set();
        report.Failures.Should().ContainSingle().Which.Problem.Should().Contain("not done after");
    }

    private static bool Accepts(FuzzTarget target, byte[] bytes)
    {
        try
        {
            target.Read(bytes);
            return true;
        }
        catch (ChatGLMException)
        {
            return false;
        }
    }
}
