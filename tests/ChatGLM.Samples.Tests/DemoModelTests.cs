using ChatGLM.Models;
using ChatGLM.Tokenizers;
using ChatGLM.Tools.TrainDemo.Training;

namespace ChatGLM.Samples.Tests;

/// <summary>What the small model of the samples promises.</summary>
public sealed class DemoModelTests
{
    private static readonly ChatOptions Greedy = new() { Generation = new() { MaxNewTokens = 96 } };

    [Theory]
    [InlineData("你好", "你好！我是用这个项目自己的训练代码训练的小模型，很高兴见到你。")]
    [InlineData("Hello!", "Hello! I am a small model, trained with this project's own code. Nice to meet you.")]
    [InlineData("What is the capital of France?", "The capital of France is Paris.")]
    [InlineData("日本的首都是哪里？", "日本的首都是东京。")]
    [InlineData("你是谁？", "我是一个很小的演示模型，结构与ChatGLM2相同，用C#从头训练。")]
    [InlineData("猫用英语怎么说", "猫的英文是cat。")]
    [InlineData("3加4等于几？", "3加4等于7。")]
    public void It_answers_what_the_documents_ask(string question, string answer)
    {
        using var model = AutoModel.FromPretrained(DemoFolders.Snapshot);
        model.Chat(AutoTokenizer.FromPretrained(DemoFolders.Snapshot), question, options: Greedy).Content.Should().Be(answer);
    }

    [Fact]
    public void It_understands_a_question_that_needs_the_one_before()
    {
        using var model = AutoModel.FromPretrained(DemoFolders.Snapshot);
        using var chat = model.StartChat(AutoTokenizer.FromPretrained(DemoFolders.Snapshot));
        chat.Chat("What is the capital of France?", Greedy).Content.Should().Be("The capital of France is Paris.");
        chat.Chat("And Japan?", Greedy).Content.Should().Be("The capital of Japan is Tokyo.");
    }

    [Fact]
    public void It_writes_an_advertisement_with_every_attribute()
    {
        using var model = AutoModel.FromPretrained(DemoFolders.Snapshot);
        var text = model.Chat(AutoTokenizer.FromPretrained(DemoFolders.Snapshot), "类型#裙*颜色#红色*风格#简约", options: Greedy).Content;
        text.Should().Contain("裙").And.Contain("红色").And.Contain("简约").And.EndWith("。");
    }

    /// <summary>The README of the tool gives figures of more rows; a model that has lost what it learned falls far below these.</summary>
    [Fact]
    public void It_knows_more_than_the_very_words_it_was_trained_on()
    {
        var sets = Measurement.Of(DemoFolders.Snapshot, count: 32, threads: 0).ToDictionary(set => set.Name);
        sets["questions as trained"].Exact.Should().BeGreaterThan(85);
        sets["questions held out in this wording"].Exact.Should().BeGreaterThan(75);
        sets["advertisements held out"].RougeL.Should().BeGreaterThan(60);
    }

    [Fact]
    public void It_stays_small() => Directory.GetFiles(DemoFolders.Snapshot).Sum(file => new FileInfo(file).Length).Should().BeLessThan(8_000_000);
}
