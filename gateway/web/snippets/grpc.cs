using var channel = GrpcChannel.ForAddress("http://localhost:8081");
var service = new EmotionService.EmotionServiceClient(channel);

var answer = await service.AnalyzeAsync(new AnalyzeRequest
{
    Clip = new Clip { Audio = ByteString.CopyFrom(await File.ReadAllBytesAsync("speech.wav")) },
});

Console.WriteLine(answer.Analysis.Fused);
