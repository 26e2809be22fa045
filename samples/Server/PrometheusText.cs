using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using ChatGLM.Extensions.AI;

namespace ChatGLM.Samples.Server;

/// <summary>
/// <c>GET /metrics</c>: the metrics of the model and of ASP.NET Core in Prometheus' text form. (OpenTelemetry's exporter does more; this needs no package.)
/// </summary>
internal sealed class PrometheusText : IDisposable
{
    private static readonly string[] Meters = [ChatGLMTelemetry.SourceName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel"];
    private static readonly double[] DefaultBounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, (Instrument Instrument, SortedDictionary<string, Series> Series)> _metrics = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();

    public PrometheusText(IMeterFactory meters)
    {
        // Only what this application's services measure: another one in the same process has meters of the same names.
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (Meters.Contains(instrument.Meter.Name) && ReferenceEquals(instrument.Meter.Scope, meters))
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<double>(Record);
        _listener.SetMeasurementEventCallback<long>((instrument, value, tags, state) => Record(instrument, value, tags, state));
        _listener.SetMeasurementEventCallback<int>((instrument, value, tags, state) => Record(instrument, value, tags, state));
        _listener.Start();
    }

    public async Task HandleAsync(HttpContext context)
    {
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        context.Response.Headers.CacheControl = "no-store";
        await context.Response.WriteAsync(Write(), context.RequestAborted);
    }

    public void Dispose() => _listener.Dispose();

    private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
    {
        var name = NameOf(instrument);
        var labels = Labels(tags);
        lock (_lock)
        {
            if (!_metrics.TryGetValue(name, out var metric))
                _metrics.Add(name, metric = (instrument, new SortedDictionary<string, Series>(StringComparer.Ordinal)));
            if (!metric.Series.TryGetValue(labels, out var series))
                metric.Series.Add(labels, series = new Series(Bounds(instrument)));
            if (instrument.IsObservable)
                series.Sum = value;
            else
                series.Add(value);
        }
    }

    private string Write()
    {
        _listener.RecordObservableInstruments();
        var text = new StringBuilder();
        lock (_lock)
        {
            foreach (var (name, (instrument, all)) in _metrics)
            {
                var isHistogram = Bounds(instrument) is not null;
                text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {instrument.Description?.ReplaceLineEndings(" ")}\n");
                text.Append(CultureInfo.InvariantCulture, $"# TYPE {name} {(isHistogram ? "histogram" : IsCounter(instrument) ? "counter" : "gauge")}\n");
                foreach (var (labels, series) in all)
                    series.Write(text, name, labels);
            }
        }

        return text.ToString();
    }

    private static bool IsCounter(Instrument instrument) => instrument is Counter<long> or Counter<int> or Counter<double>;

    private static double[]? Bounds(Instrument instrument) => instrument switch
    {
        Histogram<double> histogram => histogram.Advice?.HistogramBucketBoundaries?.ToArray() ?? DefaultBounds,
        Histogram<long> histogram => histogram.Advice?.HistogramBucketBoundaries?.Select(b => (double)b).ToArray() ?? DefaultBounds,
        Histogram<int> histogram => histogram.Advice?.HistogramBucketBoundaries?.Select(b => (double)b).ToArray() ?? DefaultBounds,
        _ => null,
    };

    private static string NameOf(Instrument instrument)
    {
        var name = instrument.Name.Replace('.', '_');
        if (instrument.Unit == "s")
            name += "_seconds";
        return IsCounter(instrument) ? name + "_total" : name;
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.IsEmpty)
            return "";
        var labels = new List<string>(tags.Length);
        foreach (var (key, value) in tags)
        {
            var text = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
            labels.Add($"{key.Replace('.', '_')}=\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"");
        }

        labels.Sort(StringComparer.Ordinal);
        return string.Join(',', labels);
    }

    /// <summary>The measurements of one instrument with the same labels.</summary>
    private sealed class Series(double[]? bounds)
    {
        private readonly long[] _counts = new long[(bounds?.Length ?? 0) + 1];

        public double Sum { get; set; }

        public void Add(double value)
        {
            Sum += value;
            if (bounds is null)
                return;
            var bucket = 0;
            while (bucket < bounds.Length && value > bounds[bucket])
                bucket++;
            _counts[bucket]++;
        }

        public void Write(StringBuilder text, string name, string labels)
        {
            var own = labels.Length == 0 ? "" : $"{{{labels}}}";
            if (bounds is null)
            {
                text.Append(CultureInfo.InvariantCulture, $"{name}{own} {Sum:R}\n");
                return;
            }

            long total = 0;
            for (var i = 0; i <= bounds.Length; i++)
            {
                total += _counts[i];
                var bound = i == bounds.Length ? "+Inf" : bounds[i].ToString("R", CultureInfo.InvariantCulture);
                text.Append(CultureInfo.InvariantCulture, $"{name}_bucket{{{labels}{(labels.Length == 0 ? "" : ",")}le=\"{bound}\"}} {total}\n");
            }

            text.Append(CultureInfo.InvariantCulture, $"{name}_sum{own} {Sum:R}\n{name}_count{own} {total}\n");
        }
    }
}
