/** An open microphone or camera. */
export interface Device {
  stop(): void;
}

export interface Microphone extends Device {
  /** Hertz. */
  sampleRate: number;
}

/** Frames per second: enough for changes of a face at a low data rate. */
const frameRate = 5;

/** Pixels. A face at a distance of two meters is detected at 640×480. */
const maxEdge = 640;

/** Limit of the server, in hertz. */
const maxSampleRate = 48_000;

/** Describes why a device cannot be opened. */
export function describeDeviceError(error: unknown, device: "microphone" | "camera"): string {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
      return `The browser is not allowed to use the ${device}. Allow it next to the page's address, then press the button again.`;
    case "NotFoundError":
      return `No ${device} found. Connect one, then press the button again.`;
    case "NotReadableError":
      return `The ${device} could not be opened. Another program may be using it.`;
    default:
      return isSecureContext
        ? `The ${device} could not be started (${error instanceof Error ? error.message : String(error)}).`
        : `Browsers allow the ${device} only on pages from https or localhost.`;
  }
}

/**
 * @param onSamples Receives 50 ms of mono 16-bit samples at a time.
 * @param onLost The device was disconnected.
 */
export async function openMicrophone(onSamples: (samples: ArrayBuffer) => void, onLost: () => void): Promise<Microphone> {
  // Without processing: what makes speech easier to understand changes how it sounds.
  const stream = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 1 },
  });
  let context = new AudioContext();
  if (context.sampleRate > maxSampleRate) {
    void context.close();
    context = new AudioContext({ sampleRate: maxSampleRate });
  }
  try {
    await context.audioWorklet.addModule(RECORDER);
  } catch (error) {
    stop();
    throw error;
  }
  const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
  recorder.port.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => onSamples(data);
  context.createMediaStreamSource(stream).connect(recorder);
  await context.resume();
  stream.getTracks()[0]!.onended = onLost;
  return { sampleRate: context.sampleRate, stop };

  function stop() {
    stream.getTracks().forEach(track => track.stop());
    void context.close();
  }
}

/**
 * @param video Shows the camera's picture.
 * @param time The call's clock; null to skip a frame.
 * @param onFrame Receives JPEGs.
 * @param onLost The device was disconnected.
 */
export async function openCamera(
  video: HTMLVideoElement, time: () => number | null, onFrame: (time: number, jpeg: ArrayBuffer) => void, onLost: () => void): Promise<Device> {
  const stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" } });
  video.srcObject = stream;
  await video.play();
  stream.getTracks()[0]!.onended = onLost;
  const canvas = document.createElement("canvas");
  const timer = setInterval(() => {
    const taken = time();
    if (taken === null || video.videoWidth === 0)
      return;
    void encodeJpeg(video, canvas).then(async blob => onFrame(taken, await blob.arrayBuffer()));
  }, 1000 / frameRate);
  return {
    stop() {
      clearInterval(timer);
      stream.getTracks().forEach(track => track.stop());
      video.srcObject = null;
    },
  };
}

/** Encodes the current picture of a video. */
export function encodeJpeg(video: HTMLVideoElement, canvas: HTMLCanvasElement): Promise<Blob> {
  const scale = Math.min(1, maxEdge / Math.max(video.videoWidth, video.videoHeight));
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d")!.drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob(blob => (blob ? resolve(blob) : reject(new Error("The picture could not be encoded."))), "image/jpeg", 0.8));
}
