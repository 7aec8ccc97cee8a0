using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Clips;

/// <summary>The faces of one clip: each picture goes to features, and each of its faces to face, all at the same time.</summary>
internal sealed class FaceAnalysis(
    FeaturesService.FeaturesServiceClient features,
    [FromKeyedServices(Modality.Face)] ClassifierService.ClassifierServiceClient face,
    ModelCatalogue models,
    ILogger<FaceAnalysis> logger)
{
    private const string Name = "face";

    /// <summary>Never throws for want of a peer: the outcome is UNAVAILABLE then.</summary>
    /// <exception cref="OperationCanceledException">The caller went away.</exception>
    public async Task<FaceResult> RunAsync(Clip clip, Refusal refusal, PeerCalls calls)
    {
        var result = new FaceResult { Judgement = new() { Outcome = Outcome.Unavailable } };
        try
        {
            await models.UseAsync(Modality.Face, clip.FaceModel, "clip.face_model", refusal, calls, async model =>
            {
                result = new FaceResult { Judgement = new() { Outcome = Outcome.Unavailable }, Model = model.Reference };
                var images = clip.Images.Take(ClipRules.MaxImages)
                    .Select((image, index) => LookAsync(image, $"clip.images[{index}]", model, result, refusal, calls));
                result.Images.Add(await Task.WhenAll(images));
                result.Judgement = CreateJudgement(result.Images, model.AbstainBelow);
            });
        }
        catch (Exception exception) when (calls.IsOutage(exception))
        {
            Log.ModalityUnavailable(logger, Name, exception.Code());
            while (result.Images.Count < clip.Images.Count)
                result.Images.Add(new ImageResult { Outcome = Outcome.Unavailable });
        }
        return result;
    }

    /// <summary>The faces of one picture; UNAVAILABLE where it is refused or its calls are lost.</summary>
    /// <exception cref="RpcException">The model is not what the list says.</exception>
    public async Task<ImageResult> LookAsync(
        Google.Protobuf.ByteString image, string field, Model model, FaceResult result, Refusal refusal, PeerCalls calls)
    {
        var seen = new ImageResult { Outcome = Outcome.Unavailable };
        if (image.IsEmpty)
            return seen;
        try
        {
            var extracted = await calls.CallAsync(call =>
                features.ExtractFacesAsync(new() { Image = image, Input = model.Input }, call));
            seen.Width = extracted.Width;
            seen.Height = extracted.Height;
            // A clip that is refused needs no scores.
            if (!refusal.Any)
                seen.Faces.Add(await Task.WhenAll(extracted.Faces.Select(crop => ClassifyAsync(crop, model, result, calls))));
            seen.Outcome = seen.Faces.Any(found => found.Judgement.Scores is not null) ? Outcome.Ok
                : seen.Faces.Count > 0 ? Outcome.Unavailable
                : Outcome.NoFace;
        }
        catch (RpcException exception) when (refusal.Take(exception, ("image", field)))
        {
        }
        catch (Exception exception) when (calls.IsOutage(exception) && !exception.IsMisfit())
        {
            Log.ModalityUnavailable(logger, Name, exception.Code());
        }
        return seen;
    }

    private async Task<Face> ClassifyAsync(FaceCrop crop, Model model, FaceResult result, PeerCalls calls)
    {
        var found = new Face
        {
            Box = crop.Box,
            DetectionConfidence = crop.DetectionConfidence,
            Judgement = new() { Outcome = Outcome.Unavailable },
        };
        var request = new ClassifyRequest { Modality = Modality.Face, Model = model.Reference.Name, Input = crop.Pixels };
        try
        {
            var answer = await calls.CallAsync(call => face.ClassifyAsync(request, call));
            found.Judgement = answer.Judgement;
            result.Model = answer.Model;
        }
        catch (Exception exception) when (calls.IsOutage(exception) && !exception.IsMisfit())
        {
            Log.CallsLost(logger, 1, 1, Name, exception.Code());
        }
        return found;
    }

    /// <summary>
    /// Judges the mean of the largest face of each picture. Faces are in order of size, so a face without scores is replaced by the
    /// next one.
    /// </summary>
    public static Judgement CreateJudgement(IReadOnlyCollection<ImageResult> images, float abstainBelow) =>
        Judgements.Mean(images.Select(image => image.Faces.FirstOrDefault(found => found.Judgement.Scores is not null)?.Judgement), abstainBelow)
            ?? new() { Outcome = images.Any(image => image.Outcome == Outcome.Unavailable) ? Outcome.Unavailable : Outcome.NoFace };
}
