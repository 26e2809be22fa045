namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>A few things that everybody knows.</summary>
internal static class Facts
{
    private static readonly (string[] Questions, string Answer)[] All =
    [
        (["天空是什么颜色？", "天空是什么颜色的？", "天是什么颜色？"], "天空是蓝色的。"),
        (["草是什么颜色？", "草是什么颜色的？", "小草是什么颜色？"], "草是绿色的。"),
        (["雪是什么颜色？", "雪是什么颜色的？", "雪的颜色是什么？"], "雪是白色的。"),
        (["一年有几个月？", "一年有多少个月？", "一年一共有几个月？"], "一年有十二个月。"),
        (["一周有几天？", "一个星期有几天？", "一周有多少天？"], "一个星期有七天。"),
        (["一天有几个小时？", "一天有多少个小时？", "一天有多少小时？"], "一天有二十四个小时。"),
        (["一小时有几分钟？", "一个小时有多少分钟？", "一小时有多少分钟？"], "一个小时有六十分钟。"),
        (["一年有几个季节？", "一年有哪些季节？", "一年有哪四季？"], "一年有春、夏、秋、冬四个季节。"),
        (["太阳从哪边升起？", "太阳从哪里升起？", "太阳从哪个方向升起？"], "太阳从东边升起。"),
        (["水在多少度结冰？", "水几度结冰？", "水到多少度会结冰？"], "水在零度结冰。"),
        (["星期一之后是星期几？", "星期一后面是哪一天？", "星期一的第二天是星期几？"], "星期一之后是星期二。"),
        (["世界上最高的山是什么？", "最高的山是哪座？", "世界最高峰是哪座山？"], "世界上最高的山是珠穆朗玛峰。"),
        (["中国最长的河是什么？", "中国最长的河是哪条？", "哪条河是中国最长的河？"], "中国最长的河是长江。"),
        (["谁写了静夜思？", "静夜思是谁写的？", "静夜思的作者是谁？"], "静夜思是李白写的。"),
        (["猫喜欢吃什么？", "猫爱吃什么？", "小猫吃什么？"], "猫喜欢吃鱼。"),
        (["苹果是水果吗？", "苹果是一种水果吗？", "苹果算水果吗？"], "是的，苹果是一种水果。"),
        (["What color is the sky?", "What colour is the sky?", "Which color does the sky have?"], "The sky is blue."),
        (["What color is grass?", "What colour is grass?", "Which color does grass have?"], "Grass is green."),
        (["What color is snow?", "What colour is snow?", "Which color does snow have?"], "Snow is white."),
        (["How many months are in a year?", "How many months does a year have?", "How many months are there in a year?"], "A year has twelve months."),
        (["How many days are in a week?", "How many days does a week have?", "How many days are there in a week?"], "A week has seven days."),
        (["How many hours are in a day?", "How many hours does a day have?", "How many hours are there in a day?"], "A day has twenty-four hours."),
        (["How many minutes are in an hour?", "How many minutes does an hour have?", "How many minutes are there in an hour?"], "An hour has sixty minutes."),
        (["What are the four seasons?", "Which seasons are there?", "Name the four seasons."], "The four seasons are spring, summer, autumn and winter."),
        (["Where does the sun rise?", "In which direction does the sun rise?", "On which side does the sun rise?"], "The sun rises in the east."),
        (["When does water freeze?", "At what temperature does water freeze?", "At how many degrees does water freeze?"], "Water freezes at zero degrees."),
        (["What comes after Monday?", "Which day comes after Monday?", "What day follows Monday?"], "Tuesday comes after Monday."),
        (["What is the highest mountain?", "Which mountain is the highest?", "Name the highest mountain."], "The highest mountain is Mount Everest."),
        (["What is the longest river in China?", "Which river is the longest in China?", "Name the longest river in China."], "The longest river in China is the Yangtze."),
        (["Who wrote Hamlet?", "Hamlet was written by whom?", "Who is the author of Hamlet?"], "Hamlet was written by William Shakespeare."),
        (["What do cats like to eat?", "What does a cat eat?", "What do cats eat?"], "Cats like to eat fish."),
        (["Is an apple a fruit?", "Are apples fruit?", "Is the apple a fruit?"], "Yes, an apple is a fruit."),
    ];

    public static IEnumerable<Exchange> Exchanges()
    {
        foreach (var (questions, answer) in All)
        {
            foreach (var question in questions)
                yield return new Exchange(question, answer);
        }
    }
}
