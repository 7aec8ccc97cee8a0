using Affect.Face.V1;
using Affect.Features.V1;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.Hosting;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Clips;

/// <summary>The faces of one clip: each picture goes to features, and each of its faces to face, all at the same time.</summary>
internal sealed class FaceAnalysis(
    FeaturesService.FeaturesServiceClient features,
    FaceService.FaceServiceClient face,
    ModelCatalogue models,
    ILogger<FaceAnalysis> logger)
{
    private const string Name = "face";

    /// <summary>Never throws for want of a peer: the outcome is UNAVAILABLE then.</summary>
    /// <exception cref="OperationCanceledException">The caller went away.</exception>
    public async Task<FaceResult> RunAsync(Clip clip, Refusal refusal, PeerCalls calls)
    {
        var result = new FaceResult { Outcome = Outcome.Unavailable };
        try
        {
            await models.UseAsync(Modality.Face, clip.FaceModel, "clip.face_model", refusal, calls, async model =>
            {
                result = new FaceResult { Outcome = Outcome.Unavailable, Model = model.Reference };
                var images = clip.Images.Take(ClipRules.MaxImages)
                    .Select((image, index) => LookAsync(image, $"clip.images[{index}]", model, result, refusal, calls));
                result.Images.Add(await Task.WhenAll(images));
                Conclude(result, model);
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
            seen.Outcome = seen.Faces.Any(found => found.Scores is not null) ? Outcome.Ok
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

    private async Task<Affect.V1.Face> ClassifyAsync(FaceCrop crop, Model model, FaceResult result, PeerCalls calls)
    {
        var found = new Affect.V1.Face { Box = crop.Box, DetectionConfidence = crop.DetectionConfidence, Outcome = Outcome.Unavailable };
        var request = new Face.V1.ClassifyRequest { Model = model.Reference.Name, Pixels = crop.Pixels };
        try
        {
            var answer = await calls.CallAsync(call => face.ClassifyAsync(request, call));
            var verdict = new Verdict(answer.Outcome, answer.Scores);
            found.Scores = answer.Scores;
            found.Emotion = verdict.Emotion;
            found.Confidence = verdict.Scores.Confidence;
            found.Outcome = answer.Outcome;
            result.Model = answer.Model;
        }
        catch (Exception exception) when (calls.IsOutage(exception) && !exception.IsMisfit())
        {
            Log.CallsLost(logger, 1, 1, Name, exception.Code());
        }
        return found;
    }

    private static void Conclude(FaceResult result, Model model)
    {
        // Faces come largest first; one that was lost leaves its place to the next.
        var scores = result.Images
            .Select(image => image.Faces.FirstOrDefault(found => found.Scores is not null))
            .OfType<Affect.V1.Face>()
            .Select(found => found.Scores.ToDomain())
            .ToList();
        if (scores.Count > 0)
        {
            var verdict = new Verdict(Verdict.Mean(scores), model.AbstainBelow);
            result.Outcome = verdict.Outcome.ToProto();
            result.Scores = verdict.Scores.ToProto();
            result.Emotion = verdict.Emotion;
            result.Confidence = verdict.Scores.Confidence;
        }
        else
            result.Outcome = result.Images.Any(image => image.Outcome == Outcome.Unavailable) ? Outcome.Unavailable : Outcome.NoFace;
    }
}
