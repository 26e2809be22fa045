using ChatGLM.Tensors;
using ChatGLM.Tokenizers;

namespace ChatGLM.Training.Tests;

public sealed class CollatorTests
{
    private static readonly ChatGLMTokenizer Tokenizer = SmallTokenizer.Open(ChatGLMGeneration.ChatGLM2);

    [Theory]
    [InlineData(null, 3)]
    [InlineData(4, 4)]
    public void Rows_and_labels_are_padded_on_the_left(int? multiple, int width)
    {
        using var scope = new TensorScope();
        var batch = new DataCollatorForSeq2Seq(Tokenizer, padToMultipleOf: multiple).Collate([new([5, 6, 7], [-100, 6, 7]), new([8], [8])], Backend.Default);
        var pad = Tokenizer.PadTokenId;
        batch.InputIds.Shape.Should().Be(new Shape(2, width));
        batch.InputIds.ToArray<long>().Should().Equal(Left(width, pad, 5, 6, 7).Concat(Left(width, pad, 8)));
        batch.Labels!.ToArray<long>().Should().Equal(Left(width, -100, -100, 6, 7).Concat(Left(width, -100, 8)));
        batch.AttentionMask!.ToArray<long>().Should().Equal(Left(width, 0, 1, 1, 1).Concat(Left(width, 0, 1)));
    }

    [Fact]
    public void Rows_and_labels_are_padded_on_the_right_without_masks()
    {
        using var scope = new TensorScope();
        var batch = new DataCollatorForSeq2Seq(Tokenizer, padToMultipleOf: 4, paddingSide: PaddingSide.Right).Collate([new([5, 6, 7], [-100, 6, 7]), new([8], [8])], Backend.Default);
        long pad = Tokenizer.PadTokenId;
        batch.InputIds.ToArray<long>().Should().Equal(5, 6, 7, pad, 8, pad, pad, pad);
        batch.Labels!.ToArray<long>().Should().Equal(-100, 6, 7, -100, 8, -100, -100, -100);
        batch.AttentionMask.Should().BeNull();
    }

    [Fact]
    public void Labels_of_answers_have_a_length_of_their_own()
    {
        using var scope = new TensorScope();
        var batch = new DataCollatorForSeq2Seq(Tokenizer, padToMultipleOf: 2).Collate([new([5], [1, 2, 3]), new([8, 9], [4])], Backend.Default);
        batch.Labels!.ToArray<long>().Should().Equal(-100, 1, 2, 3, -100, -100, -100, 4);
    }

    [Fact]
    public void Every_token_is_a_label_in_language_modeling_but_padding()
    {
        using var scope = new TensorScope();
        var pad = Tokenizer.PadTokenId;
        var batch = new DataCollatorForLanguageModeling(Tokenizer).Collate([new([5, pad, 7]), new([8])], Backend.Default);
        batch.Labels!.ToArray<long>().Should().Equal(5, -100, 7, -100, -100, 8);
    }

    [Fact]
    public void A_batch_of_rows_with_and_without_labels_is_refused() =>
        FluentActions.Invoking(() => new DataCollatorForSeq2Seq(Tokenizer).Collate([new([1], [1]), new([1])], Backend.Default)).Should().Throw<TrainingDataException>();

    private static IEnumerable<long> Left(int width, long padding, params long[] values) => Enumerable.Repeat(padding, width - values.Length).Concat(values);
}
