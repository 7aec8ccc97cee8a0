using System.CommandLine;
using System.Text.Json;
using Affect.Client;
using Grpc.Core;
using Spectre.Console;

namespace Affect.Cli;

/// <summary><c>affect analyze FILE...</c></summary>
internal static class AnalyzeCommand
{
    private static readonly Argument<string[]> Files = new("FILE")
    {
        Description = "Audio files (WAV, FLAC, MP3, AAC, AMR, Ogg, WebM, MP4, CAF, AIFF, WMA) and pictures (JPEG, PNG, WebP, BMP); - for standard input",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<bool> Json = new("--json")
    {
        Description = "Print one JSON object per clip and line, with the files and the analysis in the form of the REST API",
    };

    public static Command Create()
    {
        var command = new Command("analyze", """
            Analyzes clips.
            One audio file and all pictures form one clip with one fused result.
            Without an audio file, or with several, each file is a clip.
            """)
        {
            Files, Json, CommonOptions.Channels, CommonOptions.SpeechModel, CommonOptions.FaceModel, CommonOptions.Hop,
        };
        Files.Validators.Add(result =>
        {
            // Otherwise a mistyped option would be reported as a missing file.
            foreach (var token in result.Tokens.Where(token => token.Value.Length > 1 && token.Value[0] == '-'))
                result.AddError($"unknown option '{token.Value}' (use ./{token.Value} for a file of that name)");
        });
        command.SetAction((parsed, cancellation) => AffectCommand.RunWithClientAsync(
            parsed, client => RunAsync(client, parsed, cancellation), cancellation));
        return command;
    }

    private static async Task<int> RunAsync(AffectClient client, ParseResult parsed, CancellationToken cancellation)
    {
        var exit = ExitCode.Ok;
        var files = new List<InputFile>();
        foreach (var name in parsed.GetRequiredValue(Files))
            try
            {
                files.Add(await InputFile.OpenAsync(name, cancellation));
            }
            catch (IOException exception)
            {
                AffectCommand.WriteError($"{name}: {exception.Message}");
                exit = ExitCode.Failed;
            }

        var console = AffectCommand.CreateConsole();
        foreach (var clip in GroupIntoClips(files))
            try
            {
                var analysis = await client.AnalyzeAsync(new Clip
                {
                    Audio = clip.FirstOrDefault(file => !file.IsPicture)?.Media,
                    Channels = clip.Any(file => !file.IsPicture) ? parsed.GetChannels() : [],
                    Images = [.. clip.Where(file => file.IsPicture).Select(file => file.Media)],
                    SpeechModel = parsed.GetValue(CommonOptions.SpeechModel),
                    FaceModel = parsed.GetValue(CommonOptions.FaceModel),
                    Hop = parsed.GetHop(),
                }, cancellation);
                if (parsed.GetValue(Json))
                    Console.Out.WriteLine(
                        $"{{ \"files\": {JsonSerializer.Serialize(clip.Select(file => file.Name))}, \"analysis\": {analysis.ToJson()} }}");
                else
                    console.Write(AnalysisView.Create(analysis, clip));
            }
            catch (AffectException exception) when (!FailsEveryRequest(exception.StatusCode))
            {
                foreach (var message in GetMessages(exception, clip))
                    AffectCommand.WriteError(message);
                exit = ExitCode.Failed;
            }
            catch (IOException exception)
            {
                AffectCommand.WriteError($"{clip[0].Name}: {exception.Message}");
                exit = ExitCode.Failed;
            }
        return exit;
    }

    /// <summary>One clip if there is exactly one audio file; otherwise one per file.</summary>
    private static IEnumerable<IReadOnlyList<InputFile>> GroupIntoClips(IReadOnlyList<InputFile> files) =>
        files.Count(file => !file.IsPicture) == 1
            ? [[.. files.OrderBy(file => file.IsPicture)]]
            : files.Select(file => (IReadOnlyList<InputFile>)[file]);

    /// <summary>Replaces the fields in a server's error by the files or options that set them.</summary>
    private static IEnumerable<string> GetMessages(AffectException exception, IReadOnlyList<InputFile> clip)
    {
        if (exception.FieldViolations.Count == 0)
            return [$"{clip[0].Name}: {exception.Message}"];
        var sources = new Dictionary<string, string>
        {
            ["clip.speech_model"] = "--speech-model",
            ["clip.face_model"] = "--face-model",
            ["clip.hop"] = "--hop",
            ["clip.channels"] = "--channels",
            ["clip.images"] = "the pictures",
        };
        foreach (var (index, picture) in clip.Where(file => file.IsPicture).Index())
            sources[$"clip.images[{index}]"] = picture.Name;
        return exception.FieldViolations.Select(violation =>
            $"{sources.GetValueOrDefault(violation.Field, clip[0].Name)}: {violation.Description}");
    }

    /// <summary>True if requests for other files would fail alike.</summary>
    public static bool FailsEveryRequest(StatusCode status) =>
        status is StatusCode.Unavailable or StatusCode.Unauthenticated or StatusCode.PermissionDenied;
}
