namespace ChatGLM.Tools.TrainDemo;

/// <summary>
/// The text that the small demonstration model is trained on: short questions and answers in Chinese and English, written here, so that the
/// model can be made again by anyone. Each fact is asked in several wordings.
/// </summary>
internal static class Corpus
{
    private static readonly (string English, string Chinese, string EnglishCapital, string ChineseCapital)[] Countries =
    [
        ("China", "中国", "Beijing", "北京"), ("France", "法国", "Paris", "巴黎"), ("Germany", "德国", "Berlin", "柏林"),
        ("Japan", "日本", "Tokyo", "东京"), ("Italy", "意大利", "Rome", "罗马"), ("Spain", "西班牙", "Madrid", "马德里"),
        ("Britain", "英国", "London", "伦敦"), ("Russia", "俄罗斯", "Moscow", "莫斯科"), ("Egypt", "埃及", "Cairo", "开罗"),
        ("India", "印度", "New Delhi", "新德里"), ("Greece", "希腊", "Athens", "雅典"), ("Portugal", "葡萄牙", "Lisbon", "里斯本"),
        ("Sweden", "瑞典", "Stockholm", "斯德哥尔摩"), ("Norway", "挪威", "Oslo", "奥斯陆"), ("Thailand", "泰国", "Bangkok", "曼谷"),
        ("Canada", "加拿大", "Ottawa", "渥太华"), ("Australia", "澳大利亚", "Canberra", "堪培拉"), ("Brazil", "巴西", "Brasilia", "巴西利亚"),
        ("Cuba", "古巴", "Havana", "哈瓦那"), ("Peru", "秘鲁", "Lima", "利马"),
    ];

    private static readonly (string English, string Chinese)[] Words =
    [
        ("cat", "猫"), ("dog", "狗"), ("bird", "鸟"), ("fish", "鱼"), ("horse", "马"), ("apple", "苹果"), ("water", "水"), ("tea", "茶"),
        ("rice", "米饭"), ("book", "书"), ("sun", "太阳"), ("moon", "月亮"), ("mountain", "山"), ("river", "河"), ("flower", "花"),
        ("red", "红色"), ("green", "绿色"), ("blue", "蓝色"), ("white", "白色"), ("black", "黑色"), ("friend", "朋友"), ("school", "学校"),
        ("teacher", "老师"), ("computer", "电脑"), ("train", "火车"),
    ];

    private static readonly (string[] Questions, string Answer)[] Facts =
    [
        (["你好", "您好", "你好！", "嗨", "你好呀"], "你好！我是用这个项目自己的训练代码训练的小模型，很高兴见到你。"),
        (["hello", "hi", "Hello!", "Hi there", "hey"], "Hello! I am a small model, trained with this project's own code. Nice to meet you."),
        (["你是谁", "你是谁？", "介绍一下你自己", "你叫什么名字"], "我是一个很小的演示模型，结构与ChatGLM2相同，用C#从头训练。"),
        (["who are you", "Who are you?", "What are you?", "Tell me about yourself."], "I am a tiny demonstration model with the architecture of ChatGLM2, trained from scratch in C#."),
        (["谢谢", "谢谢你", "多谢"], "不客气！还有什么可以帮你的吗？"),
        (["thanks", "Thank you", "Thanks a lot!"], "You are welcome! Is there anything else?"),
        (["再见", "拜拜"], "再见！祝你一切顺利。"),
        (["bye", "Goodbye", "See you"], "Goodbye! Have a good day."),
        (["你能做什么", "你会做什么？"], "我能回答几个简单的问题：国家的首都、单词的意思和小的加法。真正的模型要用--model加载。"),
        (["What can you do?", "help", "What do you know?"], "I know a few things: capitals of countries, words in Chinese and English, and small sums. Load a real model with --model."),
        (["天空是什么颜色", "天空是什么颜色的？"], "天空是蓝色的。"),
        (["What color is the sky?", "What colour is the sky?"], "The sky is blue."),
        (["一年有几个月", "一年有多少个月？"], "一年有十二个月。"),
        (["How many months are in a year?", "How many months does a year have?"], "A year has twelve months."),
        (["一周有几天", "一个星期有几天？"], "一个星期有七天。"),
        (["How many days are in a week?", "How many days does a week have?"], "A week has seven days."),
        (["讲个笑话", "给我讲个笑话"], "为什么程序员分不清万圣节和圣诞节？因为十月三十一等于十二月二十五。"),
        (["Tell me a joke.", "tell me a joke"], "Why do programmers mix up Halloween and Christmas? Because Oct 31 equals Dec 25."),
    ];

    /// <summary>Every question with its answer, in a fixed order.</summary>
    public static IEnumerable<(string Question, string Answer)> All()
    {
        foreach (var (questions, answer) in Facts)
        {
            foreach (var question in questions)
                yield return (question, answer);
        }

        foreach (var (english, chinese, englishCapital, chineseCapital) in Countries)
        {
            foreach (var question in new[] { $"What is the capital of {english}?", $"what is the capital of {english}", $"Name the capital of {english}.", $"Which city is the capital of {english}?" })
                yield return (question, $"The capital of {english} is {englishCapital}.");
            foreach (var question in new[] { $"{chinese}的首都是哪里", $"{chinese}的首都是哪里？", $"{chinese}的首都是什么？", $"{chinese}首都在哪" })
                yield return (question, $"{chinese}的首都是{chineseCapital}。");
        }

        foreach (var (english, chinese) in Words)
        {
            foreach (var question in new[] { $"How do you say {english} in Chinese?", $"What is {english} in Chinese?", $"Translate {english} into Chinese." })
                yield return (question, $"{english} is {chinese} in Chinese.");
            foreach (var question in new[] { $"{chinese}用英语怎么说", $"{chinese}用英语怎么说？", $"{chinese}的英文是什么？" })
                yield return (question, $"{chinese}的英文是{english}。");
        }

        for (var a = 0; a <= 10; a++)
        {
            for (var b = 0; b <= 10; b++)
            {
                yield return ($"What is {a} + {b}?", $"{a} + {b} = {a + b}.");
                yield return ($"{a}加{b}等于几", $"{a}加{b}等于{a + b}。");
                yield return ($"{a}+{b}=", $"{a} + {b} = {a + b}.");
            }
        }
    }
}
