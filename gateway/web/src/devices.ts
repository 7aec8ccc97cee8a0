/** A microphone that gives 16-bit samples, or a camera that gives pictures. */
export interface Device {
  stop(): void;
}

export interface Microphone extends Device {
  /** Hertz. */
  sampleRate: number;
}

/** Frames a second. Enough to see a face change, and little to send. */
const frameRate = 5;

/** Faces need no more: of 640×480 that of somebody two metres away is found. */
const largestEdge = 640;

/** The server takes no more than this. */
const highestRate = 48_000;

/** Why a device could not be had, in plain words. */
export function whyNot(error: unknown, device: "microphone" | "camera"): string {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
      return `The browser was not allowed to use the ${device}. Allow it beside the page's address, then press the button again.`;
    case "NotFoundError":
      return `No ${device} was found. Plug one in, then press the button again.`;
    case "NotReadableError":
      return `The ${device} could not be opened. Another program may be using it.`;
    default:
      return isSecureContext
        ? `The ${device} could not be started (${error instanceof Error ? error.message : String(error)}).`
        : `Browsers give the ${device} only to pages that come over https or from localhost.`;
  }
}

/**
 * @param take Gets 50 ms of mono samples at a time.
 * @param lost The device went away.
 */
export async function openMicrophone(take: (samples: ArrayBuffer) => void, lost: () => void): Promise<Microphone> {
  // Untouched: what makes speech easier to understand takes away from how it sounds.
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
  });
  let context = new AudioContext();
  if (context.sampleRate > highestRate) {
    void context.close();
    context = new AudioContext({ sampleRate: highestRate });
  }
  try {
    await context.audioWorklet.addModule(RECORDER);
  } catch (error) {
    stop();
    throw error;
  }
  const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  recorder.port.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => take(data);
  context.createMediaStreamSource(stream).connect(recorder);
  await context.resume();
  stream.getTracks()[0]!.onended = lost;
  return { sampleRate: context.sampleRate, stop };

  function stop() {
    stream.getTracks().forEach(track => track.stop());
    void context.close();
  }
}

/**
 * @param video Shows what the camera sees.
 * @param time The call's clock; null where no frame is wanted now.
 * @param take Gets JPEGs.
 * @param lost The device went away.
 */
export async function openCamera(
  video: HTMLVideoElement, time: () => number | null, take: (time: number, jpeg: ArrayBuffer) => void, lost: () => void): Promise<Device> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } });
  video.srcObject = stream;
  await video.play();
  stream.getTracks()[0]!.onended = lost;
  const canvas = document.createElement("canvas");
  const timer = setInterval(() => {
    const taken = time();
    if (taken === null || video.videoWidth === 0)
      return;
    void jpegOf(video, canvas).then(async blob => take(taken, await blob.arrayBuffer()));
  }, 1000 / frameRate);
  return {
    stop() {
      clearInterval(timer);
      stream.getTracks().forEach(track => track.stop());
      video.srcObject = null;
    },
  };
}

/** What a video shows now. */
export function jpegOf(video: HTMLVideoElement, canvas: HTMLCanvasElement): Promise<Blob> {
  const scale = Math.min(1, largestEdge / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d")!.drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(blob => (blob ? resolve(blob) : reject(new Error("The picture could not be encoded."))), "image/jpeg", 0.8));
}
