// How an exercise is moved that was learned from a few clips: which limbs, how far, upright or lying.

import { FEWEST } from "./principal_motion.js";
import { quantile } from "./signal.js";
import { HIPS, SHOULDERS } from "./skeleton.js";

const ALIKE = 0.75; // cosine of the angle to the nearest clip's direction from which it is moved as there
const UNLIKE = 0.5; // ... and below which it is not
const AS_UPRIGHT = 0.4; // the greatest difference from that clip's torso
const NOT_AS_UPRIGHT = 0.6; // ... and the least from every clip's from which it is not
const DEPTH = 0.5; // of how far away a landmark is, which pose models guess, so much is believed
const SHARE_OF_SWING = 0.5; // of the clips' median swing
const LEAST_LIKENESS = 0.9; // of what is done so often that it can be told
const [ALIKE_ODDS, UNLIKE_ODDS] = [30, 0.2];

/** Cosine between the torso and straight up in the image: near 1 of who stands, 0 of who lies; of a pose's `points`. */
export function uprightness(points) {
  const middle = ([left, right], axis) => (points[3 * left + axis] + points[3 * right + axis]) / 2;
  const [x, y, z] = [0, 1, 2].map((axis) => middle(SHOULDERS, axis) - middle(HIPS, axis));
  return -y / Math.max(Math.hypot(x, y, DEPTH * z), 1e-4);
}

/** Exercise -> how many times likelier it is by what is `repeated`, and how `upright` somebody is (null: unknown). */
export function oddsByMotion(motions, found, upright) {
  return Object.fromEntries(
    motions.map(({ class_name }) => [
      class_name,
      oddsOf(found, upright, motions.filter((of) => of.class_name === class_name)),
    ]),
  );
}

function oddsOf({ direction, swing, starts, alike }, upright, motions) {
  if (!starts.length) return 1;
  const cosines = motions.map((of) => Math.abs(of.direction.reduce((sum, value, i) => sum + value * direction[i], 0)));
  const differences = motions.map((of) => difference(upright, of.upright));
  if (Math.max(...cosines) < UNLIKE || Math.min(...differences) > NOT_AS_UPRIGHT) return UNLIKE_ODDS;
  const isAlike = motions.some((_, i) => cosines[i] >= ALIKE && differences[i] <= AS_UPRIGHT);
  const reaches = swing >= SHARE_OF_SWING * quantile(motions.map((of) => of.swing), 0.5);
  const isSteady = starts.length < FEWEST || alike >= LEAST_LIKENESS;
  return isAlike && reaches && isSteady ? ALIKE_ODDS : 1;
}

const difference = (one, other) => (one == null || other == null ? 0 : Math.abs(one - other));

/** A probability after news that makes it so many times likelier. */
export const weighed = (probability, odds) => (odds * probability) / (1 - probability + odds * probability);
