// What somebody chose, made ready to be sent as one clip.
import { jpegOf } from "./devices";

/** The server takes no larger request, and no more pictures. */
export const largestClip = 32 << 20;
export const mostPictures = 16;

/** The rate that the models hear at: more would be sent in vain. */
const sampleRate = 22_050;

export interface Picture {
  name: string;
  blob: Blob;
  /** Where it stands in a video, in seconds. */
  time?: number;
}

export interface Clip {
  audio: { name: string; blob: Blob } | null;
  /** The sound as the browser decodes it; null where it cannot. */
  sound: AudioBuffer | null;
  pictures: Picture[];
  /** What the player plays. */
  media: File | null;
  video: boolean;
  /** What was left out, in plain words. */
  remarks: string[];
}

/** Sorts files into a recording, pictures, or a video's sound and pictures. What the browser does not know, the server may. */
export async function clipOf(files: File[]): Promise<Clip> {
  const kind = (file: File) => file.type.split("/")[0];
  const images = files.filter(file => kind(file) === "image");
  const others = files.filter(file => kind(file) !== "image");
  const media = others[0] ?? null;
  const remarks: string[] = [];
  if (others.length > 1)
    remarks.push(`One recording or video at a time: only ${media!.name} is analyzed.`);

  const sound = media && (await decode(media));
  const clip: Clip = { audio: null, sound, pictures: images.map(file => ({ name: file.name, blob: file })), media, video: false, remarks };
  if (media && kind(media) === "video") {
    clip.video = true;
    clip.pictures.push(...(await stills(media, mostPictures - Math.min(images.length, mostPictures))));
    if (sound)
      clip.audio = { name: `${media.name}.wav`, blob: wav(sound) };
    else
      remarks.push("This browser finds no sound in the video, so only its pictures are analyzed.");
  } else if (media) {
    clip.audio = { name: media.name, blob: media };
  }
  if (clip.pictures.length > mostPictures) {
    remarks.push(`At most ${mostPictures} pictures at a time: the first ${mostPictures} are analyzed.`);
    clip.pictures.length = mostPictures;
  }
  return clip;
}

export const sizeOf = (clip: Clip) => [clip.audio, ...clip.pictures].reduce((sum, part) => sum + (part?.blob.size ?? 0), 0);

export function formOf(clip: Clip, models: { speech: string; face: string }): FormData {
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

/** At most one a second, spread evenly. */
async function stills(file: File, most: number): Promise<Picture[]> {
  const video = document.createElement("video");
  video.muted = true;
  video.src = URL.createObjectURL(file);
  try {
    await happens(video, "loadeddata");
    // Files that were recorded by a browser do not say how long they are until one has been at their end.
    if (!isFinite(video.duration)) {
      video.currentTime = Number.MAX_SAFE_INTEGER;
      await happens(video, "seeked");
    }
    const count = Math.min(most, Math.max(1, Math.round(video.duration)));
    const canvas = document.createElement("canvas");
    const pictures: Picture[] = [];
    for (let i = 0; i < count; i++) {
      const time = ((i + 0.5) * video.duration) / count;
      video.currentTime = time;
      await happens(video, "seeked");
      pictures.push({ name: `${i + 1}.jpg`, blob: await jpegOf(video, canvas), time });
    }
    return pictures;
  } finally {
    URL.revokeObjectURL(video.src);
  }
}

function happens(video: HTMLVideoElement, event: string): Promise<void> {
  return new Promise((resolve, reject) => {
    video.addEventListener(event, () => resolve(), { once: true });
    video.addEventListener("error", () => reject(new Error("This browser cannot play the video.")), { once: true });
  });
}

/** Mono, 16 bits: RIFF WAVE as Microsoft's "Multimedia Programming Interface" of 1991 has it. */
function wav(sound: AudioBuffer): Blob {
  const channels = Array.from({ length: sound.numberOfChannels }, (_, index) => sound.getChannelData(index));
  const samples = Int16Array.from({ length: sound.length }, (_, index) =>
    Math.max(-1, Math.min(1, channels.reduce((sum, channel) => sum + channel[index]!, 0) / channels.length)) * 0x7fff);
  const header = new DataView(new ArrayBuffer(44));
  const text = (offset: number, value: string) => [...value].forEach((letter, index) => header.setUint8(offset + index, letter.charCodeAt(0)));
  text(0, "RIFF");
  header.setUint32(4, 36 + samples.byteLength, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true);
  header.setUint16(22, 1, true);
  header.setUint32(24, sound.sampleRate, true);
  header.setUint32(28, sound.sampleRate * 2, true);
  header.setUint16(32, 2, true);
  header.setUint16(34, 16, true);
  text(36, "data");
  header.setUint32(40, samples.byteLength, true);
  return new Blob([header, samples], { type: "audio/wav" });
}
