namespace ChatGLM.Tensors;

/// <summary>The place of a module inside another. What stands in it can be exchanged, for instance for an adapter that wraps it.</summary>
/// <typeparam name="T">What the owner needs: a replacement must be one too.</typeparam>
public sealed class ModuleSlot<T> : IModuleSlot
    where T : Module
{
    internal ModuleSlot(T module) => Value = module;

    /// <summary>The module that stands here now.</summary>
    public T Value { get; private set; }

    Module IModuleSlot.Module
    {
        get => Value;
        set => Value = value as T
            ?? throw new ArgumentException($"This place takes a {typeof(T).Name}, not a {value.GetType().Name}.", nameof(value));
    }
}

/// <summary>A <see cref="ModuleSlot{T}"/> without its type.</summary>
internal interface IModuleSlot
{
    Module Module { get; set; }
}
