using System.Globalization;

namespace ChatGLM.Training;

/// <summary>An axis of a drawing: the numbers that it spans, the round ones at which it is marked, and where they lie.</summary>
internal sealed class Axis
{
    private readonly double _from;
    private readonly double _to;
    private readonly double _start;
    private readonly double _end;

    /// <param name="least">The least number shown.</param>
    /// <param name="greatest">The greatest number shown.</param>
    /// <param name="start">Where the axis begins in the drawing.</param>
    /// <param name="end">Where it ends.</param>
    /// <param name="marks">About how many marks there should be.</param>
    /// <param name="isWidened">Whether it goes on to the next round numbers.</param>
    /// <param name="isWhole">Whether what it counts comes in whole numbers.</param>
    public Axis(double least, double greatest, double start, double end, int marks, bool isWidened = true, bool isWhole = false)
    {
        if (greatest <= least)
            (least, greatest) = (least - Math.Max(Math.Abs(least) * 0.1, 1e-12), greatest + Math.Max(Math.Abs(greatest) * 0.1, 1e-12));
        Step = Round((greatest - least) / Math.Max(1, marks));
        if (isWhole)
            Step = Step < 1 ? 1 : Step == 2.5 ? 5 : Step;
        (_from, _to) = isWidened ? (Math.Floor(least / Step) * Step, Math.Ceiling(greatest / Step) * Step) : (least, greatest);
        (_start, _end) = (start, end);
    }

    /// <summary>From mark to mark.</summary>
    public double Step { get; }

    public IEnumerable<double> Marks
    {
        get
        {
            // Counted, not added up: sums of steps would not be round.
            for (var i = Math.Ceiling((_from / Step) - 1e-9); i * Step <= _to + (Step * 1e-9); i++)
                yield return i * Step;
        }
    }

    public double At(double value) => _start + ((value - _from) / (_to - _from) * (_end - _start));

    /// <summary>A mark's number with the digits that tell it from the next one.</summary>
    public string Label(double mark)
    {
        if (Math.Abs(mark) < Step * 1e-9)
            return "0";
        var greatest = Math.Max(Math.Abs(_from), Math.Abs(_to));
        if (greatest < 1e-3 || greatest >= 1e6)
            return mark.ToString("0.##e+0", CultureInfo.InvariantCulture);
        var digits = Math.Clamp((int)Math.Ceiling(-Math.Log10(Step) - 1e-9), 0, 8);
        // A step of 0.25 needs one digit more than its size says.
        if (digits < 8 && Math.Abs((Step * Math.Pow(10, digits)) - Math.Round(Step * Math.Pow(10, digits))) > 1e-6)
            digits++;
        return mark.ToString("N" + digits.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    /// <summary>The next of 1, 2, 2.5 and 5 times a power of ten.</summary>
    private static double Round(double step)
    {
        var power = Math.Pow(10, Math.Floor(Math.Log10(step)));
        foreach (var factor in new[] { 1, 2, 2.5, 5 })
        {
            if (factor * power >= step * (1 - 1e-9))
                return factor * power;
        }

        return 10 * power;
    }
}
