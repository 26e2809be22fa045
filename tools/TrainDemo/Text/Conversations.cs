namespace ChatGLM.Tools.TrainDemo.Text;

/// <summary>Conversations of one to four rounds about everything that there is to talk about: what the model is trained on.</summary>
internal sealed class Conversations
{
    private const int MostRounds = 4;

    private readonly List<ITopic> _topics = [];

    public Conversations()
    {
        var capitals = new FixedTopic(Countries.Exchanges());
        var words = new FixedTopic(Words.Exchanges());
        var facts = new FixedTopic(Facts.Exchanges());
        var talk = new FixedTopic(SmallTalk.Exchanges(), isPolite: false);
        Add(10, new Advertisements());
        Add(4, capitals);
        Add(4, words);
        Add(5, new FixedTopic(Sums.Exchanges()));
        Add(2, new FixedTopic(Words.Opposites()));
        Add(2, facts);
        Add(4, talk);
        Add(2, new FixedTopic(Unknowns.Exchanges(), isPolite: false));
        Add(3, new FollowUps());
        Add(2, new Introductions([capitals, words, facts, talk]));
    }

    /// <summary>Draws conversations to train on: none holds an exchange that is held out.</summary>
    public IEnumerable<IReadOnlyList<Exchange>> Train(ulong seed)
    {
        var draw = new Draw(seed);
        while (true)
            yield return Next(draw);
    }

    private IReadOnlyList<Exchange> Next(Draw draw)
    {
        // Half of the conversations stay with one thing; a chat that goes on changes its subject.
        var wanted = draw.Percent(50) ? 1 : 2 + draw.Below(MostRounds - 1);
        var rounds = new List<Exchange>();
        while (rounds.Count < wanted)
        {
            var more = draw.From(_topics).Next(draw);
            if (rounds.Count + more.Count <= MostRounds && !more.Any(exchange => exchange.IsHeldOut))
                rounds.AddRange(more);
        }

        return rounds;
    }

    private void Add(int weight, ITopic topic) => _topics.AddRange(Enumerable.Repeat(topic, weight));
}
