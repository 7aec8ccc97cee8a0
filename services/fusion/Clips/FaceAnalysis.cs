using Affect.Classifier.V1;
using Affect.Features.V1;
using Affect.Fusion.Peers;
using Affect.Fusion.Pooling;
using Affect.Hosting;
using Affect.Scheduling;
using Affect.V1;
using Grpc.Core;

namespace Affect.Fusion.Clips;

/// <summary>Analyzes the faces of a clip: sends each picture to features and each face to face, concurrently.</summary>
internal sealed class FaceAnalysis(
    FeaturesService.FeaturesServiceClient features,
    [FromKeyedServices(Modality.Face)] ClassifierService.ClassifierServiceClient face,
    [FromKeyedServices(Modality.Face)] FairLimiter limiter,
    ModelCatalog models,
    ILogger<FaceAnalysis> logger)
{
    private const string Name = "face";

    /// <summary>Analyzes all pictures; the outcome is UNAVAILABLE if a peer fails.</summary>
    /// <exception cref="OperationCanceledException">The caller disconnected.</exception>
    public async Task<FaceResult> RunAsync(Clip clip, Violations violations, PeerRequests requests)
    {
        var result = new FaceResult { Judgement = new() { Outcome = Outcome.Unavailable } };
        try
        {
            await models.UseAsync(Modality.Face, clip.FaceModel, "clip.face_model", violations, requests, async model =>
            {
                result = new FaceResult { Judgement = new() { Outcome = Outcome.Unavailable }, Model = model.Reference };
                var images = clip.Images.Take(RequestLimits.MaxImages)
                    .Select((image, index) => AnalyzeImageAsync(image, $"clip.images[{index}]", model, result, violations, requests));
                result.Images.Add(await Task.WhenAll(images));
                result.Judgement = CreateJudgement(result.Images, model.AbstainBelow);
            });
        }
        catch (Exception exception) when (requests.IsOutage(exception))
        {
            Log.ModalityUnavailable(logger, Name, exception.Code());
            while (result.Images.Count < Math.Min(clip.Images.Count, RequestLimits.MaxImages))
                result.Images.Add(new ImageResult { Outcome = Outcome.Unavailable });
        }
        return result;
    }

    /// <summary>Analyzes one picture; UNAVAILABLE if it is invalid or its requests are lost.</summary>
    /// <exception cref="RpcException">The model does not match its cached description.</exception>
    public async Task<ImageResult> AnalyzeImageAsync(
        Google.Protobuf.ByteString image, string field, Model model, FaceResult result, Violations violations, PeerRequests requests)
    {
        var analyzed = new ImageResult { Outcome = Outcome.Unavailable };
        if (image.IsEmpty)
            return analyzed;
        try
        {
            var extracted = await requests.SendAsync(callOptions =>
                features.ExtractFacesAsync(new() { Image = image, Input = model.Input }, callOptions));
            requests.ReportProgress();
            analyzed.Width = extracted.Width;
            analyzed.Height = extracted.Height;
            // An invalid clip needs no scores.
            if (!violations.Any)
                analyzed.Faces.Add(await Task.WhenAll(extracted.Faces.Select(crop => ClassifyAsync(crop, model, result, requests))));
            analyzed.Outcome = analyzed.Faces.Any(found => found.Judgement.Scores is not null) ? Outcome.Ok
                : analyzed.Faces.Count > 0 ? Outcome.Unavailable
                : Outcome.NoFace;
        }
        catch (RpcException exception) when (violations.AddFrom(exception, ("image", field)))
        {
        }
        catch (Exception exception) when (requests.IsOutage(exception) && !exception.IsModelMismatch())
        {
            Log.ModalityUnavailable(logger, Name, exception.Code());
        }
        return analyzed;
    }

    private async Task<Face> ClassifyAsync(FaceCrop crop, Model model, FaceResult result, PeerRequests requests)
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
            var response = await requests.SendAsync(callOptions => face.ClassifyAsync(request, callOptions), limiter);
            requests.ReportProgress();
            found.Judgement = response.Judgement;
            result.Model = response.Model;
        }
        catch (Exception exception) when (requests.IsOutage(exception) && !exception.IsModelMismatch())
        {
            Log.RequestsLost(logger, 1, 1, Name, exception.Code());
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
