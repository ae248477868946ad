// A camera or a video file: its pictures one by one, with their times.

const [SLOWEST, FASTEST] = [0.1, 1]; // that a file is played, as a share of its own pace
const CALM_FRAMES = 10; // without one missed, before a file is played faster

/** Begins to show the camera in `video`; `facing` is "user" (at the face) or "environment" (away). */
export async function openCamera(video, facing) {
  if (!navigator.mediaDevices) {
    throw new Error("This browser gives cameras to pages from https:// or localhost alone.");
  }
  const stream = await navigator.mediaDevices.getUserMedia({
    video: { facingMode: facing, width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } },
  });
  video.srcObject = stream;
  return new Source(video, { name: "camera", isFile: false }, () => {
    for (const track of stream.getTracks()) track.stop();
    video.srcObject = null;
  });
}

/** Opens a video file in `video`. */
export async function openFile(video, file) {
  const url = URL.createObjectURL(file);
  const close = () => {
    video.removeAttribute("src");
    video.load();
    URL.revokeObjectURL(url);
  };
  video.src = url;
  await new Promise((resolve, reject) => {
    video.onloadedmetadata = resolve;
    video.onerror = () => {
      close();
      reject(new Error(`${file.name}: this browser cannot play it: try MP4 (H.264) or WebM.`));
    };
  });
  return new Source(video, { name: file.name, isFile: true }, close);
}

/** `onFrame(video, time_s)` is called for each picture, times increasing; `onEnd()` after the last one of a file. */
class Source {
  dropped = 0; // of those that the camera or the file had
  #video;
  #close;
  #isOpen = true;
  #presented = null;
  #calm = 0;

  constructor(video, { name, isFile }, close) {
    Object.assign(this, { name, isFile });
    this.#video = video;
    this.#close = close;
  }

  async play(onFrame, onEnd) {
    const video = this.#video;
    let last_s = -Infinity;
    let first_ms = null; // of a camera, whose clock began some time
    const look = (now_ms, picture) => {
      if (!this.#isOpen) return;
      video.requestVideoFrameCallback(look);
      const taken_ms = picture.captureTime ?? now_ms;
      first_ms ??= taken_ms;
      const time_s = this.isFile ? picture.mediaTime : (taken_ms - first_ms) / 1000;
      if (time_s <= last_s) return;
      last_s = time_s;
      this.#pace(picture.presentedFrames);
      onFrame(video, time_s);
    };
    video.requestVideoFrameCallback(look);
    video.onended = onEnd;
    if (this.isFile) video.playbackRate = 0.5;
    await video.play();
  }

  pause() {
    this.#video.pause();
  }

  async resume() {
    this.#presented = null; // none was missed meanwhile
    await this.#video.play();
  }

  close() {
    this.#isOpen = false;
    this.#video.onended = this.#video.onerror = null;
    this.#video.pause();
    this.#close();
  }

  /** Counts what was missed; plays a file as fast as its pictures can be looked at. */
  #pace(presented) {
    const missed = this.#presented === null ? 0 : presented - this.#presented - 1;
    this.#presented = presented;
    this.dropped += missed;
    if (!this.isFile) return;
    this.#calm = missed ? 0 : this.#calm + 1;
    const change = missed ? 0.8 : this.#calm % CALM_FRAMES === 0 ? 1.1 : 1;
    const rate = Math.min(Math.max(this.#video.playbackRate * change, SLOWEST), FASTEST);
    if (rate !== this.#video.playbackRate) this.#video.playbackRate = rate;
  }
}
