namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Countries and their capitals in both languages.</summary>
internal static class Countries
{
    public static readonly (string English, string Chinese, string EnglishCapital, string ChineseCapital)[] All =
    [
        ("China", "中国", "Beijing", "北京"), ("France", "法国", "Paris", "巴黎"), ("Germany", "德国", "Berlin", "柏林"), ("Japan", "日本", "Tokyo", "东京"),
        ("Italy", "意大利", "Rome", "罗马"), ("Spain", "西班牙", "Madrid", "马德里"), ("Britain", "英国", "London", "伦敦"), ("Russia", "俄罗斯", "Moscow", "莫斯科"),
        ("Egypt", "埃及", "Cairo", "开罗"), ("India", "印度", "New Delhi", "新德里"), ("Greece", "希腊", "Athens", "雅典"), ("Portugal", "葡萄牙", "Lisbon", "里斯本"),
        ("Sweden", "瑞典", "Stockholm", "斯德哥尔摩"), ("Norway", "挪威", "Oslo", "奥斯陆"), ("Thailand", "泰国", "Bangkok", "曼谷"), ("Canada", "加拿大", "Ottawa", "渥太华"),
        ("Australia", "澳大利亚", "Canberra", "堪培拉"), ("Brazil", "巴西", "Brasilia", "巴西利亚"), ("Cuba", "古巴", "Havana", "哈瓦那"), ("Peru", "秘鲁", "Lima", "利马"),
        ("Denmark", "丹麦", "Copenhagen", "哥本哈根"), ("Finland", "芬兰", "Helsinki", "赫尔辛基"), ("Poland", "波兰", "Warsaw", "华沙"), ("Austria", "奥地利", "Vienna", "维也纳"),
        ("Hungary", "匈牙利", "Budapest", "布达佩斯"), ("Ireland", "爱尔兰", "Dublin", "都柏林"), ("Turkey", "土耳其", "Ankara", "安卡拉"), ("Vietnam", "越南", "Hanoi", "河内"),
        ("South Korea", "韩国", "Seoul", "首尔"), ("Mexico", "墨西哥", "Mexico City", "墨西哥城"), ("Chile", "智利", "Santiago", "圣地亚哥"), ("Kenya", "肯尼亚", "Nairobi", "内罗毕"),
    ];

    /// <summary>Questions for the capital of a country, and for the country of a capital.</summary>
    public static IEnumerable<Exchange> Exchanges()
    {
        foreach (var (english, chinese, englishCapital, chineseCapital) in All)
        {
            foreach (var question in EnglishQuestions(english))
                yield return new Exchange(question, EnglishAnswer(english, englishCapital));
            foreach (var question in ChineseQuestions(chinese))
                yield return new Exchange(question, ChineseAnswer(chinese, chineseCapital));
            foreach (var question in new[] { $"Which country has the capital {englishCapital}?", $"{englishCapital} is the capital of which country?", $"What country is {englishCapital} the capital of?" })
                yield return new Exchange(question, $"{englishCapital} is the capital of {english}.");
            foreach (var question in new[] { $"{chineseCapital}是哪个国家的首都？", $"{chineseCapital}是哪国的首都？", $"哪个国家的首都是{chineseCapital}？" })
                yield return new Exchange(question, $"{chineseCapital}是{chinese}的首都。");
        }
    }

    /// <summary>Wordings that are in no training row, with any country.</summary>
    public static IEnumerable<Exchange> NewWordings()
    {
        foreach (var (english, chinese, englishCapital, chineseCapital) in All)
        {
            yield return new Exchange($"I forgot the capital of {english}.", EnglishAnswer(english, englishCapital));
            yield return new Exchange($"Which is the capital city of {english}, please?", EnglishAnswer(english, englishCapital));
            yield return new Exchange($"我忘了{chinese}的首都是哪里。", ChineseAnswer(chinese, chineseCapital));
            yield return new Exchange($"{chinese}的首都究竟是哪座城市呢？", ChineseAnswer(chinese, chineseCapital));
        }
    }

    public static string EnglishAnswer(string country, string capital) => $"The capital of {country} is {capital}.";

    public static string ChineseAnswer(string country, string capital) => $"{country}的首都是{capital}。";

    private static string[] EnglishQuestions(string country) =>
    [
        $"What is the capital of {country}?", $"What's the capital of {country}?", $"Which city is the capital of {country}?", $"Name the capital of {country}.",
        $"What is the capital city of {country}?", $"Tell me the capital of {country}.", $"What is {country}'s capital?", $"The capital of {country}?",
    ];

    private static string[] ChineseQuestions(string country) =>
    [
        $"{country}的首都是哪里？", $"{country}的首都是什么？", $"{country}首都在哪？", $"{country}的首都在哪里？",
        $"{country}的首都是哪个城市？", $"哪个城市是{country}的首都？", $"{country}的首都叫什么？", $"说出{country}的首都。",
    ];
}
