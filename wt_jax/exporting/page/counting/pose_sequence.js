// Landmarks of a video's frames, at whatever times they come, -> poses at 30 frames a second, as they settle.

import { ANGLES, HIPS, N_LANDMARKS } from "./skeleton.js";
import { uprightness } from "./taught_motion.js";

const SAME_TIME_S = 1e-6; // rounding of timestamps
const FARTHEST_PX = 1e15; // of a landmark from the image's corner; one farther off is none
const FARTHEST_FROM_HIPS_PX = 30000;
const TRIPLETS = Object.values(ANGLES);

/**
 * A pose: `angles` (25) in half turns, `points` (33 x 3) in pixels from the middle between the hips, how `upright`
 * they are; `valid` is false, and all are 0, where nobody is seen. `resampling` is that of the model card.
 */
export class PoseSequence {
  #firstAt_s = null;
  #last_s = 0;
  #settled = 0; // output frames returned so far
  #usable = []; // {time_s, angles, points}, from the last one at or before the next output frame on

  constructor(resampling) {
    this.resampling = resampling;
  }

  get first_s() {
    return this.#firstAt_s ?? 0;
  }

  /**
   * The next frame: 33 landmarks {x, y, z} in shares of a picture of this {width, height} in pixels, or null.
   * Returns the poses settled since.
   */
  push(landmarks, time_s, size) {
    if (!Number.isFinite(time_s) || (this.#firstAt_s !== null && time_s <= this.#last_s)) {
      throw new Error("timestamps must be finite and strictly increasing, in seconds");
    }
    this.#firstAt_s ??= time_s;
    this.#last_s = time_s;
    const pose = landmarks && poseOf(landmarks, size);
    if (pose) this.#usable.push({ time_s, ...pose });
    const lastUsable_s = this.#usable.at(-1)?.time_s;
    let settled = this.#settled;
    if (lastUsable_s !== undefined) settled = Math.max(settled, this.#framesIn(lastUsable_s - this.#firstAt_s));
    if (lastUsable_s === undefined || time_s - lastUsable_s > this.resampling.max_gap_s + 2 * SAME_TIME_S) {
      settled = Math.max(settled, this.#framesIn(time_s - this.#firstAt_s - 3 * SAME_TIME_S));
    }
    return this.#settle(settled);
  }

  /** The rest, up to the last frame: none comes after it. */
  flush() {
    return this.#settle(this.#firstAt_s === null ? 0 : this.#framesIn(this.#last_s - this.#firstAt_s));
  }

  #framesIn(duration_s) {
    return Math.floor((duration_s + SAME_TIME_S) * this.resampling.frame_rate_hz) + 1;
  }

  #settle(until) {
    const poses = [];
    for (; this.#settled < until; this.#settled++) {
      const at_s = this.first_s + this.#settled / this.resampling.frame_rate_hz;
      while (this.#usable.length > 1 && this.#usable[1].time_s <= at_s + SAME_TIME_S) this.#usable.shift();
      poses.push(between(this.#usable, at_s, this.resampling.max_gap_s));
    }
    return poses;
  }
}

/** The pose at a time, of the usable frames on either side of it. */
function between(usable, at_s, maxGap_s) {
  const before = usable[0]?.time_s <= at_s + SAME_TIME_S ? usable[0] : undefined;
  const after = usable.find(({ time_s }) => time_s >= at_s - SAME_TIME_S);
  const gap_s = before && after ? after.time_s - before.time_s : Infinity;
  if (gap_s > maxGap_s + SAME_TIME_S) return { ...NOBODY };
  const share = gap_s > 0 ? (at_s - before.time_s) / gap_s : 0;
  const blend = (from, to) => Float32Array.from(from, (value, i) => value + share * (to[i] - value));
  const points = blend(before.points, after.points);
  return { angles: blend(before.angles, after.angles), points, upright: uprightness(points), valid: true };
}

const NOBODY = {
  angles: new Float32Array(TRIPLETS.length),
  points: new Float32Array(3 * N_LANDMARKS),
  upright: 0,
  valid: false,
};

/** Angles and points of 33 landmarks; null where an angle is missing: of a landmark, or the length of a limb. */
function poseOf(landmarks, { width, height }) {
  const known = (value_px) => (Math.abs(value_px) <= FARTHEST_PX ? value_px : NaN);
  const flat = landmarks.map(({ x, y }) => [known(x * width), known(y * height)]);
  const angles = Float32Array.from(TRIPLETS, ([from, at, to]) => {
    const [ax, ay] = [flat[from][0] - flat[at][0], flat[from][1] - flat[at][1]];
    const [bx, by] = [flat[to][0] - flat[at][0], flat[to][1] - flat[at][1]];
    if ((ax === 0 && ay === 0) || (bx === 0 && by === 0)) return NaN;
    return Math.atan2(Math.abs(ax * by - ay * bx), ax * bx + ay * by) / Math.PI;
  });
  if (!angles.every(Number.isFinite)) return null;
  const points = new Float64Array(3 * N_LANDMARKS);
  for (const [axis, [name, size_px]] of [["x", width], ["y", height], ["z", width]].entries()) {
    const middle_px = ((landmarks[HIPS[0]][name] + landmarks[HIPS[1]][name]) / 2) * size_px;
    for (const [i, landmark] of landmarks.entries()) {
      const away_px = landmark[name] * size_px - middle_px;
      points[3 * i + axis] = Math.min(Math.max(away_px, -FARTHEST_FROM_HIPS_PX), FARTHEST_FROM_HIPS_PX) || 0;
    }
  }
  return { angles, points };
}
