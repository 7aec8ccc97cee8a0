using System.Buffers;
using System.Collections.Concurrent;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Affect.Audio;

/// <summary>
/// Changes the sample rate of one channel with a polyphase FIR low-pass, a Kaiser-windowed sinc. A stream gives the same samples as
/// the whole signal, however it is cut into pieces. An instance belongs to one thread at a time; all instances share the filters.
/// </summary>
/// <remarks>
/// With N the lower of the two Nyquist frequencies, the filter is flat up to 0.9 N and attenuates images and aliases above N by at
/// least 90 dB. Its delay is compensated: output sample i belongs to the time i / to.
/// </remarks>
public sealed class Resampler
{
    /// <summary>Output samples that <see cref="Resample"/> computes at a time.</summary>
    private const int PieceLength = 1 << 16;

    private readonly Filter _filter;
    private readonly int _from, _to;

    // Input that the next output sample needs; it starts with half a filter of silence.
    private float[] _history;
    private int _count;

    // Position of the filter: _history[_start], plus _phase / _to of an input sample.
    private int _start, _phase;

    private long _received, _produced;

    /// <param name="from">Sample rate of the input in hertz, within the bounds that <see cref="WavReader"/> accepts.</param>
    /// <param name="to">Sample rate of the output in hertz, within the same bounds.</param>
    public Resampler(int from, int to)
    {
        ThrowIfOutOfRange(from);
        ThrowIfOutOfRange(to);

        (_to, _from) = Reduce(from, to);
        _filter = Filter.For(_from, _to);
        _history = new float[Math.Max(4096, 4 * _filter.Length)];
        _count = (_filter.Length / 2) - 1;
    }

    /// <summary>Resamples a whole signal to ceil(length · to / from) samples.</summary>
    public static float[] Resample(ReadOnlySpan<float> input, int from, int to)
    {
        ThrowIfOutOfRange(from);
        ThrowIfOutOfRange(to);
        var (up, down) = Reduce(from, to);
        var output = new float[checked((int)OutputLength(input.Length, up, down))];
        // In pieces: the padded copy of the input stays small, however long the signal.
        var reach = Reach(from, to);
        for (var start = 0; start < output.Length; start += PieceLength)
        {
            var piece = output.AsSpan(start, Math.Min(PieceLength, output.Length - start));
            var first = (int)Math.Max(0, ((long)start * down / up) - reach);
            var end = (int)Math.Min(input.Length, ((long)(start + piece.Length) * down / up) + reach + 1);
            ResamplePart(input[first..end], first, from, to, start, piece);
        }

        return output;
    }

    /// <summary>Resamples a whole signal to a rate that is not higher, in its own memory.</summary>
    /// <returns>The samples of <see cref="Resample"/>, at the start of the signal.</returns>
    public static Memory<float> ResampleInPlace(Memory<float> signal, int from, int to)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(to, from);
        if (from == to)
            return signal;
        var resampler = new Resampler(from, to);
        var piece = new ArrayBufferWriter<float>(PieceLength);
        var length = 0;
        for (var rest = signal; !rest.IsEmpty;)
        {
            var next = rest[..Math.Min(PieceLength, rest.Length)];
            rest = rest[next.Length..];
            resampler.Process(next.Span, piece);
            if (rest.IsEmpty)
                resampler.Flush(piece);
            // Never beyond the input that has been read.
            piece.WrittenSpan.CopyTo(signal.Span[length..]);
            length += piece.WrittenCount;
            piece.ResetWrittenCount();
        }

        return signal[..length];
    }

    /// <summary>
    /// Computes a part of the output of <see cref="Resample"/> from a part of the signal: the same samples, if the input extends
    /// <see cref="Reach"/> samples further on either side, or to the ends of the signal.
    /// </summary>
    /// <param name="input">The signal from its sample <paramref name="first"/> on; silence is assumed around it.</param>
    /// <param name="first">Index of the first input sample in the signal, at the rate <paramref name="from"/>.</param>
    /// <param name="from">Sample rate of the signal.</param>
    /// <param name="to">Sample rate of the output.</param>
    /// <param name="start">Index of the first output sample, at the rate <paramref name="to"/>.</param>
    /// <param name="output">Receives the samples.</param>
    public static void ResamplePart(ReadOnlySpan<float> input, long first, int from, int to, long start, Span<float> output)
    {
        output.Clear();
        if (from == to)
        {
            var begin = Math.Clamp(start - first, 0, input.Length);
            var part = input[(int)begin..];
            var into = (int)Math.Clamp(first - start, 0, output.Length);
            part[..Math.Min(part.Length, output.Length - into)].CopyTo(output[into..]);
            return;
        }

        // Start with the phase that a resampler of the whole signal has at this output sample.
        var (up, down) = Reduce(from, to);
        var filter = Filter.For(down, up);
        var firstOutput = Math.Max(start, OutputLength(first, up, down));
        var endOutput = Math.Min(start + output.Length, OutputLength(first + input.Length, up, down));
        if (firstOutput >= endOutput)
            return;

        // With silence on both sides, the first and last output samples need no special case.
        var silence = filter.Length;
        var padded = ArrayPool<float>.Shared.Rent(input.Length + (2 * silence));
        padded.AsSpan(0, silence).Clear();
        input.CopyTo(padded.AsSpan(silence));
        padded.AsSpan(silence + input.Length, silence).Clear();
        var (whole, phase) = Math.DivRem(firstOutput * down, up);
        var at = (int)(whole - first) + silence - (filter.Length / 2) + 1;
        filter.Apply(padded.AsSpan(at), (int)phase, output[(int)(firstOutput - start)..(int)(endOutput - start)]);
        ArrayPool<float>.Shared.Return(padded);
    }

    /// <summary>Input samples on either side of an output sample that contribute to it.</summary>
    public static int Reach(int from, int to)
    {
        var (up, down) = Reduce(from, to);
        return from == to ? 0 : (Filter.For(down, up).Length / 2) + 1;
    }

    /// <summary>Appends a piece of input of any length and writes the output samples that it completes.</summary>
    public void Process(ReadOnlySpan<float> input, IBufferWriter<float> output)
    {
        _received += input.Length;
        while (!input.IsEmpty)
        {
            var taken = Math.Min(input.Length, _history.Length - _count);
            input[..taken].CopyTo(_history.AsSpan(_count));
            _count += taken;
            input = input[taken..];
            Convolve(output, long.MaxValue);
        }
    }

    /// <summary>Ends the input, writes the remaining output samples and resets the resampler.</summary>
    public void Flush(IBufferWriter<float> output)
    {
        var end = OutputLength(_received, _to, _from);
        while (_produced < end)
        {
            var silence = Math.Min(_filter.Length, _history.Length - _count);
            _history.AsSpan(_count, silence).Clear();
            _count += silence;
            Convolve(output, end);
        }

        Array.Clear(_history);
        _count = (_filter.Length / 2) - 1;
        _start = _phase = 0;
        _received = _produced = 0;
    }

    private static void ThrowIfOutOfRange(int rate, [CallerArgumentExpression(nameof(rate))] string? name = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rate, WavReader.MinSampleRate, name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rate, WavReader.MaxSampleRate, name);
    }

    private static (int Up, int Down) Reduce(int from, int to)
    {
        var divisor = (int)BigInteger.GreatestCommonDivisor(from, to);
        return (to / divisor, from / divisor);
    }

    private static long OutputLength(long inputLength, int up, int down) => ((inputLength * up) + down - 1) / down;

    /// <summary>Writes the output samples that the history suffices for, up to sample <paramref name="end"/>, and drops used input.</summary>
    private void Convolve(IBufferWriter<float> output, long end)
    {
        var length = _filter.Length;
        var room = _count - length - _start; // input samples by which the filter can still advance
        if (room < 0)
            return;

        // In units of 1/_to of an input sample, the filter is at _phase and can advance to just before room + 1.
        var steps = (int)Math.Min(1 + (((room + 1L) * _to) - 1 - _phase) / _from, end - _produced);
        var written = output.GetSpan(steps);
        _filter.Apply(_history.AsSpan(_start, _count - _start), _phase, written[..steps]);
        output.Advance(steps);
        _produced += steps;
        var (passed, phase) = Math.DivRem(_phase + ((long)steps * _from), _to);
        (_start, _phase) = (_start + (int)passed, (int)phase);

        // One step is always shorter than the filter, so _start is at most _count.
        _count -= _start;
        _history.AsSpan(_start, _count).CopyTo(_history);
        _start = 0;
    }

    /// <summary>Taps for each position of an output sample between two input samples.</summary>
    private sealed class Filter
    {
        /// <summary>Designed stop-band attenuation in dB.</summary>
        private const double Attenuation = 98;

        /// <summary>End of the pass band and start of the stop band, as fractions of the lower Nyquist frequency.</summary>
        private const double PassEnd = 0.9, StopStart = 1.0;

        /// <summary>
        /// Maximum number of tabulated phases. Rates without a large common divisor have more; their taps are interpolated
        /// linearly, with an error of (π²/3)/(8 · 1024²) of a tap, below -120 dB.
        /// </summary>
        private const int MaxPhases = 1024;

        /// <summary>Input samples of a block: 32 KiB, the size of a first-level cache.</summary>
        private const int BlockLength = 8192;

        /// <summary>Maximum number of cached filters: clients choose the rates.</summary>
        private const int MaxCached = 16;

        private static readonly ConcurrentDictionary<(int From, int To), Filter> Cache = new();

        private readonly float[] _taps; // [phase][tap]; one phase more than there are, to interpolate towards
        private readonly int _phases;
        private readonly int _from, _to;

        private Filter(int from, int to)
        {
            (_from, _to) = (from, to);
            _phases = Math.Min(to, MaxPhases);

            // Kaiser's formulas for the window's length and shape (Oppenheim & Schafer, Discrete-Time Signal
            // Processing, section 7.6). Frequencies are in cycles per input sample.
            var lowerNyquist = 0.5 * Math.Min(1, (double)to / from);
            var cutoff = lowerNyquist * (PassEnd + StopStart) / 2;
            var transition = 2 * Math.PI * lowerNyquist * (StopStart - PassEnd);
            var taps = (Attenuation - 7.95) / (2.285 * transition);
            var beta = 0.1102 * (Attenuation - 8.7);

            Length = (int)Math.Ceiling(taps / InnerProduct.Granularity) * InnerProduct.Granularity;
            _taps = new float[(_phases + 1) * Length];

            var scale = 1 / BesselI0(beta);
            var row = new double[Length];
            for (var phase = 0; phase <= _phases; phase++)
            {
                // Tap i weighs the input sample that lies i - (Length / 2 - 1) after the output's floor.
                var offset = (Length / 2) - 1 + ((double)phase / _phases);
                var sum = 0.0;
                for (var i = 0; i < Length; i++)
                {
                    var x = i - offset;
                    var edge = x / (Length / 2.0);
                    var window = Math.Abs(edge) < 1 ? BesselI0(beta * Math.Sqrt(1 - (edge * edge))) * scale : 0;
                    row[i] = Sinc(2 * cutoff * x) * window;
                    sum += row[i];
                }

                // Each phase has unit gain at 0 Hz: a DC offset stays a DC offset.
                for (var i = 0; i < Length; i++)
                    _taps[(phase * Length) + i] = (float)(row[i] / sum);
            }
        }

        /// <summary>Taps of one phase: the number of input samples that contribute to one output sample.</summary>
        public int Length { get; }

        public static Filter For(int from, int to)
        {
            if (Cache.TryGetValue((from, to), out var known))
                return known;

            var filter = new Filter(from, to);
            if (Cache.Count < MaxCached)
                Cache.TryAdd((from, to), filter);
            return filter;
        }

        /// <summary>The output sample <paramref name="phase"/> / to after the middle of <paramref name="input"/>.</summary>
        public float Apply(ReadOnlySpan<float> input, int phase)
        {
            if (_phases == _to)
                return InnerProduct.OfOne(_taps.AsSpan(phase * Length, Length), input);

            var (row, fraction) = Math.DivRem((long)phase * _phases, _to);
            var taps = _taps.AsSpan((int)row * Length, 2 * Length);
            var before = InnerProduct.OfOne(taps[..Length], input);
            var after = InnerProduct.OfOne(taps[Length..], input);
            return before + ((after - before) * ((float)fraction / _to));
        }

        /// <summary>Consecutive output samples, the first of them at <paramref name="phase"/>.</summary>
        /// <remarks>
        /// Samples one period apart have the same taps and are computed together, in blocks whose input fits into the first-level
        /// cache.
        /// </remarks>
        public void Apply(ReadOnlySpan<float> input, int phase, Span<float> output)
        {
            // A multiple of four: four periods are computed together.
            var periods = Math.Max(4, BlockLength / _from / 4 * 4);
            while (!output.IsEmpty)
            {
                var block = output[..(int)Math.Min((long)periods * _to, output.Length)];
                for (int i = 0, at = 0, here = phase; i < Math.Min(_to, block.Length); i++)
                {
                    var (j, from) = (i, at);
                    for (; _phases == _to && j + (3 * _to) < block.Length; j += 4 * _to, from += 4 * _from)
                    {
                        var four = InnerProduct.OfFour(_taps.AsSpan(here * Length, Length), input[from..], _from);
                        for (var k = 0; k < 4; k++)
                            block[j + (k * _to)] = four[k];
                    }

                    for (; j < block.Length; j += _to, from += _from)
                        block[j] = Apply(input.Slice(from, Length), here);
                    at += Math.DivRem(here + _from, _to, out here);
                }

                output = output[block.Length..];
                if (!output.IsEmpty)
                    input = input[(periods * _from)..];
            }
        }

        private static double Sinc(double x) => x == 0 ? 1 : Math.Sin(Math.PI * x) / (Math.PI * x);

        /// <summary>The modified Bessel function of the first kind and order 0, by its power series.</summary>
        private static double BesselI0(double x)
        {
            double sum = 1, term = 1;
            for (var k = 1; term > sum * 1e-17; k++)
            {
                term *= x * x / (4.0 * k * k);
                sum += term;
            }

            return sum;
        }
    }
}
