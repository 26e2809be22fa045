using System.Reflection;
using System.Runtime.CompilerServices;

namespace ChatGLM.PublicApi.Tests;

/// <summary>Writes the public and protected members of an assembly down, one line each, in a fixed order.</summary>
internal static class PublicSurface
{
    public static List<string> Describe(Assembly assembly)
    {
        var lines = new List<string>();
        foreach (var type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            lines.Add($"{Kind(type)} {Name(type)}{Bases(type)}");
            var members = type.GetMembers(BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
                .Select(member => Describe(type, member))
                .OfType<string>()
                .Order(StringComparer.Ordinal);
            lines.AddRange(members.Select(member => $"  {Name(type)}.{member}"));
        }

        return lines;
    }

    private static string? Describe(Type type, MemberInfo member)
    {
        if (member.Name.Contains('<') || member.IsDefined(typeof(CompilerGeneratedAttribute)))
            return null;
        switch (member)
        {
            case ConstructorInfo constructor when IsVisible(constructor):
                return $"ctor({Parameters(constructor)})";
            case MethodInfo method when IsVisible(method) && !method.IsSpecialName && method.DeclaringType == method.GetBaseDefinition().DeclaringType:
                return $"{Modifier(method)}{method.Name}{Generics(method)}({Parameters(method)}): {Name(method.ReturnType)}";
            case MethodInfo method when IsVisible(method) && method.IsSpecialName && method.Name.StartsWith("op_", StringComparison.Ordinal):
                return $"{method.Name}({Parameters(method)}): {Name(method.ReturnType)}";
            case PropertyInfo property:
                var get = property.GetMethod is { } getter && IsVisible(getter) ? " get;" : "";
                var set = property.SetMethod is { } setter && IsVisible(setter)
                    ? setter.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) ? " init;" : " set;"
                    : "";
                return get + set == "" ? null : $"{Modifier(property.GetMethod ?? property.SetMethod!)}{property.Name}: {Name(property.PropertyType)} {{{get}{set} }}";
            case FieldInfo { IsPublic: true } field when !field.IsSpecialName:
                return type.IsEnum ? $"{field.Name} = {Convert.ToInt64(field.GetRawConstantValue())}" : $"{(field.IsStatic ? "static " : "")}{field.Name}: {Name(field.FieldType)}";
            case EventInfo { AddMethod: { } add } e when IsVisible(add):
                return $"event {e.Name}: {Name(e.EventHandlerType!)}";
            default:
                return null;
        }
    }

    private static bool IsVisible(MethodBase method) => method.IsPublic || method.IsFamily || method.IsFamilyOrAssembly;

    private static string Modifier(MethodBase method) =>
        (method.IsStatic ? "static " : method.IsAbstract ? "abstract " : method is { IsVirtual: true, IsFinal: false } ? "virtual " : "") + (method.IsPublic ? "" : "protected ");

    private static string Kind(Type type) => type switch
    {
        { IsEnum: true } => "enum",
        { IsInterface: true } => "interface",
        { IsValueType: true } => "struct",
        _ when typeof(Delegate).IsAssignableFrom(type) => "delegate",
        { IsAbstract: true, IsSealed: true } => "static class",
        { IsAbstract: true } => "abstract class",
        { IsSealed: true } => "sealed class",
        _ => "class",
    };

    private static string Bases(Type type)
    {
        if (type.IsEnum || type.IsValueType || typeof(Delegate).IsAssignableFrom(type))
            return "";
        return type.BaseType is { } b && b != typeof(object) ? $" : {Name(b)}" : "";
    }

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(p => $"{Name(p.ParameterType)} {p.Name}{(p.HasDefaultValue ? " = " + (p.DefaultValue ?? "null") : "")}"));

    private static string Generics(MethodInfo method) => method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";

    private static string Name(Type type)
    {
        if (type.IsByRef)
            return "ref " + Name(type.GetElementType()!);
        if (type.IsArray)
            return Name(type.GetElementType()!) + "[]";
        if (type.IsGenericParameter)
            return type.Name;
        if (Nullable.GetUnderlyingType(type) is { } underlying)
            return Name(underlying) + "?";
        var name = type.IsNested ? $"{Name(type.DeclaringType!)}.{type.Name}" : type.Namespace is "System" or null ? type.Name : $"{type.Namespace}.{type.Name}";
        if (!type.IsGenericType)
            return name;
        var tick = name.IndexOf('`', StringComparison.Ordinal);
        return tick < 0 ? name : $"{name[..tick]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>";
    }
}
