using System.Text.RegularExpressions;
using ChatGLM.Tools.TrainDemo.Advertising;

namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>
/// The text that the tokenizer is trained on: what is said in many conversations. Chinese does not show where its words end, and the sentences of this small world are so much alike that they would become
/// pieces as a whole; the model would then have nothing to put together. So Chinese lines are cut at the words that come and go in them.
/// </summary>
internal static class TokenizerCorpus
{
    private const int Conversations = 12_000;
    private const int VoiceRows = 1_000;

    /// <summary>There are few distinct greetings and the like, and they are what is said most.</summary>
    private const int SmallTalkTimes = 12;

    private static readonly Regex Word = new(string.Join('|', Names().Distinct().OrderByDescending(name => name.Length).Select(Regex.Escape)));

    /// <summary>The lines, in order of their first use.</summary>
    public static IEnumerable<string> Lines(ulong seed)
    {
        var said = new Conversations().Train(seed).Take(Conversations).SelectMany(rounds => rounds).Concat(Voice.Rows(seed, isHeldOut: false, withWords: true).Take(VoiceRows))
            .SelectMany(exchange => new[] { exchange.Question, exchange.Answer }).Distinct();
        var talk = Enumerable.Repeat(SmallTalk.Exchanges(), SmallTalkTimes).SelectMany(exchanges => exchanges).SelectMany(exchange => new[] { exchange.Question, exchange.Answer });
        return Enumerable.Range(1, 9).SelectMany(round => new[] { $"[Round {round}]", "问：", "答：" }).Concat(said.Concat(talk).Select(Cut));
    }

    /// <summary>Puts commas where words may end: no piece goes beyond a mark.</summary>
    private static string Cut(string line) => line.Any(c => c > '\u3000') ? string.Join('，', Word.Replace(line, "\n$0\n").Split('\n', StringSplitOptions.RemoveEmptyEntries)) : line;

    private static IEnumerable<string> Names() =>
    [
        "的", "是", "用", "我叫", "我是", "显得", "适合", "穿着",
        .. Catalogue.Products.SelectMany(product => product.Names.Append(product.Type)).Where(name => name.Length > 1),
        .. Catalogue.Traits.SelectMany(trait => new[] { trait.Key, trait.Value }),
        .. Countries.All.SelectMany(country => new[] { country.Chinese, country.ChineseCapital }),
        .. Words.All.Select(word => word.Chinese).Where(word => word.Length > 1),
    ];
}
