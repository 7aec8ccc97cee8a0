// Runs in the audio thread: converts the microphone's audio to 16-bit samples, 50 ms at a time.

declare const sampleRate: number;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}
declare function registerProcessor(name: string, processor: new () => AudioWorkletProcessor): void;

class Recorder extends AudioWorkletProcessor {
  private samples = new Int16Array(sampleRate / 20);
  private length = 0;

  process([channels]: Float32Array[][]): boolean {
    // No channels without a source; uses the first of several.
    for (const sample of channels?.[0] ?? []) {
      // Little-endian on all platforms with a browser.
      this.samples[this.length++] = Math.max(-1, Math.min(1, sample)) * 0x7fff;
      if (this.length === this.samples.length) {
        this.port.postMessage(this.samples.buffer, [this.samples.buffer]);
        this.samples = new Int16Array(this.length);
        this.length = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
