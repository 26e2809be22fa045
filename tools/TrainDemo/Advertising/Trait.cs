namespace ChatGLM.Tools.TrainDemo.Advertising;

/// <summary>A value that an attribute of a product can have, and what an advertisement says about it.</summary>
internal sealed record Trait(string Key, string Value, string[] Phrases);
