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
        Description = "Audio files (WAV, FLAC, MP3, Ogg, WebM, MP4, AIFF) and pictures (JPEG, PNG, WebP, BMP); - is standard input",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<bool> Json = new("--json")
    {
        Description = "Print one JSON object per clip and line: files, and the analysis as the REST API answers it",
    };

    private static readonly Option<string?> SpeechModel = new("--speech-model")
    {
        Description = "The model that listens; see 'affect models'",
        HelpName = "NAME",
    };

    private static readonly Option<string?> FaceModel = new("--face-model")
    {
        Description = "The model that looks",
        HelpName = "NAME",
    };

    private static readonly Option<double?> Hop = new("--hop")
    {
        Description = "Seconds from the start of one speech window to the next, 0.1 to 10 [default: 1]",
        HelpName = "SECONDS",
    };

    public static Command Create()
    {
        var command = new Command("analyze", """
            Tells the emotions of clips.
            One audio file makes one clip with all the pictures that are given beside it, and gets one fused answer.
            Several audio files, or pictures alone, are a clip each.
            """)
        {
            Files, Json, SpeechModel, FaceModel, Hop,
        };
        Files.Validators.Add(result =>
        {
            // Otherwise a mistyped option would be a file that is not there.
            foreach (var token in result.Tokens.Where(token => token.Value.Length > 1 && token.Value[0] == '-'))
                result.AddError($"unknown option '{token.Value}' (a file of that name is ./{token.Value})");
        });
        Hop.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && !(result.GetValueOrDefault<double?>() is >= 0.1 and <= 10))
                result.AddError("--hop must be from 0.1 to 10 seconds");
        });
        command.SetAction((parsed, cancellation) => AffectCommand.CallAsync(
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
                AffectCommand.Complain($"{name}: {exception.Message}");
                exit = ExitCode.Failed;
            }

        var console = AffectCommand.Out();
        foreach (var clip in Clips(files))
            try
            {
                var analysis = await client.AnalyzeAsync(new Clip
                {
                    Audio = clip.FirstOrDefault(file => !file.IsPicture)?.Media,
                    Images = [.. clip.Where(file => file.IsPicture).Select(file => file.Media)],
                    SpeechModel = parsed.GetValue(SpeechModel),
                    FaceModel = parsed.GetValue(FaceModel),
                    Hop = parsed.GetValue(Hop) is { } hop ? TimeSpan.FromSeconds(hop) : null,
                }, cancellation);
                if (parsed.GetValue(Json))
                    Console.Out.WriteLine(
                        $"{{ \"files\": {JsonSerializer.Serialize(clip.Select(file => file.Name))}, \"analysis\": {analysis.ToJson()} }}");
                else
                    console.Write(AnalysisView.Create(analysis, clip));
            }
            catch (AffectException exception) when (!StopsEverything(exception.StatusCode))
            {
                foreach (var message in Messages(exception, clip))
                    AffectCommand.Complain(message);
                exit = ExitCode.Failed;
            }
            catch (IOException exception)
            {
                AffectCommand.Complain($"{clip[0].Name}: {exception.Message}");
                exit = ExitCode.Failed;
            }
        return exit;
    }

    /// <summary>One audio file has all pictures; otherwise each file stands alone.</summary>
    private static IEnumerable<IReadOnlyList<InputFile>> Clips(IReadOnlyList<InputFile> files) =>
        files.Count(file => !file.IsPicture) == 1
            ? [[.. files.OrderBy(file => file.IsPicture)]]
            : files.Select(file => (IReadOnlyList<InputFile>)[file]);

    /// <summary>What a server says of a field, said of the file or option that filled it.</summary>
    private static IEnumerable<string> Messages(AffectException exception, IReadOnlyList<InputFile> clip)
    {
        if (exception.FieldViolations.Count == 0)
            return [$"{clip[0].Name}: {exception.Message}"];
        var sources = new Dictionary<string, string>
        {
            ["clip.speech_model"] = "--speech-model",
            ["clip.face_model"] = "--face-model",
            ["clip.hop"] = "--hop",
            ["clip.images"] = "the pictures",
        };
        foreach (var (index, picture) in clip.Where(file => file.IsPicture).Index())
            sources[$"clip.images[{index}]"] = picture.Name;
        return exception.FieldViolations.Select(violation =>
            $"{sources.GetValueOrDefault(violation.Field, clip[0].Name)}: {violation.Description}");
    }

    /// <summary>What would fail for every other file alike.</summary>
    public static bool StopsEverything(StatusCode status) =>
        status is StatusCode.Unavailable or StatusCode.Unauthenticated or StatusCode.PermissionDenied;
}
