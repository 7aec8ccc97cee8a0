using Affect.Testing;
using Google.Protobuf.Reflection;

namespace Affect.UnitTests.Protos;

/// <summary>
/// Released messages stay readable: compares the current descriptors with tests/fixtures/protos/vX.Y.Z.binpb of the last release. A
/// release adds its set:
/// <code>tests/protos/node_modules/.bin/buf build protos --exclude-source-info -o tests/fixtures/protos/vX.Y.Z.binpb</code>
/// </summary>
public sealed class CompatibilityTests
{
    private static readonly FileDescriptorSet Current = new()
    {
        File =
        {
            new[]
            {
                V1.AnalysisReflection.Descriptor,
                V1.ChannelReflection.Descriptor,
                V1.EmotionReflection.Descriptor,
                V1.EmotionServiceReflection.Descriptor,
                V1.ModelReflection.Descriptor,
                V1.StreamReflection.Descriptor,
                Affect.Features.V1.FeaturesServiceReflection.Descriptor,
                Affect.Classifier.V1.ClassifierServiceReflection.Descriptor,
                Affect.Fusion.V1.FusionServiceReflection.Descriptor,
                Affect.Fusion.V1.CallStateReflection.Descriptor,
            }.Select(file => file.ToProto()),
        },
    };

    [Fact]
    public void What_was_released_stays()
    {
        var last = Directory.GetFiles(TestMedia.FixturePath("protos"), "v*.binpb")
            .MaxBy(path => Version.Parse(Path.GetFileNameWithoutExtension(path)[1..]));
        var released = FileDescriptorSet.Parser.ParseFrom(System.IO.File.ReadAllBytes(last!));
        Assert.Contains(released.File, file => file.Package == "affect.v1");
        Assert.Empty(DescriptorComparison.Breaks(released, Current));
    }

    [Fact]
    public void A_removed_field_is_found() =>
        AssertBreak("affect.v1.Clip.hop (5) is gone", set => Message(set, "Clip").Field.RemoveAt(4));

    [Fact]
    public void A_renumbered_field_is_found() =>
        AssertBreak("affect.v1.Clip.hop (5) is gone", set => Message(set, "Clip").Field[4].Number = 9);

    [Fact]
    public void A_renamed_field_is_found() =>
        AssertBreak("affect.v1.Clip.hop (5) is called step", set => Message(set, "Clip").Field[4].Name = "step");

    [Fact]
    public void A_retyped_field_is_found() =>
        AssertBreak("affect.v1.Clip.audio (1) was bytes, is string",
            set => Message(set, "Clip").Field[0].Type = FieldDescriptorProto.Types.Type.String);

    [Fact]
    public void A_field_that_is_no_longer_repeated_is_found() =>
        AssertBreak("affect.v1.Clip.images (2) was repeated, is optional",
            set => Message(set, "Clip").Field[1].Label = FieldDescriptorProto.Types.Label.Optional);

    [Fact]
    public void A_removed_message_is_found() =>
        AssertBreak("affect.v1.BoundingBox is gone", set => File(set, "analysis").MessageType.Remove(Message(set, "BoundingBox")));

    [Fact]
    public void A_renumbered_enum_value_is_found() =>
        AssertBreak("affect.v1.Emotion 2 was EMOTION_HAPPY, is nothing", set => File(set, "emotion").EnumType[0].Value[2].Number = 20);

    [Fact]
    public void A_removed_method_is_found() =>
        AssertBreak("affect.v1.EmotionService.GetModel is gone", set =>
        {
            var methods = File(set, "emotion_service").Service[0].Method;
            methods.Remove(methods.Single(method => method.Name == "GetModel"));
        });

    [Fact]
    public void A_method_that_streams_now_is_found() =>
        AssertBreak("affect.v1.EmotionService.Analyze has another signature",
            set => File(set, "emotion_service").Service[0].Method[0].ServerStreaming = true);

    [Fact]
    public void A_new_field_is_no_break()
    {
        var changed = Current.Clone();
        Message(changed, "Clip").Field.Add(new FieldDescriptorProto
        {
            Name = "text",
            Number = 6,
            Type = FieldDescriptorProto.Types.Type.String,
            Label = FieldDescriptorProto.Types.Label.Optional,
        });
        Assert.Empty(DescriptorComparison.Breaks(Current, changed));
    }

    private static void AssertBreak(string expected, Action<FileDescriptorSet> change)
    {
        var changed = Current.Clone();
        change(changed);
        Assert.Contains(expected, DescriptorComparison.Breaks(Current, changed));
    }

    private static FileDescriptorProto File(FileDescriptorSet set, string name) =>
        set.File.Single(file => file.Name == $"affect/v1/{name}.proto");

    private static DescriptorProto Message(FileDescriptorSet set, string name) =>
        File(set, "analysis").MessageType.Single(message => message.Name == name);
}
