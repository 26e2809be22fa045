using ChatGLM.Tools.TrainDemo.Advertising;

namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>AdvertiseGen's task: attributes such as <c>类型#裙*颜色#红色*风格#简约</c> become a sentence that praises a product with all of them.</summary>
internal sealed class Advertisements : ITopic
{
    private const int FewestTraits = 2;
    private const int MostTraits = 4;

    /// <summary>What some people write before the attributes.</summary>
    public static readonly string[] Introductions = ["写一句广告：", "请写广告：", "帮我写个广告："];

    public IReadOnlyList<Exchange> Next(Draw draw)
    {
        var copy = Copy(draw);
        return [new Exchange(draw.Percent(85) ? copy.Attributes : draw.From(Introductions) + copy.Attributes, copy.Plain, copy.Key)];
    }

    /// <summary>Draws a product, and what there is to say about it.</summary>
    public static AdvertisingCopy Copy(Draw draw)
    {
        var product = draw.From(Catalogue.Products);
        var keys = draw.Some(product.Attributes, FewestTraits + draw.Below(MostTraits - FewestTraits + 1));
        var traits = keys.Select(key => draw.From([.. Catalogue.Traits.Where(trait => trait.Key == key)])).ToList();
        return new AdvertisingCopy(
            $"类型#{product.Type}{string.Concat(traits.Select(trait => $"*{trait.Key}#{trait.Value}"))}",
            draw.From(product.Names),
            [.. traits.Select(trait => draw.From(trait.Phrases))],
            draw.From(product.Endings),
            Key: string.Join('*', traits.Select(trait => trait.Key + trait.Value).Order(StringComparer.Ordinal).Prepend(product.Type)));
    }
}
