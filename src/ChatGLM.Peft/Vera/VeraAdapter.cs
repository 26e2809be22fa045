using ChatGLM.Peft.Tuners;
using ChatGLM.Tensors;

namespace ChatGLM.Peft.Vera;

/// <summary>What a VeRA adapter has in one layer: the factors of the result, LambdaB [out], and of the inner values, LambdaD [rank]; and its parts of the shared matrices.</summary>
/// <param name="LambdaB">[out].</param>
/// <param name="LambdaD">[rank].</param>
/// <param name="A">[rank, in], frozen and shared.</param>
/// <param name="B">[out, rank], frozen and shared.</param>
/// <param name="Dropout">The probability of zeroing an input in training.</param>
internal sealed record VeraAdapter(Tensor LambdaB, Tensor LambdaD, DenseWeight A, DenseWeight B, float Dropout) : IAdapter
{
    public IEnumerable<AdapterParameter> Parameters => [new("vera_lambda_b", "", LambdaB), new("vera_lambda_d", "", LambdaD)];
}
