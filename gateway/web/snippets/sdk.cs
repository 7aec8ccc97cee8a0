using var client = new AffectClient("http://localhost:8081");

var analysis = await client.AnalyzeAsync(new Clip
{
    Audio = Media.FromFile("speech.wav"),
    Images = [Media.FromFile("face.jpg")],
});

Console.WriteLine($"{analysis.Fused.Outcome}: {analysis.Fused.Emotion} ({analysis.Fused.Confidence:P0})");
