using System.Diagnostics;

namespace ChatGLM.Hub;

/// <summary>Counts what arrives, from all workers, and tells the user at most ten times a second.</summary>
internal sealed class TransferMeter(IProgress<HubProgress>? progress, TimeProvider clock)
{
    private static readonly TimeSpan ReportInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>Over how long the rate is averaged: long enough to be readable, short enough to follow the line.</summary>
    private const double RateSeconds = 5;

    private readonly Lock _gate = new();
    private bool _hasRate;
    private long _lastReport;
    private long _lastRate = clock.GetTimestamp();
    private long _bytes;
    private long _totalBytes;
    private long _sinceRate;
    private int _files;
    private int _totalFiles;
    private double _rate;

    /// <summary>Announces files; more may follow when an index has been read.</summary>
    public void Expect(int files, long bytes)
    {
        lock (_gate)
        {
            _totalFiles += files;
            _totalBytes += bytes;
        }
    }

    /// <summary>Bytes arrived.</summary>
    public void Add(string file, int bytes)
    {
        lock (_gate)
        {
            _bytes += bytes;
            _sinceRate += bytes;
            if (clock.GetElapsedTime(_lastReport) >= ReportInterval)
                Report(file);
        }
    }

    /// <summary>Bytes were there already, or (negative) turned out to be no good.</summary>
    public void Correct(long bytes)
    {
        lock (_gate)
            _bytes += bytes;
    }

    public void Complete(string file)
    {
        lock (_gate)
        {
            _files++;
            Report(file);
        }
    }

    private void Report(string file)
    {
        if (progress is null)
            return;
        _lastReport = clock.GetTimestamp();
        var elapsed = clock.GetElapsedTime(_lastRate).TotalSeconds;
        if (elapsed >= ReportInterval.TotalSeconds)
        {
            // An average that forgets: weighted by time, so that it does not depend on how often it is taken.
            var keep = !_hasRate ? 0 : Math.Exp(-elapsed / RateSeconds);
            _rate = (keep * _rate) + ((1 - keep) * (_sinceRate / elapsed));
            _lastRate = clock.GetTimestamp();
            _sinceRate = 0;
            _hasRate = true;
        }

        var left = Math.Max(0, _totalBytes - _bytes);
        TimeSpan? remaining = left == 0 ? TimeSpan.Zero : _rate > 0 ? TimeSpan.FromSeconds(Math.Min(left / _rate, TimeSpan.FromDays(365).TotalSeconds)) : null;
        progress.Report(new HubProgress(file, _bytes, _totalBytes, _files, _totalFiles, _rate, remaining));
    }
}
