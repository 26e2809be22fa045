using System.Globalization;

namespace ChatGLM.Chat;

/// <summary>Python's way of writing a float: the shortest digits that read back the same, with an exponent below 1e-4 and from 1e16 on.</summary>
internal static class PythonFloat
{
    public static string Write(double value)
    {
        if (!double.IsFinite(value))
            return double.IsNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";

        // .NET finds the same shortest digits; only the place of the point and the exponent differ.
        var shortest = value.ToString("E16", CultureInfo.InvariantCulture);
        for (var digits = 0; digits <= 16; digits++)
        {
            var candidate = value.ToString(string.Create(CultureInfo.InvariantCulture, $"E{digits}"), CultureInfo.InvariantCulture);
            if (double.Parse(candidate, CultureInfo.InvariantCulture) == value)
            {
                shortest = candidate;
                break;
            }
        }

        var (mantissa, exponentText) = (shortest[..shortest.IndexOf('E', StringComparison.Ordinal)], shortest[(shortest.IndexOf('E', StringComparison.Ordinal) + 1)..]);
        var exponent = int.Parse(exponentText, CultureInfo.InvariantCulture);
        if (value != 0 && exponent is < -4 or >= 16)
            return string.Create(CultureInfo.InvariantCulture, $"{mantissa}e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");

        var sign = mantissa[0] == '-' ? "-" : "";
        var all = mantissa.Replace(".", "", StringComparison.Ordinal)[sign.Length..];
        if (exponent < 0)
            return sign + "0." + new string('0', -exponent - 1) + all;
        all = all.PadRight(exponent + 2, '0');
        return sign + all[..(exponent + 1)] + "." + all[(exponent + 1)..];
    }
}
