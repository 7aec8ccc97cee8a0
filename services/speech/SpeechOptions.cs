using Affect.Inference;
using Microsoft.Extensions.Options;

namespace Affect.Speech;

/// <summary>How speech models are served: section <c>Speech</c>.</summary>
public sealed class SpeechOptions : InferenceOptions;

[OptionsValidator]
internal sealed partial class SpeechOptionsValidator : IValidateOptions<SpeechOptions>;
