namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Everyday words in both languages, and their opposites.</summary>
internal static class Words
{
    public static readonly (string English, string Chinese)[] All =
    [
        ("cat", "猫"), ("dog", "狗"), ("bird", "鸟"), ("fish", "鱼"), ("horse", "马"), ("cow", "牛"), ("tiger", "老虎"), ("rabbit", "兔子"),
        ("apple", "苹果"), ("banana", "香蕉"), ("water", "水"), ("tea", "茶"), ("coffee", "咖啡"), ("rice", "米饭"), ("bread", "面包"), ("milk", "牛奶"),
        ("book", "书"), ("pen", "笔"), ("table", "桌子"), ("chair", "椅子"), ("door", "门"), ("window", "窗户"), ("house", "房子"), ("car", "汽车"),
        ("train", "火车"), ("plane", "飞机"), ("computer", "电脑"), ("phone", "电话"), ("sun", "太阳"), ("moon", "月亮"), ("star", "星星"), ("mountain", "山"),
        ("river", "河"), ("sea", "大海"), ("flower", "花"), ("tree", "树"), ("rain", "雨"), ("snow", "雪"), ("wind", "风"), ("fire", "火"),
        ("red", "红色"), ("green", "绿色"), ("blue", "蓝色"), ("white", "白色"), ("black", "黑色"), ("yellow", "黄色"), ("friend", "朋友"), ("school", "学校"),
        ("teacher", "老师"), ("student", "学生"), ("doctor", "医生"), ("mother", "妈妈"), ("father", "爸爸"), ("music", "音乐"), ("movie", "电影"), ("city", "城市"),
    ];

    private static readonly (string A, string B)[] EnglishOpposites =
    [
        ("big", "small"), ("hot", "cold"), ("fast", "slow"), ("new", "old"), ("long", "short"), ("high", "low"), ("happy", "sad"), ("light", "dark"),
        ("open", "closed"), ("full", "empty"), ("strong", "weak"), ("early", "late"), ("rich", "poor"), ("clean", "dirty"), ("easy", "difficult"), ("good", "bad"),
    ];

    private static readonly (string A, string B)[] ChineseOpposites =
    [
        ("大", "小"), ("热", "冷"), ("快", "慢"), ("新", "旧"), ("长", "短"), ("高", "低"), ("高兴", "难过"), ("亮", "暗"),
        ("开", "关"), ("满", "空"), ("强", "弱"), ("早", "晚"), ("富", "穷"), ("干净", "脏"), ("容易", "困难"), ("好", "坏"),
    ];

    /// <summary>Questions for a translation.</summary>
    public static IEnumerable<Exchange> Exchanges()
    {
        foreach (var (english, chinese) in All)
        {
            foreach (var question in new[]
                {
                    $"How do you say {english} in Chinese?", $"What is {english} in Chinese?", $"Translate {english} into Chinese.", $"What is the Chinese word for {english}?",
                    $"How do I say {english} in Chinese?", $"What does {english} mean in Chinese?",
                })
                yield return new Exchange(question, EnglishAnswer(english, chinese));
            foreach (var question in new[]
                {
                    $"{chinese}用英语怎么说？", $"{chinese}的英文是什么？", $"{chinese}用英文怎么讲？", $"把{chinese}翻译成英语。", $"{chinese}的英语单词是什么？", $"英语里{chinese}怎么说？",
                })
                yield return new Exchange(question, ChineseAnswer(english, chinese));
        }
    }

    /// <summary>Questions for an opposite, both ways.</summary>
    public static IEnumerable<Exchange> Opposites()
    {
        foreach (var (a, b) in EnglishOpposites.Concat(EnglishOpposites.Select(pair => (A: pair.B, B: pair.A))))
        {
            foreach (var question in new[] { $"What is the opposite of {a}?", $"What's the opposite of {a}?", $"Name the opposite of {a}.", $"Which word is the opposite of {a}?" })
                yield return new Exchange(question, $"The opposite of {a} is {b}.");
        }

        foreach (var (a, b) in ChineseOpposites.Concat(ChineseOpposites.Select(pair => (A: pair.B, B: pair.A))))
        {
            foreach (var question in new[] { $"{a}的反义词是什么？", $"和{a}相反的词是什么？", $"{a}的反义词是哪个？", $"说出{a}的反义词。" })
                yield return new Exchange(question, $"{a}的反义词是{b}。");
        }
    }

    /// <summary>Wordings that are in no training row, with any word.</summary>
    public static IEnumerable<Exchange> NewWordings()
    {
        foreach (var (english, chinese) in All)
        {
            yield return new Exchange($"Give me the word {english} in Chinese.", EnglishAnswer(english, chinese));
            yield return new Exchange($"请把{chinese}这个词翻译成英文。", ChineseAnswer(english, chinese));
        }
    }

    public static string EnglishAnswer(string english, string chinese) => $"{english} is {chinese} in Chinese.";

    public static string ChineseAnswer(string english, string chinese) => $"{chinese}的英文是{english}。";
}
