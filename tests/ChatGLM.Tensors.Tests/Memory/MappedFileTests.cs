namespace ChatGLM.Tensors.Tests.Memory;

public sealed class MappedFileTests : IDisposable
{
    private const int Length = (8 << 20) + 123;

    private readonly string _path = Path.GetTempFileName();
    private readonly byte[] _bytes = new byte[Length];

    public MappedFileTests()
    {
        new System.Random(3).NextBytes(_bytes);
        File.WriteAllBytes(_path, _bytes);
    }

    public void Dispose() => File.Delete(_path);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Pages_that_were_given_back_hold_the_same_bytes(bool fromCache)
    {
        var file = MappedFile.Open(_path);
        file.Bytes(0, Length).SequenceEqual(_bytes).Should().BeTrue();
        foreach (var (offset, length) in new[] { (0, Length), (100, 5000), (4096, 4096), (Length - 1, 1), (7, 0), (123, 1 << 20) })
        {
            file.ReleasePages(offset, length, fromCache);
            file.Bytes(0, Length).SequenceEqual(_bytes).Should().BeTrue();
        }

        file.Release();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Pages_that_were_given_back_are_no_memory_of_the_process(bool fromCache)
    {
        if (!OperatingSystem.IsLinux())
            return; // elsewhere it is a hint at most
        var file = MappedFile.Open(_path);
        file.Bytes(0, Length).SequenceEqual(_bytes).Should().BeTrue();
        Resident().Should().BeGreaterThan(8000);
        file.ReleasePages(1 << 20, 6 << 20, fromCache);
        Resident().Should().BeLessThan(8000 - (6 << 10) + 200);
        file.Release();
    }

    [Fact]
    public void A_part_outside_the_file_is_refused()
    {
        var file = MappedFile.Open(_path);
        file.Invoking(f => f.ReleasePages(-1, 5)).Should().Throw<ArgumentOutOfRangeException>();
        file.Invoking(f => f.ReleasePages(Length, 1)).Should().Throw<ArgumentOutOfRangeException>().WithMessage($"*{Length} bytes*");
        file.Release();
    }

    /// <summary>KiB of the mapping that are in memory, as the system counts them.</summary>
    private int Resident()
    {
        var lines = File.ReadAllLines("/proc/self/smaps");
        var at = Array.FindIndex(lines, line => line.EndsWith(_path, StringComparison.Ordinal));
        var rss = lines[at..].First(line => line.StartsWith("Rss:", StringComparison.Ordinal));
        return int.Parse(rss["Rss:".Length..].Replace("kB", "", StringComparison.Ordinal).Trim(), System.Globalization.CultureInfo.InvariantCulture);
    }
}
