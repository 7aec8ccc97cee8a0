using System.Buffers;
using System.Collections.Concurrent;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Affect.Audio;

/// <summary>
/// Changes the sample rate of one channel: a polyphase FIR low-pass, a sinc in a Kaiser window. Streaming:
/// however the input is cut into pieces, the output is the same, sample for sample. Not thread-safe; the
/// filters are shared.
/// </summary>
/// <remarks>
/// With N the lower of the two Nyquist frequencies the filter is flat to 0.9 N and lets nothing through
/// above N (at least 90 dB down), so that images and aliases stay inaudible. Its delay is taken out: output
/// sample i belongs to the time i / to.
/// </remarks>
public sealed class Resampler
{
    private readonly Filter _filter;
    private readonly int _from, _to;

    // The input that the next output sample still needs; it starts with half a filter of silence.
    private float[] _history;
    private int _count;

    // Where the filter stands: at _history[_start], and _phase / _to of an input sample further.
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
        if (from == to)
            return input.ToArray();

        var resampler = new Resampler(from, to);
        var output = new ArrayBufferWriter<float>(Math.Max(1, checked((int)resampler.OutputLength(input.Length))));
        resampler.Process(input, output);
        resampler.Flush(output);
        return MemoryMarshal.TryGetArray(output.WrittenMemory, out var array) && array.Count == array.Array!.Length
            ? array.Array
            : output.WrittenSpan.ToArray();
    }

    /// <summary>
    /// A part of what <see cref="Resample"/> makes of a whole signal, from a part of the signal: the same (but for rounding)
    /// samples, where the input reaches <see cref="Reach"/> samples further on either side, or to the signal's ends.
    /// </summary>
    /// <param name="input">The signal from its sample <paramref name="first"/> on; what lies around it counts as silence.</param>
    /// <param name="first">The first sample of the input, counted in the signal, at the rate <paramref name="from"/>.</param>
    /// <param name="from">Sample rate of the signal.</param>
    /// <param name="to">Sample rate of the output.</param>
    /// <param name="start">The first sample wanted, counted at the rate <paramref name="to"/>.</param>
    /// <param name="output">As many samples as are wanted.</param>
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

        // The whole signal's resampler stands at its sample 0; this one begins where it passes the part wanted.
        var (up, down) = Reduce(from, to);
        var filter = Filter.For(down, up);
        var firstOutput = Math.Max(start, ((first * up) + down - 1) / down);
        var endOutput = Math.Min(start + output.Length, (((first + input.Length) * up) + down - 1) / down);
        if (firstOutput >= endOutput)
            return;

        // With the silence around the input in its place, every output sample is made the same way.
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

    /// <summary>Input samples on either side that an output sample is made of.</summary>
    public static int Reach(int from, int to)
    {
        var (up, down) = Reduce(from, to);
        return from == to ? 0 : (Filter.For(down, up).Length / 2) + 1;
    }

    /// <summary>Takes the next piece of input, of any length, and writes every output sample that it completes.</summary>
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

    /// <summary>Ends the input: writes what is left, and starts afresh.</summary>
    public void Flush(IBufferWriter<float> output)
    {
        var end = OutputLength(_received);
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

    private long OutputLength(long inputLength) => ((inputLength * _to) + _from - 1) / _from;

    /// <summary>Writes all output that the history suffices for, up to sample <paramref name="end"/>, and drops what is used up.</summary>
    private void Convolve(IBufferWriter<float> output, long end)
    {
        var length = _filter.Length;
        var room = _count - length - _start; // input samples by which the filter may still move on
        if (room < 0)
            return;

        // In units of 1/_to of an input sample the filter stands at _phase and may move to just before room + 1.
        var steps = (int)Math.Min(1 + (((room + 1L) * _to) - 1 - _phase) / _from, end - _produced);
        var written = output.GetSpan(steps);
        for (var i = 0; i < steps; i++)
        {
            written[i] = _filter.Apply(_history.AsSpan(_start, length), _phase);
            _start += Math.DivRem(_phase + _from, _to, out _phase);
        }

        output.Advance(steps);
        _produced += steps;

        // One step is always shorter than the filter, so _start is at most _count.
        _count -= _start;
        _history.AsSpan(_start, _count).CopyTo(_history);
        _start = 0;
    }

    /// <summary>The taps for each position of an output sample between two input samples.</summary>
    private sealed class Filter
    {
        /// <summary>Stop-band attenuation in dB that the window is designed for.</summary>
        private const double Attenuation = 98;

        /// <summary>Pass band and stop band end here, as fractions of the lower Nyquist frequency.</summary>
        private const double PassEnd = 0.9, StopStart = 1.0;

        /// <summary>
        /// More phases than this (rates that share no large divisor) are not tabulated but interpolated
        /// between this many: the error of doing so linearly, (π²/3)/(8 · 1024²) of a tap, is below -120 dB.
        /// </summary>
        private const int MaxPhases = 1024;

        /// <summary>Input samples of a block: 32 KiB, as much as any first-level cache has.</summary>
        private const int BlockLength = 8192;

        /// <summary>Filters kept for the rates in use; bounded, for the rates come from outside.</summary>
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

                // Each phase passes a constant unchanged, so that silence with an offset gains no tone.
                for (var i = 0; i < Length; i++)
                    _taps[(phase * Length) + i] = (float)(row[i] / sum);
            }
        }

        /// <summary>Taps of one phase: the input samples that one output sample is made of.</summary>
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

        /// <summary>The output sample that lies <paramref name="phase"/> / to after the middle of <paramref name="input"/>.</summary>
        public float Apply(ReadOnlySpan<float> input, int phase)
        {
            if (_phases == _to)
                return InnerProduct.Of(_taps.AsSpan(phase * Length, Length), input);

            var (row, fraction) = Math.DivRem((long)phase * _phases, _to);
            var taps = _taps.AsSpan((int)row * Length, 2 * Length);
            var before = InnerProduct.Of(taps[..Length], input);
            var after = InnerProduct.Of(taps[Length..], input);
            return before + ((after - before) * ((float)fraction / _to));
        }

        /// <summary>Output samples in a row, the first one like that of one.</summary>
        /// <remarks>
        /// Samples that lie a period apart have the same taps, so they are made together, in blocks whose input stays in
        /// the first-level cache.
        /// </remarks>
        public void Apply(ReadOnlySpan<float> input, int phase, Span<float> output)
        {
            var periods = Math.Max(4, BlockLength / _from);
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
