using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Affect.Training.Learning;

/// <summary>
/// Adam with decoupled weight decay (Kingma and Ba 2015; Loshchilov and Hutter 2019). Ours, for its state
/// must go into checkpoints and come back bit by bit. Vectors (biases, normalisation) do not decay.
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

    /// <summary>The running means, by name: what a checkpoint has to hold.</summary>
    public IEnumerable<(string Name, Tensor Value)> State =>
        _parameters.SelectMany(p => new[] { ($"adam.mean.{p.Name}", p.Mean), ($"adam.square.{p.Name}", p.Square) });

    /// <summary>Takes one step along the gradients that lie in the parameters, and clears them.</summary>
    /// <param name="rate">Rate of learning of this step.</param>
    /// <param name="step">Number of this step, from 1.</param>
    public void Step(double rate, long step)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        // The corrections of both means go into rate and ε: fewer passes over the weights.
        var correction = Math.Sqrt(1 - Math.Pow(Beta2, step));
        var corrected = rate * correction / (1 - Math.Pow(Beta1, step));
        foreach (var (_, value, mean, square) in _parameters)
        {
            if (value.grad is not { } gradient)
                continue;
            if (value.dim() > 1 && _weightDecay > 0)
                value.mul_(1 - rate * _weightDecay);
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
