using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// A model to train: what it takes, its layers, and how it learns. Whatever derives from this is found
/// by name; nothing else needs to know of it.
/// </summary>
internal abstract class Architecture
{
    /// <summary>All architectures of this assembly, by name.</summary>
    public static IReadOnlyDictionary<string, Architecture> All { get; } = typeof(Architecture).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(Architecture)) && !type.IsAbstract)
        .Select(type => (Architecture)Activator.CreateInstance(type)!)
        .OrderBy(architecture => architecture.Name, StringComparer.Ordinal)
        .ToDictionary(architecture => architecture.Name);

    /// <summary>Name of the model: lower-case letters, digits and hyphens.</summary>
    public abstract string Name { get; }

    /// <summary>One sentence for lists.</summary>
    public abstract string Description { get; }

    /// <summary>What the model listens to or looks at.</summary>
    public abstract Modality Modality { get; }

    /// <summary>The tensor it takes, as the manifest states it; mean and scale come from the training data.</summary>
    public abstract ModelInput Input { get; }

    /// <summary>Shape of one sample in that tensor, without the batch.</summary>
    public abstract long[] Shape { get; }

    /// <summary>How it learns.</summary>
    public abstract Recipe Recipe { get; }

    /// <summary>What its card says besides: what the recipe does not show.</summary>
    public virtual string Remarks => "";

    /// <summary>What is trained, each in a run of its own: the model itself, or the members of an ensemble.</summary>
    public virtual IReadOnlyList<Architecture> Members => [this];

    /// <summary>A fresh network with random weights from torch's generator.</summary>
    public abstract Network Build();

    /// <summary>The network whose weights are those of its trained members, and how its input is scaled.</summary>
    public virtual (Network Network, Normalization Normalization) Join(IReadOnlyList<(Network Network, Normalization Normalization)> members) => members.Single();

    /// <summary>Number of values of one sample.</summary>
    public int Length => checked((int)Shape.Aggregate(1L, (product, size) => product * size));
}

/// <summary>
/// How a model learns. Two ways: a rate in one cycle over a number of epochs, after which the weights are kept
/// as they are; or, with <see cref="Patience"/>, as in the study: a constant rate that is halved where validation
/// gets no better, an early end, and the weights of the epoch with the least validation loss.
/// </summary>
internal sealed record Recipe
{
    /// <summary>How it learnt before: the run whose weights this one begins with; null is none, and random weights.</summary>
    public Recipe? From { get; init; }

    /// <summary>
    /// Whether the run before is not what this one begins with but its teacher, who makes the share <see cref="Taught"/> of each target and judges each batch as
    /// the learner sees it (born-again networks, Furlanello et al. 2018; a consistent teacher, Beyer et al. 2022).
    /// </summary>
    public bool BornAgain { get; init; }

    /// <summary>Passes over the training data, at most.</summary>
    public required int Epochs { get; init; }

    /// <summary>Samples per step.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Epochs without less validation loss after which the run ends (early stopping); 0 is a rate in one cycle.</summary>
    public int Patience { get; init; }

    /// <summary>Epochs without less validation loss after which the rate is halved (reduce on plateau).</summary>
    public int PlateauPatience { get; init; } = 3;

    /// <summary>Highest rate of learning, reached after <see cref="WarmUp"/>.</summary>
    public required double Rate { get; init; }

    /// <summary>Fraction of all steps over which the rate rises linearly; from there it falls as a cosine to 1 %.</summary>
    public double WarmUp { get; init; } = 0.1;

    /// <summary>Decoupled weight decay (Loshchilov and Hutter 2019); 0 makes the optimiser plain Adam.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Whether each epoch sees the samples changed at random; otherwise always as they are.</summary>
    public bool Augment { get; init; } = true;

    /// <summary>Share of the target that is spread over all labels (Szegedy et al. 2016).</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>α of the Beta(α, α) from which mixup (Zhang et al. 2018) draws; 0 leaves samples unmixed.</summary>
    public double Mixup { get; init; }

    /// <summary>
    /// Last epochs, with slight augmentation and pictures of full size: nearer to what comes in use
    /// (He et al. 2019, arXiv:1909.09148).
    /// </summary>
    public int GentleEpochs { get; init; }

    /// <summary>Face: edge of the pictures to learn from before that, in pixels; 0 is that of the input.</summary>
    public int Edge { get; init; }

    /// <summary>Speech: largest number of clips of one speaker in an epoch, for a corpus of few; 0 is no limit.</summary>
    public int PerSpeaker { get; init; }

    /// <summary>Augmented versions of a sample that are computed once and kept; 0 is a new one each time.</summary>
    public int Variants { get; init; }

    /// <summary>
    /// Speech: weight of the loss of a second head, which learns what else a corpus says of its clips and is not exported: RAVDESS's eight emotions at two intensities.
    /// </summary>
    public double Detail { get; init; }

    /// <summary>Face: share of the target that ten people's votes make (FER+, Barsoum et al. 2016).</summary>
    public double Votes { get; init; }

    /// <summary>
    /// An exported model whose scores make a share of the target (distillation, Hinton et al. 2015); its own name is the model as the first of its runs
    /// left it.
    /// </summary>
    public string? Teacher { get; init; }

    /// <summary>Share of the target that the teacher makes.</summary>
    public double Taught { get; init; }

    /// <summary>Decay of the moving average of the weights, which is what is validated and exported; 0 is no average.</summary>
    public double AverageDecay { get; init; } = 0.998;

    /// <summary>
    /// Whether convolutions and what passes between them are bfloat16 while learning, weights float32 (mixed precision, Micikevicius et al. 2018;
    /// bfloat16 needs no scaling of the loss, Kalamkar et al. 2019): several times as fast where the CPU has AMX.
    /// </summary>
    public bool Mixed { get; init; }

    /// <summary>Largest norm of the gradient; longer ones are scaled down.</summary>
    public double GradientNorm { get; init; } = 5;
}
