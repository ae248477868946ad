// A camera or a video file: its pictures one by one, with their times.

const SLOWEST = 0.2; // that a file is played between two pictures, as a share of its own pace

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
  #presented = null; // pictures shown when the last one was looked at
  #isPaused = false; // by somebody

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
      const missed = picture.presentedFrames - (this.#presented ?? picture.presentedFrames - 1) - 1;
      this.#presented = picture.presentedFrames;
      this.dropped += missed;
      if (this.isFile) {
        video.pause(); // it waits until its picture has been looked at
        video.playbackRate = Math.min(Math.max(video.playbackRate * (missed ? 0.7 : 1.02), SLOWEST), 1);
      }
      onFrame(video, time_s);
      const goesOn = this.isFile && this.#isOpen && !this.#isPaused && !video.ended; // it would begin again
      if (goesOn) this.#go();
    };
    video.requestVideoFrameCallback(look);
    video.onended = onEnd;
    video.playbackRate = this.isFile ? SLOWEST : 1;
    await this.#go();
  }

  pause() {
    this.#isPaused = true;
    this.#video.pause();
  }

  async resume() {
    this.#isPaused = false;
    this.#presented = null; // none was missed meanwhile
    await this.#go();
  }

  async #go() {
    try {
      await this.#video.play();
    } catch (error) {
      if (error.name !== "AbortError") throw error; // paused or closed before it began
    }
  }

  close() {
    this.#isOpen = false;
    this.#video.onended = this.#video.onerror = null;
    this.#video.pause();
    this.#close();
  }
}
