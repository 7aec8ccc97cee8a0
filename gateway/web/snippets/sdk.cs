using var client = new AffectClient("http://localhost:8081");

var analysis = await client.AnalyzeAsync(new Clip
{
    Audio = Media.FromFile("speech.wav"),
    Images = [Media.FromFile("face.jpg")],
});

var judgement = analysis.Fused.Judgement;
Console.WriteLine($"{judgement.Outcome}: {judgement.Emotion} ({judgement.Confidence:P0})");
