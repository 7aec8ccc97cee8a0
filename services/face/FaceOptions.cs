using Affect.Inference;
using Microsoft.Extensions.Options;

namespace Affect.Face;

/// <summary>How face models are served: section <c>Face</c>.</summary>
public sealed class FaceOptions : InferenceOptions;

[OptionsValidator]
internal sealed partial class FaceOptionsValidator : IValidateOptions<FaceOptions>;
