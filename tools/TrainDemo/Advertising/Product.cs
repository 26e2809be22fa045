namespace ChatGLM.Tools.TrainDemo.Advertising;

/// <summary>A kind of product: what it is called, the attributes that it can have, and what it goes well with.</summary>
internal sealed record Product(string Type, string[] Names, string[] Attributes, string[] Endings);
