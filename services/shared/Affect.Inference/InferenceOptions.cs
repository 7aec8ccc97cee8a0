using System.ComponentModel.DataAnnotations;

namespace Affect.Inference;

/// <summary>Where a session computes.</summary>
public enum ExecutionProvider
{
    /// <summary>ONNX Runtime's own kernels.</summary>
    Cpu,

    /// <summary>NVIDIA CUDA; needs the GPU flavour (<c>-p:AffectGpu=true</c>).</summary>
    Cuda,

    /// <summary>NVIDIA TensorRT, with CUDA for what it cannot do; needs the GPU flavour.</summary>
    TensorRt,
}

/// <summary>How models are served; each service binds a section of its own to a class derived from this.</summary>
public abstract class InferenceOptions
{
    internal const int LargestBatch = 256;

    /// <summary>The model repository: a folder with a folder for each model. Relative to the program's folder.</summary>
    [Required]
    public string ModelsPath { get; set; } = "models";

    /// <summary>How often the repository is looked at for what has changed in it; 0 for never.</summary>
    [Range(typeof(TimeSpan), "00:00:00", "01:00:00")]
    public TimeSpan WatchInterval { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Where sessions compute. There is no silent way back to the CPU.</summary>
    [EnumDataType(typeof(ExecutionProvider))]
    public ExecutionProvider Provider { get; set; } = ExecutionProvider.Cpu;

    /// <summary>Which GPU, where the provider has several.</summary>
    [Range(0, 63)]
    public int DeviceId { get; set; }

    /// <summary>Where TensorRT keeps the engines that it built; empty builds them anew at each start.</summary>
    public string TensorRtCachePath { get; set; } = "";

    /// <summary>Threads that compute one batch on the CPU; 0 takes as many as the process may use cores.</summary>
    [Range(0, 256)]
    public int IntraOpThreads { get; set; }

    /// <summary>Most inputs of a batch. Memory for activations grows with it.</summary>
    [Range(1, LargestBatch)]
    public int MaxBatchSize { get; set; } = 32;

    /// <summary>
    /// How long the first input of a batch waits for others while the model is idle. 0 sends it at once:
    /// while one batch is computed the next forms by itself.
    /// </summary>
    [Range(typeof(TimeSpan), "00:00:00", "00:00:01")]
    public TimeSpan MaxDelay { get; set; }

    /// <summary>Inputs that may wait for one model; the next is told to come back later.</summary>
    [Range(1, 100_000)]
    public int QueueCapacity { get; set; } = 256;
}
