using System.ComponentModel.DataAnnotations;

namespace Affect.Inference;

/// <summary>Device of an inference session.</summary>
public enum ExecutionProvider
{
    /// <summary>CPU kernels of ONNX Runtime.</summary>
    Cpu,

    /// <summary>NVIDIA CUDA; requires the GPU build (<c>-p:AffectGpu=true</c>).</summary>
    Cuda,

    /// <summary>NVIDIA TensorRT, with CUDA for unsupported operators; requires the GPU build.</summary>
    TensorRt,
}

/// <summary>Options of model serving; each service binds its section to a derived class.</summary>
public abstract class InferenceOptions
{
    private const int LargestBatch = 256;

    /// <summary>The model repository: a folder with one folder per model. Relative to the program's folder.</summary>
    [Required]
    public string ModelsPath { get; set; } = "models";

    /// <summary>Interval at which the repository is polled for changes; 0 disables polling.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan WatchInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Device of the sessions. The process does not start if it is unavailable; it never falls back to the CPU.</summary>
    [EnumDataType(typeof(ExecutionProvider))]
    public ExecutionProvider Provider { get; set; } = ExecutionProvider.Cpu;

    /// <summary>Index of the GPU.</summary>
    [Range(0, 63)]
    public int DeviceId { get; set; }

    /// <summary>Cache folder of TensorRT engines; empty rebuilds them at each start.</summary>
    public string TensorRtCachePath { get; set; } = "";

    /// <summary>Threads that compute one batch on the CPU; 0 uses the number of cores available to the process.</summary>
    [Range(0, 256)]
    public int IntraOpThreads { get; set; }

    /// <summary>Largest batch. Activation memory is proportional to it.</summary>
    [Range(1, LargestBatch)]
    public int MaxBatchSize { get; set; } = 32;

    /// <summary>
    /// Expected duration of a batch beyond which it takes no more inputs: an input that arrives meanwhile waits for its end. On a CPU
    /// small batches cost no more per input than large ones.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:00:10")]
    public TimeSpan MaxBatchDuration { get; set; } = TimeSpan.FromMilliseconds(20);

    /// <summary>
    /// Time that the first input of a batch waits for others while the model is idle. With 0 it is computed immediately;
    /// under load the next batch forms while one is computed.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:01")]
    public TimeSpan MaxDelay { get; set; }

    /// <summary>Inputs that may be queued per model; further ones are rejected with RESOURCE_EXHAUSTED.</summary>
    [Range(1, 100_000)]
    public int QueueCapacity { get; set; } = 256;
}
