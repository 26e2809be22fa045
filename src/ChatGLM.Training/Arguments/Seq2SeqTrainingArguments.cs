namespace ChatGLM.Training;

/// <summary>The arguments of a <see cref="Seq2SeqTrainer"/> under the name that transformers gives them. <see cref="TrainingArguments"/> has those about generation already.</summary>
public sealed record Seq2SeqTrainingArguments : TrainingArguments;
