using System.Globalization;
using System.Net;
using System.Text;

namespace ChatGLM.Training;

/// <summary>A drawing of a log: losses above, the learning rate below, over the optimizer steps. The same log gives the same text.</summary>
internal sealed class LossCurve
{
    private const int Width = 960;
    private const int Height = 560;
    private const int Left = 78;
    private const int Right = 34;
    private const int LossTop = 64;
    private const int LossBottom = 384;
    private const int RateTop = 424;
    private const int RateBottom = 508;

    /// <summary>More points than there are dots on a screen only make a file large.</summary>
    private const int MostPoints = 1500;

    private static readonly (string Key, string Name, string Color)[] Losses = [("loss", "training loss", "#1f6fb2"), ("eval_loss", "evaluation loss", "#c8501e")];
    private const string RateColor = "#5b7f3a";

    private readonly string _title;
    private readonly IReadOnlyList<IReadOnlyDictionary<string, double>> _log;

    public LossCurve(IReadOnlyList<IReadOnlyDictionary<string, double>> log, string title) => (_log, _title) = (log, title);

    /// <summary>Whether there is a loss to draw.</summary>
    public bool HasPoints => Losses.Any(loss => Points(loss.Key).Count > 0);

    public string ToSvg()
    {
        var svg = new StringBuilder();
        Line(svg, $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" width="{Width}" height="{Height}" font-family="Helvetica, Arial, 'Noto Sans CJK SC', sans-serif" font-size="13" role="img">""");
        Line(svg, $"<title>{Escape(_title)}: loss and learning rate</title>");
        Line(svg, $"""<rect width="{Width}" height="{Height}" fill="#ffffff"/>""");
        Line(svg, $"""<text x="{Left}" y="30" font-size="18" font-weight="600" fill="#222222">{Escape(_title)}</text>""");
        Draw(svg);
        svg.Append("</svg>\n");
        return svg.ToString();
    }

    public string ToHtml()
    {
        var html = new StringBuilder();
        Line(html, $"""
            <!DOCTYPE html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <title>{Escape(_title)}: loss curve</title>
            """);
        html.Append("""
            <style>
            body { font-family: Helvetica, Arial, "Noto Sans CJK SC", sans-serif; margin: 24px auto; max-width: 1000px; color: #222; }
            svg { max-width: 100%; height: auto; border: 1px solid #e3e3e3; border-radius: 4px; }
            table { border-collapse: collapse; margin-top: 16px; font-variant-numeric: tabular-nums; }
            th, td { text-align: right; padding: 3px 14px; border-bottom: 1px solid #eee; }
            summary { cursor: pointer; margin-top: 16px; }
            </style>
            </head>
            <body>

            """);
        html.Append(ToSvg());
        html.Append("<details>\n<summary>All numbers</summary>\n<table>\n<tr><th>step</th><th>epoch</th><th>training loss</th><th>evaluation loss</th><th>learning rate</th></tr>\n");
        foreach (var entries in _log.Where(entry => Losses.Any(loss => entry.ContainsKey(loss.Key)) && entry.ContainsKey("step")).GroupBy(entry => entry["step"]))
        {
            html.Append("<tr>");
            foreach (var key in new[] { "step", "epoch", "loss", "eval_loss", "learning_rate" })
                Append(html, $"<td>{(entries.FirstOrDefault(entry => entry.ContainsKey(key)) is { } entry ? Number(entry[key]) : "")}</td>");
            html.Append("</tr>\n");
        }

        html.Append("</table>\n</details>\n</body>\n</html>\n");
        return html.ToString();
    }

    private void Draw(StringBuilder svg)
    {
        var curves = Losses.Select(loss => (loss.Name, loss.Color, Points: Points(loss.Key))).Where(curve => curve.Points.Count > 0).ToArray();
        var rates = Points("learning_rate");
        var steps = curves.SelectMany(curve => curve.Points).Concat(rates).Select(point => point.Step).ToArray();
        var across = new Axis(Math.Min(0, steps.Min()), steps.Max(), Left, Width - Right, marks: 8, isWidened: false, isWhole: true);
        var values = curves.SelectMany(curve => curve.Points).Select(point => point.Value).ToArray();
        var losses = new Axis(values.Min(), values.Max(), LossBottom, LossTop, marks: 6);
        Grid(svg, losses, across, LossTop, LossBottom, "loss", withSteps: rates.Count == 0);
        foreach (var curve in curves)
            Curve(svg, curve.Points, across, losses, curve.Color);
        if (rates.Count > 0)
        {
            var rate = new Axis(Math.Min(0, rates.Min(point => point.Value)), rates.Max(point => point.Value), RateBottom, RateTop, marks: 2);
            Grid(svg, rate, across, RateTop, RateBottom, "learning rate", withSteps: true);
            Curve(svg, rates, across, rate, RateColor);
        }

        // The legend stands at the right, above the curves, with the last number of each.
        double x = Width - Right;
        foreach (var curve in curves.Reverse())
        {
            var text = $"{curve.Name} {Number(curve.Points[^1].Value)}";
            Line(svg, $"""<text x="{At(x)}" y="50" text-anchor="end" fill="#222222">{Escape(text)}</text>""");
            x -= text.Length * 6.0; // about as wide as Arial draws such a text, and no less
            Line(svg, $"""<line x1="{At(x - 28)}" y1="45.5" x2="{At(x - 8)}" y2="45.5" stroke="{curve.Color}" stroke-width="3"/>""");
            x -= 48;
        }
    }

    private static void Grid(StringBuilder svg, Axis up, Axis across, int top, int bottom, string name, bool withSteps)
    {
        foreach (var mark in up.Marks)
        {
            var y = At(up.At(mark));
            Line(svg, $"""<line x1="{Left}" y1="{y}" x2="{Width - Right}" y2="{y}" stroke="#e3e3e3"/>""");
            Line(svg, $"""<text x="{Left - 8}" y="{At(up.At(mark) + 4.5)}" text-anchor="end" fill="#555555">{up.Label(mark)}</text>""");
        }

        foreach (var mark in across.Marks)
        {
            var x = At(across.At(mark));
            Line(svg, $"""<line x1="{x}" y1="{top}" x2="{x}" y2="{bottom}" stroke="#f0f0f0"/>""");
            if (withSteps)
                Line(svg, $"""<text x="{x}" y="{bottom + 18}" text-anchor="middle" fill="#555555">{across.Label(mark)}</text>""");
        }

        Line(svg, $"""<line x1="{Left}" y1="{bottom}" x2="{Width - Right}" y2="{bottom}" stroke="#888888"/>""");
        if (withSteps)
            Line(svg, $"""<text x="{At((Left + Width - Right) / 2.0)}" y="{bottom + 38}" text-anchor="middle" fill="#555555">optimizer step</text>""");
        Line(svg, $"""<text x="{Left}" y="{top - 8}" fill="#555555">{name}</text>""");
    }

    private static void Curve(StringBuilder svg, List<(double Step, double Value)> points, Axis across, Axis up, string color)
    {
        var shown = Thin(points);
        Line(svg, $"""<polyline fill="none" stroke="{color}" stroke-width="2" stroke-linejoin="round" points="{string.Join(' ', shown.Select(point => At(across.At(point.Step)) + "," + At(up.At(point.Value))))}"/>""");
        // Single points can be told apart on a short curve, and one point alone has no line.
        if (shown.Count > 40)
            return;
        foreach (var (step, value) in shown)
            Line(svg, $"""<circle cx="{At(across.At(step))}" cy="{At(up.At(value))}" r="2.8" fill="{color}"/>""");
    }

    /// <summary>The means of neighbours where there are too many.</summary>
    private static List<(double Step, double Value)> Thin(List<(double Step, double Value)> points)
    {
        if (points.Count <= MostPoints)
            return points;
        var size = (points.Count + MostPoints - 1) / MostPoints;
        return [.. points.Chunk(size).Select(chunk => (chunk.Average(point => point.Step), chunk.Average(point => point.Value)))];
    }

    private List<(double Step, double Value)> Points(string key) =>
        [.. _log.Where(entry => entry.TryGetValue(key, out var value) && double.IsFinite(value) && entry.ContainsKey("step")).Select(entry => (entry["step"], entry[key]))];

    private static string At(double position) => position.ToString("0.##", CultureInfo.InvariantCulture);

    private static string Number(double value) => value != 0 && Math.Abs(value) < 1e-3 ? value.ToString("0.###e+0", CultureInfo.InvariantCulture) : value.ToString("0.####", CultureInfo.InvariantCulture);

    private static string Escape(string text) => WebUtility.HtmlEncode(text);

    private static void Line(StringBuilder text, FormattableString line) => text.Append(FormattableString.Invariant(line)).Append('\n');

    private static void Append(StringBuilder text, FormattableString part) => text.Append(FormattableString.Invariant(part));
}
