namespace Affect.Emotions;

/// <summary>What two modalities said of one emotion: a voice and a face that carry the same label.</summary>
/// <param name="Speech">Calibrated posterior of the voice.</param>
/// <param name="Face">Calibrated posterior of the face.</param>
/// <param name="Label">What both show.</param>
public readonly record struct PosteriorPair(EmotionScores Speech, EmotionScores Face, Emotion Label);

/// <summary>The weights of a <see cref="LogLinearPool"/>, and how well they do.</summary>
/// <param name="Speech">Weight of the voice, not negative.</param>
/// <param name="Face">Weight of the face, not negative.</param>
/// <param name="LogLikelihood">Mean over the pairs of log p(label), in nats.</param>
public readonly record struct PoolWeights(double Speech, double Face, double LogLikelihood);

/// <summary>
/// Learns the weights of the pool from pairs: the maximum of Σ log p(label) over weights that are not
/// negative. In the weights the pool is an exponential family, so the log-likelihood is concave
/// and Newton's method finds its one maximum; its gradient is the evidence of the label less its
/// expectation, its Hessian minus the covariance of the evidence.
/// </summary>
public static class PoolFit
{
    /// <summary>
    /// Pulls both weights to 1 (independent modalities) as strongly as one pair would: nothing beside
    /// hundreds of pairs, and an end to weights that would grow for ever on pairs without any error.
    /// </summary>
    private const double Ridge = 1;

    private const int MaxSteps = 100;
    private const double Converged = 1e-9;

    /// <summary>Fits both weights.</summary>
    /// <param name="prior">The prior that the pool divides by.</param>
    /// <param name="pairs">Validation samples: what the models were not trained on. At least one.</param>
    public static PoolWeights Fit(EmotionScores prior, IReadOnlyList<PosteriorPair> pairs)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pairs.Count);
        var pool = new LogLinearPool(prior);

        var both = Climb(pool, pairs, speech: true, face: true);
        if (both is { Speech: >= 0, Face: >= 0 })
            return both;
        // The maximum under the bounds lies on a bound that the free maximum oversteps.
        var speechAlone = Climb(pool, pairs, speech: true, face: false);
        var faceAlone = Climb(pool, pairs, speech: false, face: true);
        PoolWeights[] bounded =
        [
            At(pool, pairs, 0, 0),
            At(pool, pairs, Math.Max(0, speechAlone.Speech), 0),
            At(pool, pairs, 0, Math.Max(0, faceAlone.Face)),
        ];
        return bounded.MaxBy(weights => weights.LogLikelihood);
    }

    /// <summary>The mean log-likelihood of the labels under given weights.</summary>
    public static PoolWeights At(LogLinearPool pool, IReadOnlyList<PosteriorPair> pairs, double speech, double face) =>
        new(speech, face, Derive(pool, pairs, speech, face).Value / pairs.Count);

    /// <summary>Newton's method with halved steps; a weight that is not free stays 0.</summary>
    private static PoolWeights Climb(LogLinearPool pool, IReadOnlyList<PosteriorPair> pairs, bool speech, bool face)
    {
        var (s, f) = (speech ? 1.0 : 0, face ? 1.0 : 0);
        var here = Objective(s, f);
        for (var step = 0; step < MaxSteps; step++)
        {
            var (gs, gf) = (speech ? here.GradientS : 0, face ? here.GradientF : 0);
            // A weight that is not free gets a unit curvature and no coupling, hence no step.
            var ss = speech ? here.CurvatureSS : 1;
            var ff = face ? here.CurvatureFF : 1;
            var sf = speech && face ? here.CurvatureSF : 0;
            var determinant = ss * ff - sf * sf;
            var (ds, df) = ((ff * gs - sf * gf) / determinant, (ss * gf - sf * gs) / determinant);

            var length = 1.0;
            var next = Objective(s + ds, f + df);
            while (next.Value < here.Value && length > Converged)
            {
                length /= 2;
                next = Objective(s + length * ds, f + length * df);
            }
            (s, f, here) = (s + length * ds, f + length * df, next);
            if (length * (Math.Abs(ds) + Math.Abs(df)) < Converged)
                break;
        }
        return At(pool, pairs, s, f);

        Derivatives Objective(double s, double f)
        {
            var d = Derive(pool, pairs, s, f);
            return d with
            {
                Value = d.Value - Ridge / 2 * ((s - 1) * (s - 1) + (f - 1) * (f - 1)),
                GradientS = d.GradientS - Ridge * (s - 1),
                GradientF = d.GradientF - Ridge * (f - 1),
                CurvatureSS = d.CurvatureSS + Ridge,
                CurvatureFF = d.CurvatureFF + Ridge,
            };
        }
    }

    /// <summary>Σ log p(label), its gradient, and its curvature (minus the Hessian).</summary>
    private static Derivatives Derive(LogLinearPool pool, IReadOnlyList<PosteriorPair> pairs, double s, double f)
    {
        Span<double> evidenceS = stackalloc double[EmotionLabels.Count];
        Span<double> evidenceF = stackalloc double[EmotionLabels.Count];
        Span<double> log = stackalloc double[EmotionLabels.Count];
        Derivatives sum = default;
        foreach (var pair in pairs)
        {
            var largest = double.NegativeInfinity;
            for (var i = 0; i < EmotionLabels.Count; i++)
            {
                evidenceS[i] = pool.Evidence(pair.Speech, i);
                evidenceF[i] = pool.Evidence(pair.Face, i);
                log[i] = pool.LogPrior(i) + s * evidenceS[i] + f * evidenceF[i];
                largest = Math.Max(largest, log[i]);
            }
            var (z, meanS, meanF, meanSS, meanFF, meanSF) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
            for (var i = 0; i < EmotionLabels.Count; i++)
            {
                var p = Math.Exp(log[i] - largest);
                z += p;
                meanS += p * evidenceS[i];
                meanF += p * evidenceF[i];
                meanSS += p * evidenceS[i] * evidenceS[i];
                meanFF += p * evidenceF[i] * evidenceF[i];
                meanSF += p * evidenceS[i] * evidenceF[i];
            }
            (meanS, meanF) = (meanS / z, meanF / z);
            var label = (int)pair.Label;
            sum = new(
                sum.Value + log[label] - largest - Math.Log(z),
                sum.GradientS + evidenceS[label] - meanS,
                sum.GradientF + evidenceF[label] - meanF,
                sum.CurvatureSS + meanSS / z - meanS * meanS,
                sum.CurvatureFF + meanFF / z - meanF * meanF,
                sum.CurvatureSF + meanSF / z - meanS * meanF);
        }
        return sum;
    }

    private readonly record struct Derivatives(
        double Value, double GradientS, double GradientF, double CurvatureSS, double CurvatureFF, double CurvatureSF);
}
