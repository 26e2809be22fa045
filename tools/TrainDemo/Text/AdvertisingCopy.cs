using ChatGLM.Tools.TrainDemo.Advertising;

namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>The parts of an advertisement, which every voice puts together in its own way.</summary>
/// <param name="Type">The kind of product.</param>
/// <param name="Name">What the product is called.</param>
/// <param name="Phrases">What is said of each attribute, in order.</param>
/// <param name="Ending">What the product is good for.</param>
/// <param name="Traits">The attributes taken apart, in order.</param>
internal sealed record AdvertisingCopy(string Type, string Name, IReadOnlyList<string> Phrases, string Ending, IReadOnlyList<Trait> Traits)
{
    /// <summary>What is asked, in AdvertiseGen's form.</summary>
    public string Attributes => $"类型#{Type}{string.Concat(Traits.Select(trait => $"*{trait.Key}#{trait.Value}"))}";

    /// <summary>The set of attributes, whatever their order: a set is trained on or held out as a whole.</summary>
    public string Key => string.Join('*', Traits.Select(trait => trait.Key + trait.Value).Order(StringComparer.Ordinal).Prepend(Type));

    /// <summary>The sentence that the model is trained on.</summary>
    public string Plain => $"{Name}{string.Join('，', Phrases)}。{Ending}。";
}
