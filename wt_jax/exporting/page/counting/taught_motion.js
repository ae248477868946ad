// How an exercise is moved that was learned from a few clips: which limbs, and how far.

import { FEWEST } from "./principal_motion.js";
import { quantile } from "./signal.js";

const ALIKE = 0.75; // cosine of the angle to the nearest clip's direction from which it is moved as there
const UNLIKE = 0.5; // ... and below which it is not
const SHARE_OF_SWING = 0.5; // of the clips' median swing
const LEAST_LIKENESS = 0.9; // of what is done so often that it can be told
const [ALIKE_ODDS, UNLIKE_ODDS] = [10, 0.2];

/** Exercise -> how many times likelier it is by what is `repeated`; 1 is no news. */
export function oddsByMotion(motions, found) {
  return Object.fromEntries(
    motions.map(({ class_name }) => [class_name, oddsOf(found, motions.filter((of) => of.class_name === class_name))]),
  );
}

function oddsOf({ direction, swing, starts, alike }, motions) {
  if (!starts.length) return 1;
  const cosines = motions.map((of) => Math.abs(of.direction.reduce((sum, value, i) => sum + value * direction[i], 0)));
  const nearest = Math.max(...cosines);
  if (nearest < UNLIKE) return UNLIKE_ODDS;
  const reaches = swing >= SHARE_OF_SWING * quantile(motions.map((of) => of.swing), 0.5);
  const isSteady = starts.length < FEWEST || alike >= LEAST_LIKENESS;
  return nearest >= ALIKE && reaches && isSteady ? ALIKE_ODDS : 1;
}

/** A probability after news that makes it so many times likelier. */
export const weighed = (probability, odds) => (odds * probability) / (1 - probability + odds * probability);
