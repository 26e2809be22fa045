namespace ChatGLM.Tensors;

/// <summary>How a cache holds keys and values. What a query reads was rounded when it was written, so answers depend on the format and not on how tokens came to the cache.</summary>
public enum KeyValueFormat
{
    /// <summary>As they were computed.</summary>
    Float32,

    /// <summary>Rounded to half precision: half the memory, an error of at most 1 in 2048.</summary>
    Float16,

    /// <summary>Rounded to 8 bits, with one float32 scale for each position and head: a little more than a quarter of the memory, an error of at most 1 in 254 of a head's largest element.</summary>
    Int8,
}
