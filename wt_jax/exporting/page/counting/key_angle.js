// The joint angle that an exercise is about, and starts moved to where the limb begins to bend.

import { argmax, gaussian, interpolate, quantile, swing } from "./signal.js";
import { sides } from "./skeleton.js";

const KEY_JOINTS = { "push-ups": "elbow", "pull-ups": "elbow", dips: "elbow", squats: "knee" };
export const LIMBS = ["elbow", "shoulder", "hip", "knee"]; // of another exercise: hands and feet jitter too much
const SMOOTHING_FRAMES = 3;
const MOVED_FRAMES = 20; // at most: farther off, what bends is not what the network saw
const UNKNOWN_FRAMES = 150; // that the last of fewer than three starts is taken to last
const EXTENDED = 0.01; // share of a repetition's way down that still counts as extended

/** Smoothed, in half turns: 1 is a straight limb. Where nobody is seen it is interpolated. */
export function keyAngle({ angles, valid }, exercise) {
  const seen = [...valid.keys()].filter((frame) => valid[frame]);
  if (!seen.length) return new Float64Array(valid.length);
  const limbs = KEY_JOINTS[exercise] ? [KEY_JOINTS[exercise]] : LIMBS;
  const means = limbs.map((limb) => {
    const [left, right] = sides(limb);
    return Float32Array.from(seen, (frame) => (angles[frame][left] + angles[frame][right]) / 2);
  });
  const moving = means[argmax(means.map(swing))];
  return gaussian(interpolate(valid.keys(), seen, moving), SMOOTHING_FRAMES);
}

/**
 * Starts moved to where the key angle leaves its extended position: the network says that a repetition starts,
 * and about when; the angle says when the limb begins to bend.
 */
export function alignStarts(starts, angle) {
  const aligned = [];
  let valley = 0;
  const lengths = starts.slice(1).map((start, i) => start - starts[i]);
  const typical = starts.length > 2 ? Math.floor(quantile(lengths, 0.5)) : UNKNOWN_FRAMES;
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? Math.min(start + typical, angle.length);
    const first = Math.max(valley, start - MOVED_FRAMES);
    let moved = start;
    if (end > start + 1) {
      valley = start + argmax(angle.slice(start, end).map((value) => -value));
      const bends = first + lastExtended(angle.slice(first, valley + 1));
      if (bends <= start + MOVED_FRAMES) moved = bends;
    }
    aligned.push(aligned.length ? Math.max(moved, aligned.at(-1) + 1) : moved);
  }
  return aligned;
}

/** The last frame, of those up to a valley, at which the limb is still extended. */
export function lastExtended(wayDown) {
  const highest = wayDown[argmax(wayDown)];
  const extended = highest - EXTENDED * (highest - wayDown.at(-1));
  return wayDown.findLastIndex((value) => value >= extended);
}
