using Affect.Inference;
using Affect.Training.Data;
using Affect.Training.Export;
using Affect.Training.Layers;

namespace Affect.Training.Architectures;

/// <summary>
/// A trainable model: its input, its layers and its recipe. Derived classes are discovered by reflection.
/// </summary>
internal abstract class Architecture
{
    /// <summary>The architectures of this assembly and the members that only ensembles have, by name.</summary>
    public static IReadOnlyDictionary<string, Architecture> All { get; } = typeof(Architecture).Assembly.GetTypes()
        .Where(type => type.IsSubclassOf(typeof(Architecture)) && !type.IsAbstract && type.GetConstructor(Type.EmptyTypes) is not null)
        .Select(type => (Architecture)Activator.CreateInstance(type)!)
        .SelectMany(architecture => architecture.Members.Prepend(architecture))
        .DistinctBy(architecture => architecture.Name)
        .OrderBy(architecture => architecture.Name, StringComparer.Ordinal)
        .ToDictionary(architecture => architecture.Name);

    /// <summary>Name of the model: lower-case letters, digits and hyphens.</summary>
    public abstract string Name { get; }

    /// <summary>One-sentence description.</summary>
    public abstract string Description { get; }

    /// <summary>The modality of the input: speech or face.</summary>
    public abstract Modality Modality { get; }

    /// <summary>The input tensor as in the manifest; mean and scale are fitted on the training data.</summary>
    public abstract ModelInput Input { get; }

    /// <summary>Shape of the input tensor without the batch dimension.</summary>
    public abstract long[] Shape { get; }

    /// <summary>Hyperparameters of the last training run.</summary>
    public abstract Recipe Recipe { get; }

    /// <summary>Added to the seed of a run, so that the equal members of an ensemble start from different weights.</summary>
    public virtual int SeedOffset => 0;

    /// <summary>Format of the larger weights in the ONNX file.</summary>
    public virtual WeightFormat WeightFormat => WeightFormat.Float16;

    /// <summary>Additional text of the model card.</summary>
    public virtual string Remarks => "";

    /// <summary>The separately trained networks: the model itself, or the members of an ensemble.</summary>
    public virtual IReadOnlyList<Architecture> Members => [this];

    /// <summary>Builds the network with random weights from torch's generator.</summary>
    public abstract Network Build();

    /// <summary>Combines the trained members into one network with one input normalization.</summary>
    public virtual (Network Network, Normalization Normalization) Combine(
        IReadOnlyList<(Network Network, Normalization Normalization)> members) => members.Single();

    /// <summary>Number of values in one sample.</summary>
    public int Length => checked((int)Shape.Aggregate(1L, (product, size) => product * size));
}

/// <summary>
/// Training hyperparameters. The schedule is one cycle over a fixed number of epochs, and the last weights are kept; or, with
/// <see cref="EarlyStoppingPatience"/>, as in the study: reduce on plateau, early stopping, and the weights of the epoch with
/// the lowest validation loss.
/// </summary>
internal sealed record Recipe
{
    /// <summary>
    /// Recipe of the preceding run, whose weights initialize this one or, with <see cref="SelfDistillation"/>, are the
    /// teacher's; null for random initialization.
    /// </summary>
    public Recipe? InitializeFrom { get; init; }

    /// <summary>
    /// True if the model of the preceding run is the teacher and this run starts from random weights. The teacher scores each
    /// augmented batch, with the weight <see cref="DistillationWeight"/> (born-again networks, Furlanello et al. 2018;
    /// consistent teacher, Beyer et al. 2022).
    /// </summary>
    public bool SelfDistillation { get; init; }

    /// <summary>Maximum number of passes over the training data.</summary>
    public required int Epochs { get; init; }

    /// <summary>Samples per step.</summary>
    public required int BatchSize { get; init; }

    /// <summary>Epochs without a lower validation loss after which training stops early; 0 selects the one-cycle schedule.</summary>
    public int EarlyStoppingPatience { get; init; }

    /// <summary>Epochs without a lower validation loss after which the learning rate is halved (reduce on plateau).</summary>
    public int PlateauPatience { get; init; } = 3;

    /// <summary>Maximum learning rate, reached after <see cref="WarmupFraction"/>.</summary>
    public required double LearningRate { get; init; }

    /// <summary>
    /// Fraction of the steps over which the learning rate rises linearly; after it, the rate follows a cosine down to 1 %.
    /// </summary>
    public double WarmupFraction { get; init; } = 0.1;

    /// <summary>Decoupled weight decay (Loshchilov and Hutter 2019); 0 makes the optimizer plain Adam.</summary>
    public double WeightDecay { get; init; }

    /// <summary>True to augment the training samples.</summary>
    public bool Augment { get; init; } = true;

    /// <summary>Share of the target that is spread over all labels (Szegedy et al. 2016).</summary>
    public double LabelSmoothing { get; init; }

    /// <summary>α of the Beta(α, α) distribution of mixup (Zhang et al. 2018); 0 disables mixup.</summary>
    public double MixupAlpha { get; init; }

    /// <summary>
    /// Number of last epochs with weak augmentation and full-size images, closer to the test distribution
    /// (He et al. 2019, arXiv:1909.09148).
    /// </summary>
    public int FineTuneEpochs { get; init; }

    /// <summary>Face: edge of the training images before the fine-tuning epochs, in pixels; 0 for the size of the input.</summary>
    public int ImageSize { get; init; }

    /// <summary>
    /// Speech: true to draw the clips of an epoch with a weight of 1/√n, where n is the number of clips of the same corpus and emotion,
    /// so that no corpus dominates.
    /// </summary>
    public bool BalanceCorpora { get; init; }

    /// <summary>Speech: maximum number of clips of one speaker in an epoch, for corpora with few speakers; 0 for no limit.</summary>
    public int MaxClipsPerSpeaker { get; init; }

    /// <summary>Number of augmented versions of a sample that are computed once and cached; 0 augments every time.</summary>
    public int CachedAugmentations { get; init; }

    /// <summary>
    /// Speech: loss weight of an auxiliary head that classifies RAVDESS's eight emotions at two intensities. The head is not exported.
    /// </summary>
    public double AuxiliaryLossWeight { get; init; }

    /// <summary>Face: weight of the votes of ten annotators in the target (FER+, Barsoum et al. 2016).</summary>
    public double VoteWeight { get; init; }

    /// <summary>
    /// Name of the exported model whose scores are distilled (Hinton et al. 2015); the model's own name stands for the model of
    /// its first run.
    /// </summary>
    public string? Teacher { get; init; }

    /// <summary>Weight of the teacher's scores in the target.</summary>
    public double DistillationWeight { get; init; }

    /// <summary>Decay of the exponential moving average of the weights, which is validated and exported; 0 disables averaging.</summary>
    public double EmaDecay { get; init; } = 0.998;

    /// <summary>
    /// True for mixed precision (Micikevicius et al. 2018): convolutions and activations in bfloat16, weights in float32. bfloat16
    /// needs no loss scaling (Kalamkar et al. 2019). Several times as fast on CPUs with AMX.
    /// </summary>
    public bool MixedPrecision { get; init; }

    /// <summary>Gradient clipping: maximum norm of the gradient.</summary>
    public double MaxGradientNorm { get; init; } = 5;
}
