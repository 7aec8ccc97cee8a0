namespace Affect.Emotions;

/// <summary>A speech sample and a face sample with the same label.</summary>
/// <param name="Speech">Calibrated posterior of the speech model.</param>
/// <param name="Face">Calibrated posterior of the face model.</param>
/// <param name="Label">Label of both samples.</param>
public readonly record struct PosteriorPair(EmotionScores Speech, EmotionScores Face, Emotion Label);

/// <summary>The weights of a <see cref="LogLinearPool"/> and their log-likelihood.</summary>
/// <param name="Speech">Weight of speech, not negative.</param>
/// <param name="Face">Weight of the face, not negative.</param>
/// <param name="LogLikelihood">Mean over the pairs of log p(label), in nats.</param>
public readonly record struct PoolWeights(double Speech, double Face, double LogLikelihood);

/// <summary>
/// Fits the weights of the pool to pairs: maximizes Σ log p(label) over non-negative weights. The pool is an exponential
/// family in its weights, so the log-likelihood is concave and Newton's method finds the maximum. The gradient is the
/// evidence of the label minus its expectation; the Hessian is minus the covariance of the evidence.
/// </summary>
public static class PoolFit
{
    /// <summary>
    /// Regularizes both weights towards 1 (independent modalities). Negligible with hundreds of pairs, but bounds the weights
    /// if the pairs are separable.
    /// </summary>
    private const double Ridge = 1;

    private const int MaxSteps = 100;
    private const double Converged = 1e-9;

    /// <summary>Fits both weights.</summary>
    /// <param name="prior">The prior that the pool divides by.</param>
    /// <param name="pairs">Validation samples that the models were not trained on; at least one.</param>
    public static PoolWeights Fit(EmotionScores prior, IReadOnlyList<PosteriorPair> pairs)
    {
        ArgumentOutOfRangeException.ThrowIfZero(pairs.Count);
        var pool = new LogLinearPool(prior);

        var both = Maximize(pool, pairs, speech: true, face: true);
        if (both is { Speech: >= 0, Face: >= 0 })
            return both;
        // The constrained maximum lies on a bound that the unconstrained one violates.
        var speechAlone = Maximize(pool, pairs, speech: true, face: false);
        var faceAlone = Maximize(pool, pairs, speech: false, face: true);
        PoolWeights[] bounded =
        [
            Evaluate(pool, pairs, 0, 0),
            Evaluate(pool, pairs, Math.Max(0, speechAlone.Speech), 0),
            Evaluate(pool, pairs, 0, Math.Max(0, faceAlone.Face)),
        ];
        return bounded.MaxBy(weights => weights.LogLikelihood);
    }

    /// <summary>Evaluates the mean log-likelihood of the labels at given weights.</summary>
    public static PoolWeights Evaluate(LogLinearPool pool, IReadOnlyList<PosteriorPair> pairs, double speech, double face) =>
        new(speech, face, Derive(pool, pairs, speech, face).Value / pairs.Count);

    /// <summary>Newton's method with step halving; a fixed weight stays 0.</summary>
    private static PoolWeights Maximize(LogLinearPool pool, IReadOnlyList<PosteriorPair> pairs, bool speech, bool face)
    {
        var (s, f) = (speech ? 1.0 : 0, face ? 1.0 : 0);
        var current = Objective(s, f);
        for (var step = 0; step < MaxSteps; step++)
        {
            var (gs, gf) = (speech ? current.GradientS : 0, face ? current.GradientF : 0);
            // A fixed weight gets unit curvature and no coupling, hence no step.
            var ss = speech ? current.CurvatureSS : 1;
            var ff = face ? current.CurvatureFF : 1;
            var sf = speech && face ? current.CurvatureSF : 0;
            var determinant = ss * ff - sf * sf;
            var (ds, df) = ((ff * gs - sf * gf) / determinant, (ss * gf - sf * gs) / determinant);

            var length = 1.0;
            var next = Objective(s + ds, f + df);
            while (next.Value < current.Value && length > Converged)
            {
                length /= 2;
                next = Objective(s + length * ds, f + length * df);
            }
            (s, f, current) = (s + length * ds, f + length * df, next);
            if (length * (Math.Abs(ds) + Math.Abs(df)) < Converged)
                break;
        }
        return Evaluate(pool, pairs, s, f);

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
