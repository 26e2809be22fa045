namespace ChatGLM.Training.Tests;

public sealed class JiebaSegmenterTests : IDisposable
{
    /// <summary>Some words, some of which overlap.</summary>
    private const string Mini = """
        的 318825 uj
        了 883634 ul
        研究 21482 v
        研究生 1031 n
        生命 8203 vn
        命 10 n
        起源 1209 n
        北京 34488 ns
        大学 20025 n
        北京大学 2053 nt
        大学生 2205 n
        前来 700 v
        应聘 113 v
        结婚 2000 v
        和 555815 c
        尚未 2000 d
        和尚 1500 nr
        未 4000 d
        T恤 30 n
        c++ 3 nz
        南京 5000 ns
        南京市 500 ns
        市长 3000 n
        长江 2500 ns
        长江大桥 60 ns
        大桥 800 n
        这 300000 r
        款 8000 q
        时尚 900 n
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Recorded from jieba 0.42.1 with the same dictionary and HMM=False.</summary>
    [Theory]
    [InlineData("研究生命的起源", "研究|生命|的|起源")]
    [InlineData("北京大学生前来应聘", "北京|大学生|前来|应聘")]
    [InlineData("结婚的和尚未结婚的", "结婚|的|和|尚未|结婚|的")]
    [InlineData("南京市长江大桥", "南京市|长江大桥")]
    [InlineData("这款T恤用c++写的，v2.0 GPT-4！", "这|款|T恤|用|c++|写|的|，|v2|.|0| |GPT|-|4|！")]
    [InlineData("hello world\r\n你好\t😀好", "hello| |world|\r\n|你|好|\t|😀|好")]
    [InlineData("a1b2的3.5%，。", "a1b2|的|3|.|5|%|，|。")]
    [InlineData("𠮷野家的", "𠮷|野|家|的")]
    [InlineData("时尚", "时尚")]
    [InlineData("", "")]
    public void Words_are_those_of_jieba(string text, string words) =>
        string.Join('|', new JiebaSegmenter(JiebaDictionary.FromFile(Write("dict.txt", Mini))).Split(text)).Should().Be(words);

    [Fact]
    public void Words_of_ones_own_join_those_of_a_dictionary()
    {
        var dictionary = JiebaDictionary.FromFile(Write("dict.txt", Mini)).WithWords(Write("user.txt", "云计算\n起源的 3 n\n南京市长 \n"));
        // The frequencies that jieba suggests for these are 1 and 7, and its sum is then this.
        (dictionary.Find("云计算"), dictionary.Find("南京市长"), dictionary.Total).Should().Be((1, 7, 2180097));
        new JiebaSegmenter(dictionary).Split("云计算的起源的").Should().Equal("云计算", "的", "起源", "的");
    }

    [Theory]
    [InlineData("这款牛仔裤采用高腰设计，修身显瘦，穿着舒适。", "这款|牛仔裤|采用|高腰|设计|，|修身|显瘦|，|穿着|舒适|。")]
    [InlineData("今天天气怎么样？", "今天|天气|怎么样|？")]
    [InlineData("我喜欢自然语言处理", "我|喜欢|自然语言|处理")]
    [InlineData("类型#裤*版型#宽松", "类型|#|裤|*|版型|#|宽松")]
    [InlineData("宽松的裤腿遮住了粗腿上的赘肉", "宽松|的|裤腿|遮|住|了|粗腿|上|的|赘肉")]
    [InlineData("人工智能的发展改变了我们的生活", "人工智能|的|发|展|改变|了|我们|的|生活")]
    public void The_words_of_the_package_know_everyday_speech_and_shops(string text, string words) => string.Join('|', new JiebaSegmenter().Split(text)).Should().Be(words);

    [Fact]
    public void What_a_segmenter_gives_is_the_text()
    {
        var segmenter = new JiebaSegmenter();
        var random = new Random(3);
        for (var i = 0; i < 200; i++)
        {
            var text = string.Concat(Enumerable.Range(0, random.Next(40)).Select(_ => char.ConvertFromUtf32(random.Next(4) switch { 0 => random.Next(32, 127), 1 => 0x1F600 + random.Next(50), _ => random.Next(0x4E00, 0x9FFF) })));
            string.Concat(segmenter.Split(text)).Should().Be(text);
        }

        string.Concat(segmenter.Split("\uD800好\uDC00")).Should().Be("\uD800好\uDC00");
    }

    [Theory]
    [InlineData("好 x n", "*line 1*frequency*'好'*")]
    [InlineData("好", "*line 1*'好' alone*WithWords*")]
    [InlineData("\n\n", "*no word*")]
    public void A_file_that_is_no_dictionary_is_refused(string text, string message) =>
        FluentActions.Invoking(() => JiebaDictionary.FromFile(Write("dict.txt", text))).Should().Throw<TrainingDataException>().WithMessage(message);

    private string Write(string name, string text)
    {
        File.WriteAllText(_folder[name], text);
        return _folder[name];
    }
}
