// People in pictures: 33 landmarks of one person, followed from frame to frame by MediaPipe.

import { FilesetResolver, PoseLandmarker } from "./packages/tasks-vision/vision_bundle.mjs";
import { HIPS, SHOULDERS } from "./counting/skeleton.js";

const MOST_PEOPLE = 4; // looked at where a track begins
const JUMP = 1; // in torso lengths between two frames: another person, rather than a fast one
const MARGIN = 0.3; // of a person's box, on each side of it, in the picture that begins a track
const SOFTWARE = /swiftshader|llvmpipe|software|basic render/i;

/**
 * As wt_jax/pose/estimator.py: MediaPipe follows one person; where that track begins, or begins again after a loss
 * or a leap, all people in the picture are looked at: the largest is taken to begin with, later the one nearest to
 * where the track was lost.
 */
export class PoseFinder {
  #follower;
  #finder;
  #offset_ms = 0; // of this video's clock from the follower's, which never goes back
  #last_ms = -1;
  #torso = null; // of the last pose
  #isLost = true;

  /** Fetches MediaPipe and its model; on the graphics card, where there is one. */
  static async load(modelUrl) {
    const packages = new URL("packages/tasks-vision/wasm", import.meta.url).href;
    const [wasm, answer] = await Promise.all([FilesetResolver.forVisionTasks(packages), fetch(modelUrl)]);
    if (!answer.ok) throw new Error(`${modelUrl}: ${answer.status} ${answer.statusText}`);
    const model = new Uint8Array(await answer.arrayBuffer());
    const make = (runningMode, numPoses, delegate) =>
      PoseLandmarker.createFromOptions(wasm, {
        baseOptions: { modelAssetBuffer: model.slice(), delegate },
        runningMode,
        numPoses,
      });
    const both = async (delegate) =>
      new PoseFinder(await make("VIDEO", 1, delegate), await make("IMAGE", MOST_PEOPLE, delegate));
    return hasGraphics() ? both("GPU").catch(() => both("CPU")) : both("CPU");
  }

  constructor(follower, finder) {
    this.#follower = follower;
    this.#finder = finder;
  }

  /** Another video begins: whoever was followed is let go. */
  begin() {
    this.#offset_ms = this.#last_ms + 1000;
    if (this.#torso) this.#follow(blank({ width: 64, height: 64 }), 0);
    this.#torso = null;
    this.#isLost = true;
  }

  /** Landmarks {x, y, z, visibility} of the person in a canvas, in shares of it; null where nobody is seen. */
  find(canvas, time_s) {
    const followed = this.#follow(canvas, time_s);
    const leapt = followed && this.#torso && distance(torsoOf(followed, canvas), this.#torso) > JUMP;
    const found = followed && (this.#isLost || leapt) ? this.#choose(canvas, time_s, followed) : followed;
    this.#isLost = !found;
    if (found) this.#torso = torsoOf(found, canvas);
    return found;
  }

  #follow(canvas, time_s) {
    this.#last_ms = Math.max(Math.round(1000 * time_s) + this.#offset_ms, this.#last_ms + 1);
    return this.#follower.detectForVideo(canvas, this.#last_ms).landmarks[0] ?? null;
  }

  /** The person to follow from here on, of all in the picture; `followed` is the one followed now. */
  #choose(canvas, time_s, followed) {
    const now = torsoOf(followed, canvas);
    const others = this.#finder.detect(canvas).landmarks;
    const people = [followed, ...others].map((landmarks) => ({ landmarks, torso: torsoOf(landmarks, canvas) }));
    const before = this.#torso;
    const misfit = before
      ? ({ torso }) => distance(torso, before)
      : ({ landmarks }) => -extent(landmarks.map(({ y }) => y));
    const best = people.reduce((one, other) => (misfit(other) < misfit(one) ? other : one));
    if (distance(best.torso, now) < JUMP) return followed;
    this.#follow(blank(canvas), time_s); // nobody there: lets go of the wrong one
    return this.#follow(only(canvas, best.landmarks), time_s) ?? best.landmarks;
  }
}

/** Middle of shoulders and hips and the distance between their middles, in pixels. */
function torsoOf(landmarks, { width, height }) {
  const at = (i) => [landmarks[i].x * width, landmarks[i].y * height];
  const middle = ([a, b]) => [(at(a)[0] + at(b)[0]) / 2, (at(a)[1] + at(b)[1]) / 2];
  const [[x, y], [u, v]] = [middle(SHOULDERS), middle(HIPS)];
  const [[a, b], [c, d]] = SHOULDERS.map(at);
  return { x: (x + u) / 2, y: (y + v) / 2, length: Math.max(Math.hypot(x - u, y - v), Math.hypot(a - c, b - d), 1) };
}

/** Between centres, in lengths of `other`, and how many times as large the one is (its logarithm). */
const distance = (torso, other) =>
  Math.hypot(torso.x - other.x, torso.y - other.y) / other.length + Math.abs(Math.log(torso.length / other.length));

const extent = (values) => Math.max(...values) - Math.min(...values);

function blank({ width, height }) {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  context.fillRect(0, 0, width, height);
  return canvas;
}

/** The picture, black but for this person and a margin. */
function only(canvas, landmarks) {
  const [xs, ys] = [landmarks.map(({ x }) => x * canvas.width), landmarks.map(({ y }) => y * canvas.height)];
  const margin = MARGIN * Math.max(extent(xs), extent(ys));
  const [left, top] = [Math.min(...xs) - margin, Math.min(...ys) - margin];
  const [width, height] = [extent(xs) + 2 * margin, extent(ys) + 2 * margin];
  const alone = blank(canvas);
  const context = alone.getContext("2d");
  context.beginPath();
  context.rect(left, top, width, height);
  context.clip();
  context.drawImage(canvas, 0, 0);
  return alone;
}

/** Is there a graphics card, rather than a program that draws like one? */
function hasGraphics() {
  const gl = new OffscreenCanvas(1, 1).getContext("webgl2");
  const info = gl?.getExtension("WEBGL_debug_renderer_info");
  return Boolean(gl) && !SOFTWARE.test(info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : "");
}
