using System.Buffers;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Affect.Audio;

/// <summary>
/// Detects speech in one channel, without a model: sound in the telephone band that rises above the noise around it and has the
/// pitch of a voice at its core. Streaming; an instance belongs to one thread at a time.
/// </summary>
/// <remarks>
/// <para>Every 10 ms, a frame of 40 ms is analyzed. It is voiced if it is</para>
/// <list type="bullet">
/// <item>loud: above −75 dBFS, and 6 dB above the noise floor, the lowest level of the preceding 1.5 s (minimum statistics;
/// R. Martin, 2001) and of the following 0.1 s, or 0.5 s at the start of the signal. A steady sound is therefore never speech;</item>
/// <item>periodic at the pitch of a voice, by the normalized cross-correlation of RAPT (D. Talkin, 1995), unlike noise and clicks;</item>
/// <item>not a tone: linear prediction of order four predicts one or two sines exactly (dial tones, DTMF), and speech with a
/// residual.</item>
/// </list>
/// <para>Five voiced frames of ten form a core. The segment around it includes loud frames (consonants) and pauses of up to 0.3 s.
/// Limits of a detector without a model: whispering is not detected, and music may be taken for speech.</para>
/// </remarks>
public sealed class VoiceActivityDetector
{
    // All analysis is at 8 kHz: the low-pass of the resampler is the upper end of the telephone band.
    private const int Rate = 8_000;
    private const double BandStart = 200;

    private const int Hop = Rate / 100;
    private const int MinLag = Rate / 500, MaxLag = Rate / 60; // a pitch of 60 to 500 Hz
    private const int FrameLength = Rate / 25;
    private const int CorrelationLength = Rate / 50; // with the longest lag just less than a frame
    private const int PredictionOrder = 4, PredictionLength = 288;

    private const double MinLevelDb = -75, MinSnrDb = 6;
    private const double MinPeriodicity = 0.55, MaxPredictionGainDb = 30;

    // In frames, that is in 10 ms.
    private const int FloorPast = 150, FloorFuture = 10, FirstFloorFuture = 50;
    private const int CoreWindow = 10, CoreVoiced = 5;
    private const int MaxLeadIn = 20, MaxPause = 30, Margin = 3;

    private const int Slice = 8192; // samples of input processed at a time: bounds memory

    private readonly int _sampleRate;
    private readonly Resampler? _resampler;
    private readonly ArrayBufferWriter<float> _resampled = new();
    private readonly HighPass _highPass = new(BandStart / Rate);

    // The band from the first sample of frame _bufferedFrame on: frames are searched for a pitch when they are judged.
    private readonly float[] _samples = new float[((FirstFloorFuture + 2) * Hop) + FrameLength];
    private int _sampleCount;
    private long _bufferedFrame;
    private long _received;

    /// <summary>Frames that a decision may still need; the index of the first is <see cref="_firstFrame"/>.</summary>
    private readonly List<Frame> _frames = [];

    /// <summary>Level of each of these frames in dBFS.</summary>
    private readonly List<double> _levels = [];
    private long _firstFrame, _nextFrame;

    /// <summary>The open segment in frames, both ends included, and its last core; null during silence.</summary>
    private long? _segmentStart;
    private long _segmentEnd, _lastCore;

    /// <summary>One past the last sample of the newest segment: the next one starts no earlier.</summary>
    private long _free;

    /// <param name="sampleRate">Sample rate in hertz, within the bounds of <see cref="WavReader"/>.</param>
    public VoiceActivityDetector(int sampleRate)
    {
        _resampler = sampleRate == Rate ? null : new Resampler(sampleRate, Rate);
        _sampleRate = sampleRate;
    }

    /// <summary>The segments of speech of a whole signal, in order and without overlap.</summary>
    /// <param name="samples">One channel, full scale is 1, all finite.</param>
    /// <param name="sampleRate">In hertz, within the bounds of <see cref="WavReader"/>.</param>
    public static IReadOnlyList<SpeechSegment> Detect(ReadOnlySpan<float> samples, int sampleRate)
    {
        var detector = new VoiceActivityDetector(sampleRate);
        var found = new List<SpeechSegment>();
        detector.Process(samples, found);
        detector.Flush(found);
        return found;
    }

    /// <summary>
    /// Processes the next piece of the signal, of any length, and adds the segments that have ended. A segment is known about 0.5 s
    /// after its end.
    /// </summary>
    public void Process(ReadOnlySpan<float> samples, ICollection<SpeechSegment> found)
    {
        while (!samples.IsEmpty)
        {
            var slice = samples[..Math.Min(Slice, samples.Length)];
            samples = samples[slice.Length..];
            _received += slice.Length;

            if (_resampler is null)
            {
                Analyze(slice, found);
            }
            else
            {
                _resampled.ResetWrittenCount();
                _resampler.Process(slice, _resampled);
                Analyze(_resampled.WrittenSpan, found);
            }
        }
    }

    /// <summary>The segment that has not ended, as far as it is known; null during silence.</summary>
    public SpeechSegment? Open => _segmentStart is { } start ? Segment(start) : null;

    /// <summary>
    /// The sample up to which everything is known: samples before it that are in neither a reported segment nor the open one are not
    /// speech, whatever follows.
    /// </summary>
    public long KnownUntil
    {
        get
        {
            if (_segmentStart is { } open)
                return Segment(open).End;
            // The next segment starts at the earliest voiced frame that may become part of a core, or at the loud frames before it.
            var judged = CollectionsMarshal.AsSpan(_frames)[..(int)(_nextFrame - _firstFrame)];
            var first = Math.Max(0, judged.Length - CoreWindow + 1);
            while (first < judged.Length && !judged[first].Voiced)
                first++;
            for (var i = 0; i < MaxLeadIn && first > 0 && judged[first - 1].Loud; i++)
                first--;
            return Math.Max(_free, (_firstFrame + first - Margin) * Hop * _sampleRate / Rate);
        }
    }

    /// <summary>Ends the signal and adds the remaining segments. Nothing can be processed afterwards.</summary>
    public void Flush(ICollection<SpeechSegment> found)
    {
        if (_resampler is not null)
        {
            _resampled.ResetWrittenCount();
            _resampler.Flush(_resampled);
            Analyze(_resampled.WrittenSpan, found);
        }

        Judge(ended: true, found);
        if (_segmentStart is { } start)
            Close(start, found);
    }

    /// <summary>Cuts the band into frames, measures their levels, and judges those behind which enough is known.</summary>
    private void Analyze(ReadOnlySpan<float> samples, ICollection<SpeechSegment> found)
    {
        while (!samples.IsEmpty)
        {
            var start = Offset(_firstFrame + _frames.Count);
            if (start + FrameLength > _samples.Length)
            {
                var judged = Offset(_nextFrame);
                _samples.AsSpan(judged, _sampleCount - judged).CopyTo(_samples);
                (_sampleCount, _bufferedFrame, start) = (_sampleCount - judged, _nextFrame, start - judged);
            }

            var taken = Math.Min(start + FrameLength - _sampleCount, samples.Length);
            _highPass.Process(samples[..taken], _samples.AsSpan(_sampleCount));
            samples = samples[taken..];
            _sampleCount += taken;
            if (_sampleCount < start + FrameLength)
                return;
            var frame = _samples.AsSpan(start, FrameLength);
            _levels.Add(10 * Math.Log10((InnerProduct.Of(frame, frame) / FrameLength) + 1e-12));
            _frames.Add(default);
            _highPass.Settle();
            Judge(ended: false, found);
        }

        int Offset(long frame) => (int)(frame - _bufferedFrame) * Hop;
    }

    private ReadOnlySpan<float> Samples(long frame) => _samples.AsSpan((int)(frame - _bufferedFrame) * Hop, FrameLength);

    /// <summary>True if a shift by a pitch period maps the frame nearly onto itself.</summary>
    private static bool IsPeriodic(ReadOnlySpan<float> samples)
    {
        var start = samples[..CorrelationLength];
        var energy = (double)InnerProduct.Of(start, start);
        var shifted = samples.Slice(MinLag, CorrelationLength);
        var shiftedEnergy = (double)InnerProduct.Of(shifted, shifted);
        for (var lag = MinLag; lag <= MaxLag; lag += 4)
        {
            var products = InnerProduct.OfFour(start, samples[lag..], 1);
            for (var i = 0; i < 4 && lag + i <= MaxLag; i++)
            {
                if (products[i] > MinPeriodicity * Math.Sqrt((energy * shiftedEnergy) + 1e-20))
                    return true;
                var (leaving, entering) = (samples[lag + i], samples[lag + i + CorrelationLength]);
                shiftedEnergy = Math.Max(0, shiftedEnergy + ((double)entering * entering) - ((double)leaving * leaving));
            }
        }

        return false;
    }

    /// <summary>Gain of linear prediction of order four: the energy of the frame over that of the residual.</summary>
    private static double PredictionGainDb(ReadOnlySpan<float> samples)
    {
        // The covariance method (Makhoul, "Linear prediction: a tutorial review", 1975) is exact for sines; the window of the
        // autocorrelation method would blur them.
        const int n = PredictionOrder + 1;
        Span<double> covariance = stackalloc double[n * n];
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var value = InnerProduct.Of(samples.Slice(PredictionOrder - i, PredictionLength), samples[(PredictionOrder - j)..]);
                covariance[(i * n) + j] = covariance[(j * n) + i] = value;
            }
        }

        // Eliminating the predictors one by one leaves the energy that none of them explains. Energy below single precision
        // (60 dB down) counts as explained.
        var energy = covariance[0] + 1e-12;
        for (var p = PredictionOrder; p > 0; p--)
        {
            var pivot = covariance[(p * n) + p];
            if (pivot < 1e-6 * energy)
                continue;
            for (var i = 0; i < p; i++)
            {
                for (var j = 0; j < p; j++)
                    covariance[(i * n) + j] -= covariance[(i * n) + p] * covariance[(p * n) + j] / pivot;
            }
        }

        return 10 * Math.Log10(energy / Math.Max(covariance[0], 1e-6 * energy));
    }

    /// <summary>Decides on all frames whose future is known or has ended, and drops frames that are no longer needed.</summary>
    private void Judge(bool ended, ICollection<SpeechSegment> found)
    {
        var frames = CollectionsMarshal.AsSpan(_frames);
        for (; _nextFrame < _firstFrame + frames.Length; _nextFrame++)
        {
            var index = (int)(_nextFrame - _firstFrame);
            var behind = index + (_nextFrame < FloorPast ? FirstFloorFuture : FloorFuture) + 1;
            if (behind > frames.Length && !ended)
                break;
            var floor = Min(CollectionsMarshal.AsSpan(_levels)[Math.Max(0, index - FloorPast)..Math.Min(frames.Length, behind)]);
            if (_levels[index] > Math.Max(MinLevelDb, floor + MinSnrDb))
            {
                var samples = Samples(_nextFrame);
                var hasPitch = IsPeriodic(samples) && PredictionGainDb(samples) <= MaxPredictionGainDb;
                frames[index] = new Frame { Loud = true, Voiced = hasPitch };
            }

            Follow(frames[..(index + 1)], found);
        }

        // In blocks: dropping each frame by itself would move the others every time.
        var used = (int)(_nextFrame - FloorPast - _firstFrame);
        if (used < FloorPast && !ended)
            return;
        used = Math.Max(0, used);
        _frames.RemoveRange(0, used);
        _levels.RemoveRange(0, used);
        _firstFrame += used;
    }

    private static double Min(ReadOnlySpan<double> values)
    {
        var vectors = MemoryMarshal.Cast<double, Vector256<double>>(values);
        var min = Vector256.Create(double.MaxValue);
        foreach (var vector in vectors)
            min = Vector256.Min(min, vector);
        var smallest = Math.Min(Math.Min(min[0], min[1]), Math.Min(min[2], min[3]));
        foreach (var value in values[(vectors.Length * Vector256<double>.Count)..])
            smallest = Math.Min(smallest, value);
        return smallest;
    }

    /// <summary>Opens, extends or closes the segment by the newest decided frame, the last of <paramref name="frames"/>.</summary>
    private void Follow(ReadOnlySpan<Frame> frames, ICollection<SpeechSegment> found)
    {
        var newest = _firstFrame + frames.Length - 1;
        var core = frames[Math.Max(0, frames.Length - CoreWindow)..];
        var voiced = 0;
        foreach (ref readonly var frame in core)
            voiced += frame.Voiced ? 1 : 0;

        if (voiced >= CoreVoiced)
        {
            _segmentStart ??= StartOfSegment(frames, frames.Length - core.Length);
            _segmentEnd = _lastCore = newest;
        }
        else if (_segmentStart is { } start)
        {
            if (frames[^1].Loud)
                _segmentEnd = newest;
            if (newest - _lastCore > MaxPause)
                Close(start, found);
        }
    }

    /// <summary>The first voiced frame of a core, or the first of the loud frames before it.</summary>
    private long StartOfSegment(ReadOnlySpan<Frame> frames, int index)
    {
        while (!frames[index].Voiced)
            index++;
        for (var i = 0; i < MaxLeadIn && index > 0 && frames[index - 1].Loud; i++)
            index--;
        return _firstFrame + index;
    }

    /// <summary>The segment that starts with a frame, as far as it is known.</summary>
    private SpeechSegment Segment(long start)
    {
        var first = (start - Margin) * Hop * _sampleRate / Rate;
        var behind = (((_segmentEnd + Margin) * Hop) + FrameLength) * _sampleRate / Rate;
        return new SpeechSegment(Math.Max(first, _free), Math.Min(behind, _received));
    }

    private void Close(long start, ICollection<SpeechSegment> found)
    {
        var segment = Segment(start);
        found.Add(segment);
        _free = segment.End;
        _segmentStart = null;
    }

    private struct Frame
    {
        /// <summary>Known once the frame has been judged.</summary>
        public bool Loud;

        /// <summary>Loud, periodic, and not a tone.</summary>
        public bool Voiced;
    }

    /// <summary>A second-order Butterworth high-pass (R. Bristow-Johnson, Audio EQ Cookbook).</summary>
    private sealed class HighPass
    {
        private const double Inaudible = 1e-30;

        private readonly double _gain, _a1, _a2;
        private double _s1, _s2;

        /// <param name="cutoff">In cycles per sample.</param>
        public HighPass(double cutoff)
        {
            var (sin, cos) = Math.SinCos(2 * Math.PI * cutoff);
            var alpha = sin * Math.Sqrt(0.5);
            _gain = (1 + cos) / 2 / (1 + alpha);
            _a1 = -2 * cos / (1 + alpha);
            _a2 = (1 - alpha) / (1 + alpha);
        }

        public void Process(ReadOnlySpan<float> input, Span<float> output)
        {
            var (s1, s2) = (_s1, _s2);
            // A channel of a call is often digital silence while the other speaker talks.
            if (s1 == 0 && s2 == 0 && !input.ContainsAnyExcept(0f))
            {
                output[..input.Length].Clear();
                return;
            }

            for (var i = 0; i < input.Length; i++)
            {
                // Each state depends on the output by one fused operation: the shortest chain from sample to sample.
                var x = input[i] * _gain;
                var y = x + s1;
                s1 = Math.FusedMultiplyAdd(-_a1, y, s2 - (2 * x));
                s2 = Math.FusedMultiplyAdd(-_a2, y, x);
                output[i] = (float)y;
            }

            (_s1, _s2) = (s1, s2);
        }

        /// <summary>
        /// Clears an inaudible state. In digital silence it would decay into denormal numbers, with which processors are a hundred
        /// times slower.
        /// </summary>
        public void Settle()
        {
            if (Math.Abs(_s1) < Inaudible && Math.Abs(_s2) < Inaudible)
                _s1 = _s2 = 0;
        }
    }
}
