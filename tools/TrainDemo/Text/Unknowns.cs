namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>What the model does not know, and says so: a small model that was never told this invents an answer.</summary>
internal static class Unknowns
{
    private const string ChineseAnswer = "这个我不知道，我只是一个很小的模型。";
    private const string EnglishAnswer = "I do not know that; I am only a very small model.";

    private static readonly string[] ChineseTopics =
    [
        "量子力学", "相对论", "股票", "足球比赛", "人工智能", "区块链", "明天的天气", "红楼梦", "秦始皇", "黑洞", "恐龙", "火箭", "围棋", "电影票房", "房价", "基因", "哲学", "微积分",
        "唐朝历史", "爱情", "减肥方法", "投资理财", "编译器", "操作系统", "数据库", "互联网", "新闻", "奥运会", "京剧", "书法", "贝多芬", "牛顿", "航空母舰", "癌症", "疫苗", "法律",
    ];

    private static readonly string[] EnglishTopics =
    [
        "quantum mechanics", "relativity", "the stock market", "football", "artificial intelligence", "the weather tomorrow", "Napoleon", "black holes", "dinosaurs", "rockets", "chess",
        "house prices", "genes", "philosophy", "calculus", "Roman history", "love", "diets", "compilers", "databases", "the internet", "the news", "the Olympic games", "opera", "Beethoven",
        "Newton", "cancer", "vaccines", "law", "electric cars", "climate change", "economics", "poetry", "cooking", "gardening", "space travel",
    ];

    public static IEnumerable<Exchange> Exchanges()
    {
        foreach (var topic in ChineseTopics)
        {
            foreach (var question in new[] { $"什么是{topic}？", $"请解释一下{topic}。", $"介绍一下{topic}。", $"你怎么看{topic}？", $"给我讲讲{topic}。", $"{topic}是怎么回事？", $"写一篇关于{topic}的文章。" })
                yield return new Exchange(question, ChineseAnswer);
        }

        foreach (var topic in EnglishTopics)
        {
            foreach (var question in new[]
                {
                    $"What do you think about {topic}?", $"Explain {topic}.", $"Tell me about {topic}.", $"What do you know about {topic}?", $"Can you explain {topic} to me?",
                    $"Write an essay about {topic}.", $"How does one learn about {topic}?",
                })
                yield return new Exchange(question, EnglishAnswer);
        }
    }
}
