using System.Reflection;
using Xunit.Sdk;

namespace ChatGLM.Conformance.Tests.Infrastructure;

/// <summary>A theory that runs once for every recorded case of one kind; reported as skipped when there is none at all.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ConformanceTheoryAttribute : TheoryAttribute
{
    public ConformanceTheoryAttribute(string kind)
    {
        if (!ConformanceFolder.OfKind(kind).Any())
            Skip = $"No recorded case of kind '{kind}': set CHATGLM_CONFORMANCE, or put the recordings in ../shared/conformance.";
    }
}

/// <summary>The rows of a <see cref="ConformanceTheoryAttribute"/>: the name of each case of the kind.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class CasesOfAttribute(string kind) : DataAttribute
{
    public override IEnumerable<object[]> GetData(MethodInfo testMethod) =>
        ConformanceFolder.OfKind(kind).Select(c => new object[] { c.Name });
}
