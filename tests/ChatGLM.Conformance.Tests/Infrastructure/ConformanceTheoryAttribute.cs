using System.Reflection;
using Xunit.Sdk;

namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>A theory that runs once for every recorded case of the kinds; reported as skipped when there is none at all.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ConformanceTheoryAttribute : TheoryAttribute
{
    public ConformanceTheoryAttribute(params string[] kinds)
    {
        if (!kinds.Any(kind => ConformanceFolder.OfKind(kind).Any()))
            Skip = $"No recorded case of kind '{string.Join("' or '", kinds)}': set CHATGLM_CONFORMANCE, or put the recordings in ../shared/conformance.";
    }
}

/// <summary>The rows of a <see cref="ConformanceTheoryAttribute"/>: the name of each case of the kinds.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class CasesOfAttribute(params string[] kinds) : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        kinds.SelectMany(ConformanceFolder.OfKind).Select(c => new object[] { c.Name });
}
