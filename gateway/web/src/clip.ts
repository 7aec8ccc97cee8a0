// Prepares the chosen files as one clip.
import { encodeJpeg } from "./devices";

/** Limits of the server. */
export const maxClipBytes = 32 << 20;
export const maxPictures = 16;

/** The sample rate of the models; a higher one would be resampled by the server. */
const sampleRate = 22_050;

export interface Picture {
  name: string;
  blob: Blob;
  /** Time in the video, in seconds. */
  time?: number;
}

export interface Clip {
  audio: { name: string; blob: Blob } | null;
  /** The decoded audio; null if the browser cannot decode it. */
  sound: AudioBuffer | null;
  pictures: Picture[];
  /** The file to play. */
  media: File | null;
  video: boolean;
  /** Messages about files that are not sent. */
  remarks: string[];
}

/** Creates a clip from a recording, pictures, or the audio and pictures of a video. The server may support files that the browser does not. */
export async function createClip(files: File[]): Promise<Clip> {
  const kind = (file: File) => file.type.split("/")[0];
  const images = files.filter(file => kind(file) === "image");
  const others = files.filter(file => kind(file) !== "image");
  const media = others[0] ?? null;
  const remarks: string[] = [];
  if (others.length > 1)
    remarks.push(`Only one recording or video is analyzed: ${media!.name}.`);

  const sound = media && (await decode(media));
  const clip: Clip = { audio: null, sound, pictures: images.map(file => ({ name: file.name, blob: file })), media, video: false, remarks };
  if (media && kind(media) === "video") {
    clip.video = true;
    clip.pictures.push(...(await extractPictures(media, maxPictures - Math.min(images.length, maxPictures))));
    if (sound)
      clip.audio = { name: `${media.name}.wav`, blob: encodeWav(sound) };
    else
      remarks.push("This browser cannot decode the audio of the video; only its pictures are analyzed.");
  } else if (media) {
    clip.audio = { name: media.name, blob: media };
  }
  if (clip.pictures.length > maxPictures) {
    remarks.push(`Only the first ${maxPictures} pictures are analyzed.`);
    clip.pictures.length = maxPictures;
  }
  return clip;
}

export const sizeOf = (clip: Clip) => [clip.audio, ...clip.pictures].reduce((sum, part) => sum + (part?.blob.size ?? 0), 0);

export function createForm(clip: Clip, models: { speech: string; face: string }): FormData {
  const form = new FormData();
  if (clip.audio)
    form.append("audio", clip.audio.blob, clip.audio.name);
  for (const picture of clip.pictures)
    form.append("image", picture.blob, picture.name);
  if (models.speech)
    form.append("speech_model", models.speech);
  if (models.face)
    form.append("face_model", models.face);
  return form;
}

async function decode(file: File): Promise<AudioBuffer | null> {
  try {
    return await new OfflineAudioContext(1, 1, sampleRate).decodeAudioData(await file.arrayBuffer());
  } catch {
    return null;
  }
}

/** Evenly spaced pictures, at most one per second. */
async function extractPictures(file: File, max: number): Promise<Picture[]> {
  const video = document.createElement("video");
  video.muted = true;
  video.src = URL.createObjectURL(file);
  try {
    await waitFor(video, "loadeddata");
    // Files recorded by a browser have no duration until the player has reached their end.
    if (!isFinite(video.duration)) {
      video.currentTime = Number.MAX_SAFE_INTEGER;
      await waitFor(video, "seeked");
    }
    const count = Math.min(max, Math.max(1, Math.round(video.duration)));
    const canvas = document.createElement("canvas");
    const pictures: Picture[] = [];
    for (let i = 0; i < count; i++) {
      const time = ((i + 0.5) * video.duration) / count;
      video.currentTime = time;
      await waitFor(video, "seeked");
      pictures.push({ name: `${i + 1}.jpg`, blob: await encodeJpeg(video, canvas), time });
    }
    return pictures;
  } finally {
    URL.revokeObjectURL(video.src);
  }
}

function waitFor(video: HTMLVideoElement, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    video.addEventListener(event, () => resolve(), { once: true });
    video.addEventListener("error", () => reject(new Error("This browser cannot play the video.")), { once: true });
  });
}

/** Encodes 16-bit PCM, equal channels once: RIFF WAVE as in Microsoft's "Multimedia Programming Interface", 1991. */
function encodeWav(sound: AudioBuffer): Blob {
  const all = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
  const channels = all.every(channel => channel.every((sample, index) => sample === all[0]![index])) ? all.slice(0, 1) : all;
  const samples = new Int16Array(sound.length * channels.length);
  channels.forEach((channel, offset) => channel.forEach((sample, index) => {
    samples[index * channels.length + offset] = Math.max(-1, Math.min(1, sample)) * 0x7fff;
  }));
  const header = new DataView(new ArrayBuffer(44));
  const text = (offset: number, value: string) => [...value].forEach((letter, index) => header.setUint8(offset + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  header.setUint32(4, 36 + samples.byteLength, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, channels.length, true);
  header.setUint32(24, sound.sampleRate, true);
  header.setUint32(28, sound.sampleRate * 2 * channels.length, true);
  header.setUint16(32, 2 * channels.length, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, samples.byteLength, true);
  return new Blob([header, samples], { type: "audio/wav" });
}
