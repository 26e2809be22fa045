namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>The parts of an advertisement, which every voice puts together in its own way.</summary>
/// <param name="Attributes">What is asked, in AdvertiseGen's form.</param>
/// <param name="Name">What the product is called.</param>
/// <param name="Phrases">What is said of each attribute, in order.</param>
/// <param name="Ending">What the product is good for.</param>
/// <param name="Key">The set of attributes, whatever their order: a set is trained on or held out as a whole.</param>
internal sealed record AdvertisingCopy(string Attributes, string Name, IReadOnlyList<string> Phrases, string Ending, string Key)
{
    /// <summary>The sentence that the model is trained on.</summary>
    public string Plain => $"{Name}{string.Join('，', Phrases)}。{Ending}。";
}
