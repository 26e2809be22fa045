using System.Security.Cryptography;
using System.Text;
using ChatGLM.Tools.TrainDemo;
using ChatGLM.Tools.TrainDemo.Text;

namespace ChatGLM.Samples.Tests;

/// <summary>The text that the demonstration model is made of: always the same, and split so that what measures the model was never learned.</summary>
public sealed class GeneratorTests
{
    [Fact]
    public void The_first_five_hundred_conversations_of_the_recipe_are_the_ones_that_made_the_snapshot()
    {
        var text = string.Join('\n', new Conversations().Train(42).Take(500).SelectMany(rounds => rounds).Select(exchange => $"{exchange.Question}\t{exchange.Answer}"));
        Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text))).Should().Be("DB00AF9B45E8ED46FD2EF345B46AAC98ED33C0334800790CB0993A2DE8A19365");
    }

    [Fact]
    public void Nothing_that_is_held_out_is_trained_on_in_any_wording()
    {
        var trained = new Conversations().Train(1).Take(3000).SelectMany(rounds => rounds).ToList();
        trained.Should().NotContain(exchange => exchange.IsHeldOut);
        Exchange[] listed = [.. Countries.Exchanges(), .. Words.Exchanges(), .. Sums.Exchanges()];
        listed.Count(exchange => exchange.IsHeldOut).Should().BeInRange(listed.Length / 16, listed.Length / 9, "about one in twelve is held out");
        trained.Select(exchange => exchange.Key).Should().NotIntersectWith(listed.Where(exchange => exchange.IsHeldOut).Select(exchange => exchange.Question));
    }

    [Fact]
    public void An_advertisement_says_something_of_every_attribute_in_their_order()
    {
        var draw = new Draw(3);
        for (var i = 0; i < 200; i++)
        {
            var copy = Advertisements.Copy(draw);
            copy.Attributes.Split('*').Should().HaveCount(1 + copy.Phrases.Count);
            copy.Plain.Should().StartWith(copy.Name).And.EndWith($"。{copy.Ending}。");
            copy.Phrases.Select(phrase => copy.Plain.IndexOf(phrase, StringComparison.Ordinal)).Should().BeInAscendingOrder().And.NotContain(-1);
        }
    }

    [Theory]
    [InlineData("train.json", false)]
    [InlineData("test.json", true)]
    public void The_rows_of_QuickStart_are_what_the_generator_writes(string file, bool isHeldOut) =>
        File.ReadAllText(Path.Combine(DemoFolders.VoiceData, file)).Should().Be(DemoCommandLine.VoiceFile(isHeldOut));
}
