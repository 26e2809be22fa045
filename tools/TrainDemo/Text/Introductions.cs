namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Someone says their name and asks for it later, or asks without having said it.</summary>
internal sealed class Introductions(IReadOnlyList<ITopic> between) : ITopic
{
    private static readonly string[] ChineseNames = ["小明", "小红", "小刚", "小丽", "李华", "王芳", "张伟", "刘洋", "陈静", "赵强", "小美", "小龙", "阿杰", "阿玲", "大山", "小雨"];
    private static readonly string[] EnglishNames = ["Anna", "Tom", "Mary", "John", "Lucy", "Peter", "Emma", "Jack", "Alice", "Bob", "David", "Sara", "Mike", "Kate", "Paul", "Linda"];

    public IReadOnlyList<Exchange> Next(Draw draw)
    {
        var isChinese = draw.Percent(50);
        if (draw.Percent(15))
            return [isChinese ? new Exchange(AskChinese(draw), "你还没有告诉我你的名字。") : new Exchange(AskEnglish(draw), "You have not told me your name yet.")];
        var name = draw.From(isChinese ? ChineseNames : EnglishNames);
        var introduction = isChinese
            ? new Exchange(draw.From([$"我叫{name}", $"我叫{name}。", $"我是{name}", $"我的名字是{name}。", $"你好，我叫{name}"]), $"你好，{name}！很高兴认识你。", $"名字>{name}")
            : new Exchange(draw.From([$"My name is {name}.", $"I am {name}.", $"My name is {name}", $"Hi, I am {name}.", $"Hello, my name is {name}!"]), $"Nice to meet you, {name}!", $"name>{name}");
        if (draw.Percent(30))
            return [introduction];
        var question = isChinese ? new Exchange(AskChinese(draw), $"你叫{name}。", $"名字>{name}") : new Exchange(AskEnglish(draw), $"Your name is {name}.", $"name>{name}");
        return draw.Percent(40) ? [introduction, .. draw.From(between).Next(draw), question] : [introduction, question];
    }

    private static string AskChinese(Draw draw) => draw.From(["我叫什么名字？", "我叫什么？", "你知道我叫什么吗？", "我的名字是什么？", "你还记得我的名字吗？"]);

    private static string AskEnglish(Draw draw) => draw.From(["What is my name?", "What's my name?", "Do you know my name?", "Who am I?", "Do you remember my name?"]);
}
