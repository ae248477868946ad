// Whatever repeats, counted without being taught: along the one way in which joint angles move the most.

import { lastExtended, LIMBS } from "./key_angle.js";
import { findPeaks, gaussian, interpolate, quantile, swing } from "./signal.js";
import { sides } from "./skeleton.js";

const SMOOTHING_FRAMES = 3;
const SLOW_FRAMES = 90; // of what is taken off: how somebody sits, stands, turns
const SHARE_OF_SWING = 0.5; // of the recording's own swing that a repetition has to reach
const LEAST_SWING = 0.08; // half turns: less is nobody's exercise
const MIN_DISTANCE_FRAMES = 12;
const POINTS = 16; // of a cycle, to compare it with others
const LEAST_LIKENESS = 0.75; // for something to be said to repeat
export const FEWEST = 3; // times that something is done for it to be said to repeat

/** Frames at which repetitions of whatever is done start. */
export const motionStarts = (timeline) => repeated(timeline).starts;

/** The starts of what is `repeated`, none where they are not alike enough. */
export const sureStarts = ({ starts, alike }) => (alike >= LEAST_LIKENESS ? starts : []);

/** What is done again and again: {direction, swing, starts, alike}; the direction has either sign. */
export function repeated(timeline) {
  const motion = motionOf(timeline);
  const direction = directionOf(motion);
  const along = alongOf(motion, direction);
  const reach = along.length ? swing(along) : 0;
  const starts = startsAlong(along, reach);
  return { direction, swing: reach, starts, alike: likeness(motion, starts) };
}

function startsAlong(along, reach) {
  if (reach < LEAST_SWING) return [];
  const valleys = findPeaks(along.map((value) => -value), {
    prominence: SHARE_OF_SWING * reach,
    distance: MIN_DISTANCE_FRAMES,
  });
  return valleys.map((valley, i) => {
    const before = valleys[i - 1] ?? 0;
    return before + lastExtended(along.slice(before, valley + 1));
  });
}

/** The first principal component: a vector of length 1, or 0 where nothing moves. */
function directionOf(motion) {
  if (motion.every((curve) => curve.every((value) => value === 0))) return motion.map(() => 0);
  return topEigenvector(motion.map((a) => motion.map((b) => dot(a, b))));
}

/** How far somebody is along it, high where they stay longer. */
function alongOf(motion, direction) {
  const along = motion[0].map((_, frame) => dot(direction, motion.map((curve) => curve[frame])));
  const middle = (quantile(along, 0.05) + quantile(along, 0.95)) / 2;
  return quantile(along, 0.5) >= middle ? along : along.map((value) => -value);
}

/** Of a symmetric matrix, by Jacobi's rotations; the matrix is used up. */
function topEigenvector(matrix) {
  const size = matrix.length;
  const vectors = matrix.map((_, i) => matrix.map((_, k) => Number(i === k))); // in rows
  for (let sweep = 0; sweep < 20; sweep++) {
    for (let p = 0; p < size; p++) {
      for (let q = p + 1; q < size; q++) {
        if (matrix[p][q] === 0) continue;
        const angle = Math.atan2(2 * matrix[p][q], matrix[q][q] - matrix[p][p]) / 2;
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const turn = (row) => ([row[p], row[q]] = [cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]]);
        matrix.forEach(turn);
        for (const rows of [matrix, vectors]) {
          for (let k = 0; k < size; k++) {
            const [a, b] = [rows[p][k], rows[q][k]];
            [rows[p][k], rows[q][k]] = [cos * a - sin * b, sin * a + cos * b];
          }
        }
      }
    }
  }
  const values = matrix.map((row, i) => row[i]);
  return vectors[values.indexOf(Math.max(...values))];
}

/** The median correlation of the cycles between starts with their mean. */
function likeness(motion, starts) {
  if (starts.length < FEWEST) return 0;
  const frames = [...motion[0].keys()];
  const cycles = starts.slice(1).map((end, i) => {
    const at = Array.from({ length: POINTS }, (_, k) => starts[i] + ((end - starts[i]) * k) / (POINTS - 1));
    return motion.flatMap((curve) => [...interpolate(at, frames, curve)]);
  });
  const mean = cycles[0].map((_, i) => cycles.reduce((sum, cycle) => sum + cycle[i], 0) / cycles.length);
  const norm = (a) => Math.sqrt(dot(a, a));
  return quantile(cycles.map((cycle) => dot(cycle, mean) / (norm(cycle) * norm(mean) + 1e-9)), 0.5);
}

const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Of each limb the mean of both sides and half their difference, less their slow changes: 8 curves. */
function motionOf({ angles, valid }) {
  const seen = [...valid.keys()].filter((frame) => valid[frame]);
  const still = () => new Float64Array(valid.length);
  if (!seen.length) return LIMBS.flatMap(() => [still(), still()]);
  const quick = (place) => {
    const known = seen.map((frame) => angles[frame][place]);
    const smooth = gaussian(interpolate(valid.keys(), seen, known), SMOOTHING_FRAMES);
    const slow = gaussian(smooth, SLOW_FRAMES);
    return smooth.map((value, i) => value - slow[i]);
  };
  const pairs = LIMBS.map((limb) => sides(limb).map(quick));
  return [
    ...pairs.map(([left, right]) => left.map((value, i) => (value + right[i]) / 2)),
    ...pairs.map(([left, right]) => left.map((value, i) => Math.abs(value - right[i]) / 2)),
  ].map((curve) => {
    const mean = curve.reduce((sum, value) => sum + value, 0) / curve.length;
    return curve.map((value) => value - mean);
  });
}
