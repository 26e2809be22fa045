using System.IO.Compression;
using System.Reflection.Metadata;
using System.Reflection.PortableExecutable;
using System.Xml.Linq;

/// <summary>Looks into the packages: each has a README, an icon, a licence, documentation of its public members, symbols, an assembly that says it can be trimmed, and nothing of the machine that built it.</summary>
internal static class PackageContents
{
    /// <summary>Says what is wrong with the packages of a folder.</summary>
    public static List<string> Problems(string folder)
    {
        var packages = Directory.GetFiles(folder, "*.nupkg");
        var problems = packages.SelectMany(package => Problems(new FileInfo(package)).Select(problem => $"{Path.GetFileName(package)}: {problem}")).ToList();
        if (packages.Length < 5)
            problems.Add($"{folder}: expected at least five packages, found {packages.Length}.");
        return problems;
    }

    private static IEnumerable<string> Problems(FileInfo package)
    {
        using var zip = ZipFile.OpenRead(package.FullName);
        var metadata = Read(zip.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal))).Root!.Elements().Single();
        string Field(string name) => metadata.Elements().FirstOrDefault(e => e.Name.LocalName == name)?.Value ?? "";
        foreach (var name in new[] { "id", "version", "authors", "description", "copyright", "tags" })
        {
            if (Field(name).Length == 0)
                yield return $"its nuspec has no {name}.";
        }

        if (Field("license") != "Apache-2.0")
            yield return $"its licence is '{Field("license")}', expected the expression Apache-2.0.";
        foreach (var (field, file) in new[] { ("readme", "README.md"), ("icon", "icon.png") })
        {
            if (Field(field) != file || zip.GetEntry(file) is not { Length: > 0 })
                yield return $"it has no {field} {file}.";
        }

        var id = Field("id");
        // A tool is a program: it has its assemblies elsewhere, and nobody compiles against them.
        var isTool = metadata.Descendants().Any(e => e.Name.LocalName == "packageType" && (string?)e.Attribute("name") == "DotnetTool");
        var place = isTool ? "tools/net10.0/any/" : "lib/net10.0/";
        var assembly = zip.Entries.FirstOrDefault(e => e.FullName.StartsWith(place, StringComparison.Ordinal) && e.FullName.EndsWith(".dll", StringComparison.Ordinal) && (isTool || e.Name == id + ".dll"));
        if (assembly is null)
        {
            yield return $"it has no assembly in {place}.";
            yield break;
        }

        if (isTool)
            yield break;
        if (zip.GetEntry($"{place}{id}.xml") is not { } documentation || Read(documentation).Descendants("member").Count() < 10)
            yield return "its public members are not documented.";
        using var pe = new PEReader(Copy(assembly));
        if (!pe.ReadDebugDirectory().Any(entry => entry.Type == DebugDirectoryEntryType.Reproducible))
            yield return "its assembly is not deterministic: two builds of the same source differ.";
        if (!Text(Copy(assembly)).Contains("IsTrimmable", StringComparison.Ordinal))
            yield return "its assembly does not say that it can be trimmed.";

        var symbols = package.FullName.Replace(".nupkg", ".snupkg");
        if (!File.Exists(symbols))
        {
            yield return "it has no symbol package.";
            yield break;
        }

        using var symbolZip = ZipFile.OpenRead(symbols);
        if (symbolZip.Entries.FirstOrDefault(e => e.Name == id + ".pdb") is not { } pdb)
        {
            yield return "its symbol package has no symbols.";
            yield break;
        }

        using var provider = MetadataReaderProvider.FromPortablePdbStream(Copy(pdb));
        var reader = provider.GetMetadataReader();
        var paths = reader.Documents.Select(handle => reader.GetString(reader.GetDocument(handle).Name)).ToList();
        if (paths.FirstOrDefault(path => !path.StartsWith("/_/", StringComparison.Ordinal)) is { } path)
            yield return $"its symbols name a path of the machine that built it: {path}.";
    }

    private static XDocument Read(ZipArchiveEntry entry)
    {
        using var stream = entry.Open();
        return XDocument.Load(stream);
    }

    private static MemoryStream Copy(ZipArchiveEntry entry)
    {
        var copy = new MemoryStream();
        using (var stream = entry.Open())
            stream.CopyTo(copy);
        copy.Position = 0;
        return copy;
    }

    private static string Text(MemoryStream stream) => System.Text.Encoding.Latin1.GetString(stream.ToArray());
}
