using System.Diagnostics;
using System.Globalization;

namespace ChatGLM.Benchmarks.Snapshots;

/// <summary>The most memory that this process has held at once, mapped files that it has looked at among it.</summary>
internal static class PeakMemory
{
    private const string StatusFile = "/proc/self/status";

    /// <summary>VmHWM where the system tells it, the peak of the working set elsewhere; GiB.</summary>
    public static double Gibibytes => (OperatingSystem.IsLinux() ? FromStatus("VmHWM:") : Process.GetCurrentProcess().PeakWorkingSet64) / (double)(1 << 30);

    /// <summary>What of the memory held now is no part of a file, GiB; NaN where the system does not tell.</summary>
    public static double AnonymousGibibytes => OperatingSystem.IsLinux() ? FromStatus("RssAnon:") / (double)(1 << 30) : double.NaN;

    private static long FromStatus(string field)
    {
        var line = File.ReadLines(StatusFile).First(l => l.StartsWith(field, StringComparison.Ordinal));
        return long.Parse(line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) << 10;
    }
}
