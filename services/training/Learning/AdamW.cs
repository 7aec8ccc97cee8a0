using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Learning;

/// <summary>
/// Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019). Implemented here because checkpoints
/// must restore its state bit by bit. Weight decay does not apply to vectors (biases, normalization).
/// </summary>
internal sealed class AdamW : IDisposable
{
    private const double Beta1 = 0.9, Beta2 = 0.999, Epsilon = 1e-8;
    private readonly (string Name, Parameter Value, Tensor Mean, Tensor Square)[] _parameters;
    private readonly nn.Module _network;
    private readonly double _weightDecay;

    public AdamW(nn.Module network, double weightDecay)
    {
        (_network, _weightDecay) = (network, weightDecay);
        _parameters = [.. network.named_parameters().Select(p =>
            (p.name, p.parameter, zeros_like(p.parameter).DetachFromDisposeScope(), zeros_like(p.parameter).DetachFromDisposeScope()))];
    }

    /// <summary>The moment estimates by name, for checkpoints.</summary>
    public IEnumerable<(string Name, Tensor Value)> State =>
        _parameters.SelectMany(p => new[] { ($"adam.mean.{p.Name}", p.Mean), ($"adam.square.{p.Name}", p.Square) });

    /// <summary>Takes one step and clears the gradients.</summary>
    /// <param name="learningRate">Learning rate of this step.</param>
    /// <param name="step">Number of this step, starting with 1.</param>
    public void Step(double learningRate, long step)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        // Both bias corrections are applied to learning rate and ε, which saves passes over the weights.
        var correction = Math.Sqrt(1 - Math.Pow(Beta2, step));
        var corrected = learningRate * correction / (1 - Math.Pow(Beta1, step));
        foreach (var (_, value, mean, square) in _parameters)
        {
            if (value.grad is not { } gradient)
                continue;
            if (value.dim() > 1 && _weightDecay > 0)
                value.mul_(1 - learningRate * _weightDecay);
            mean.lerp_(gradient, 1 - Beta1);
            square.mul_(Beta2).addcmul_(gradient, gradient, 1 - Beta2);
            value.addcdiv_(mean, square.sqrt().add_(Epsilon * correction), -corrected);
        }
        _network.zero_grad();
    }

    public void Dispose()
    {
        foreach (var (_, _, mean, square) in _parameters)
        {
            mean.Dispose();
            square.Dispose();
        }
    }
}
