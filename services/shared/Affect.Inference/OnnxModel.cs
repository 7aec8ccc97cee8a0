using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Affect.Emotions;
using Microsoft.ML.OnnxRuntime;
using Microsoft.ML.OnnxRuntime.Tensors;

namespace Affect.Inference;

/// <summary>
/// One ONNX Runtime session with the input tensor of its largest batch. Loading succeeds only if the file matches its
/// manifest and every bucket has run once. One thread at a time may call <see cref="Run"/>.
/// </summary>
public sealed unsafe class OnnxModel : IDisposable
{
    private const int CacheLine = 64;

    private readonly InferenceSession _session;
    private readonly RunOptions _runOptions = new();
    private readonly InputTensor _input;
    private readonly LabelMapping _labels;
    private readonly ModelManifest _manifest;
    private readonly string[] _inputNames;
    private readonly string[] _outputNames;
    private readonly bool _pads;
    private readonly bool _oneByOne; // the file's batch is fixed at 1
    private readonly float* _batch; // MaxBatchSize inputs, owned by this

    private OnnxModel(InferenceSession session, ModelManifest manifest, InferenceOptions options)
    {
        _session = session;
        _manifest = manifest;
        _input = new InputTensor(manifest.Input);
        _labels = new LabelMapping(manifest.Output);
        _inputNames = [manifest.Input.Tensor];
        _outputNames = manifest.Output.Embedding is { } embedding ? [manifest.Output.Logits, embedding] : [manifest.Output.Logits];
        // On a CPU padding costs as much as real inputs. CUDA and TensorRT select kernels per shape, so that only a
        // few shapes may occur.
        _pads = options.Provider != ExecutionProvider.Cpu;
        _oneByOne = session.InputMetadata[manifest.Input.Tensor].Dimensions[0] == 1;
        MaxBatchSize = options.MaxBatchSize;
        _batch = (float*)NativeMemory.AlignedAlloc((nuint)BatchBytes(MaxBatchSize), CacheLine);
    }

    /// <summary>Largest number of inputs of one run.</summary>
    public int MaxBatchSize { get; }

    /// <summary>Conversion of request bytes to the input tensor.</summary>
    public InputTensor Input => _input;

    /// <summary>Loads and warms up a model.</summary>
    /// <param name="file">Bytes of the ONNX file, hash verified; must contain the weights.</param>
    /// <param name="manifest">Validated manifest that the file must match.</param>
    /// <param name="options">Provider, threads, batch sizes.</param>
    /// <exception cref="ModelRejectedException">The file is not a model, or does not match the manifest.</exception>
    public static OnnxModel Load(byte[] file, ModelManifest manifest, InferenceOptions options)
    {
        InferenceSession session;
        _ = OnnxEnvironment.Instance;
        try
        {
            using var sessionOptions = CreateSessionOptions(manifest, options);
            session = new InferenceSession(file, sessionOptions);
        }
        catch (OnnxRuntimeException exception)
        {
            throw new ModelRejectedException([$"ONNX Runtime cannot load it ({exception.Message})"]);
        }

        OnnxModel? model = null;
        try
        {
            ThrowOn(Differences(session, manifest));
            model = new OnnxModel(session, manifest, options);
            model.WarmUp();
            return model;
        }
        catch (Exception exception)
        {
            if (model is null)
                session.Dispose();
            model?.Dispose();
            if (exception is OnnxRuntimeException)
                throw new ModelRejectedException([$"ONNX Runtime cannot run it ({exception.Message})"]);
            throw;
        }
    }

    /// <summary>Computes a batch; one input after another if the batch of the file is fixed at 1.</summary>
    /// <param name="inputs">1 to <see cref="MaxBatchSize"/> inputs, checked with <see cref="InputTensor.Check"/>.</param>
    /// <param name="results">One per input; null if its logits are not finite.</param>
    public void Run(ReadOnlySpan<ReadOnlyMemory<byte>> inputs, Span<Classification?> results)
    {
        if (_oneByOne && inputs.Length > 1)
        {
            for (var i = 0; i < inputs.Length; i++)
                Run(inputs.Slice(i, 1), results.Slice(i, 1));
            return;
        }
        for (var i = 0; i < inputs.Length; i++)
            _input.Write(inputs[i].Span, new Span<float>(_batch + (long)i * _input.Length, _input.Length));
        var size = _pads ? Bucket(inputs.Length) : inputs.Length;
        using var outputs = RunBatch(size);

        var logits = outputs[0].GetTensorDataAsSpan<float>();
        var embeddings = outputs.Count > 1 ? outputs[1].GetTensorDataAsSpan<float>() : default;
        var labels = _manifest.Output.Labels.Count;
        var features = embeddings.Length / size;
        for (var i = 0; i < inputs.Length; i++)
            results[i] = _labels.Map(logits.Slice(i * labels, labels)) is { } scores
                ? new Classification(
                    scores.Confidence < _manifest.Output.AbstainBelow ? Outcome.Uncertain : Outcome.Ok,
                    scores,
                    features == 0 ? [] : embeddings.Slice(i * features, features).ToArray())
                : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _session.Dispose();
        _runOptions.Dispose();
        NativeMemory.AlignedFree(_batch);
    }

    private IDisposableReadOnlyCollection<OrtValue> RunBatch(int size)
    {
        using var input = OrtValue.CreateTensorValueWithData(
            OrtMemoryInfo.DefaultInstance, TensorElementType.Float,
            [size, .. _input.ShapeOfOne.Select(axis => (long)axis)], (nint)_batch, BatchBytes(size));
        return _session.Run(_runOptions, _inputNames, [input], _outputNames);
    }

    /// <summary>
    /// Runs every bucket once, so that memory is allocated and kernels are selected before the first request, and checks
    /// the outputs.
    /// </summary>
    private void WarmUp()
    {
        new Span<float>(_batch, MaxBatchSize * _input.Length).Clear();
        for (var size = 1; ; size = Bucket(size + 1))
        {
            using var outputs = RunBatch(size);
            ThrowOn(outputs.Zip(_outputNames, CheckOutput).OfType<string>());
            if (size == MaxBatchSize || _oneByOne)
                return;

            string? CheckOutput(OrtValue output, string name)
            {
                var shape = output.GetTensorTypeAndShape().Shape;
                var labels = _manifest.Output.Labels.Count;
                if (shape.Length < 2 || shape[0] != size)
                    return $"output '{name}' has the shape {Text(shape)} for a batch of {size}; the batch must be the first axis";
                if (name == _manifest.Output.Logits && (shape.Length != 2 || shape[1] != labels))
                    return $"output '{name}' has the shape {Text(shape)} for a batch of {size}; must be [{size}, {labels}] for the manifest's labels";
                foreach (var value in output.GetTensorDataAsSpan<float>())
                    if (!float.IsFinite(value))
                        return $"output '{name}' must be finite for an input of zeros";
                    else if (name == _manifest.Output.Logits && _manifest.Output.Probabilities && value is < -1e-3f or > 1 + 1e-3f)
                        return $"output '{name}' is {value} for an input of zeros; must lie in [0, 1] because output.probabilities is set";
                return null;
            }
        }
    }

    /// <summary>Rounds up to a power of two or the largest batch.</summary>
    private int Bucket(int count)
    {
        var bucket = 1;
        while (bucket < count)
            bucket *= 2;
        return Math.Min(bucket, MaxBatchSize);
    }

    private long BatchBytes(int size) => (long)size * _input.Length * sizeof(float);

    /// <summary>Every difference between the inputs and outputs of the file and those of the manifest.</summary>
    private static IEnumerable<string> Differences(InferenceSession session, ModelManifest manifest)
    {
        if (!session.InputMetadata.TryGetValue(manifest.Input.Tensor, out var input))
            yield return $"input '{manifest.Input.Tensor}' not found; the file has {Names(session.InputMetadata)}";
        else
        {
            long[] expected = [-1, .. manifest.Input.ShapeOfOne().Select(axis => (long)axis)];
            long[] actual = [.. input.Dimensions.Select(axis => (long)axis)];
            if (!input.IsTensor || input.ElementDataType != TensorElementType.Float)
                yield return $"input '{manifest.Input.Tensor}' must be a tensor of float32";
            else if (actual.Length != expected.Length || !actual.Skip(1).Zip(expected.Skip(1), (a, e) => a == e || a < 0).All(fits => fits))
                yield return $"input '{manifest.Input.Tensor}' has the shape {Text(actual)}; the manifest requires {Text(expected)}";
            else if (actual[0] is 0 or > 1)
                yield return $"input '{manifest.Input.Tensor}' has a batch fixed at {actual[0]}; it must be dynamic, or 1";
        }
        foreach (var other in session.InputMetadata.Keys.Where(name => name != manifest.Input.Tensor))
            yield return $"input '{other}' is unexpected";
        foreach (var name in new[] { manifest.Output.Logits, manifest.Output.Embedding }.OfType<string>())
            if (!session.OutputMetadata.TryGetValue(name, out var output))
                yield return $"output '{name}' not found; the file has {Names(session.OutputMetadata)}";
            else if (!output.IsTensor || output.ElementDataType != TensorElementType.Float)
                yield return $"output '{name}' must be a tensor of float32";

        static string Names(IReadOnlyDictionary<string, NodeMetadata> values) => string.Join(", ", values.Keys.Select(name => $"'{name}'"));
    }

    private static void ThrowOn(IEnumerable<string> errors)
    {
        var all = errors.ToList();
        if (all.Count > 0)
            throw new ModelRejectedException(all);
    }

    private static string Text(long[] shape) => $"[{string.Join(", ", shape.Select(axis => axis < 0 ? "batch" : axis.ToString()))}]";

    [SuppressMessage("Reliability", "CA2000", Justification = "The caller disposes the options.")]
    private static SessionOptions CreateSessionOptions(ModelManifest manifest, InferenceOptions options)
    {
        var session = new SessionOptions
        {
            GraphOptimizationLevel = GraphOptimizationLevel.ORT_ENABLE_ALL,
            // Unlike ONNX Runtime, Environment.ProcessorCount respects the limits of a container.
            IntraOpNumThreads = options.IntraOpThreads > 0 ? options.IntraOpThreads : Environment.ProcessorCount,
            LogSeverityLevel = OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR,
        };
        // Spinning threads would take CPU time from the threads that deliver work.
        session.AddSessionConfigEntry("session.intra_op.allow_spinning", "0");

        if (options.Provider == ExecutionProvider.TensorRt)
        {
            // One engine for all batch sizes, optimized for the largest.
            string Shape(int batch) => $"{manifest.Input.Tensor}:{batch}x{string.Join('x', manifest.Input.ShapeOfOne())}";
            using var tensorRt = new OrtTensorRTProviderOptions();
            tensorRt.UpdateOptions(new Dictionary<string, string>
            {
                ["device_id"] = options.DeviceId.ToString(),
                ["trt_profile_min_shapes"] = Shape(1),
                ["trt_profile_opt_shapes"] = Shape(options.MaxBatchSize),
                ["trt_profile_max_shapes"] = Shape(options.MaxBatchSize),
                ["trt_engine_cache_enable"] = options.TensorRtCachePath.Length > 0 ? "1" : "0",
                ["trt_engine_cache_path"] = options.TensorRtCachePath,
            });
            session.AppendExecutionProvider_Tensorrt(tensorRt);
        }
        if (options.Provider != ExecutionProvider.Cpu)
        {
            using var cuda = new OrtCUDAProviderOptions();
            cuda.UpdateOptions(new Dictionary<string, string> { ["device_id"] = options.DeviceId.ToString() });
            session.AppendExecutionProvider_CUDA(cuda);
        }
        return session;
    }
}
