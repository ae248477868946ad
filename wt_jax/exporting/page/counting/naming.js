// Which exercise a recording is named for, how sure that is, and what else it may be.

const EDGE = 1e-3; // probabilities nearer to 0 and 1 are taken for that near

/** class -> what is seen in all its segments before frame `stop`: {frames, sums: [of each class]}. */
export function seenByClass({ probabilities, valid }, segments, { classes }, stop = Infinity) {
  const found = {};
  for (const { exercise, first, last, odds } of segments) {
    const seen = { frames: 0, sums: probabilities.map(() => 0) };
    for (let frame = first; frame <= Math.min(last, stop - 1); frame++) {
      if (!valid[frame]) continue;
      seen.frames++;
      for (const [c, of] of probabilities.entries()) seen.sums[c] += of[frame];
    }
    if (odds !== 1 && seen.frames) seen.sums = weighedSums(seen, classes.indexOf(exercise), odds);
    found[exercise] = added(found[exercise], seen);
  }
  return found;
}

/** The sums where one class is so many times likelier. */
function weighedSums({ frames, sums }, label, odds) {
  const weighted = sums.map((sum, c) => (c === label ? odds * sum : sum));
  const total = weighted.reduce((all, sum) => all + sum, 0);
  return weighted.map((sum) => (frames * sum) / total);
}

/** Both together, class by class. */
export function addSeen(seen, more) {
  const names = Object.keys({ ...seen, ...more });
  return Object.fromEntries(names.map((name) => [name, added(seen[name], more[name])]));
}

function added(seen, more) {
  if (!seen || !more) return seen ?? more;
  return { frames: seen.frames + more.frames, sums: seen.sums.map((sum, c) => sum + more.sums[c]) };
}

/**
 * The exercise that most frames are said to be of, its calibrated `confidence`, and where that is too low in
 * `undecided` the two most probable ones. `exercise` is null where nobody is seen.
 */
export function nameExercise(seen, { classes, no_exercise, counting }) {
  let named = no_exercise;
  for (const name of classes) {
    if (name !== no_exercise && (seen[name]?.frames ?? 0) > (named === no_exercise ? 0 : seen[named].frames)) {
      named = name;
    }
  }
  if (!seen[named]?.frames) return { exercise: null, confidence: 0, undecided: null };
  const means = new Map(classes.map((name, c) => [name, seen[named].sums[c] / seen[named].frames]));
  const confidence = means.has(named) ? calibrated(means.get(named), counting.doubt) : 0;
  means.delete(named);
  const others = [...means.values()].reduce((sum, mean) => sum + mean, 0);
  const left = (1 - confidence) / Math.max(others, 1e-6);
  const likely = [...means].map(([exercise, mean]) => ({ exercise, probability: mean * left }));
  if (classes.includes(named)) likely.unshift({ exercise: named, probability: confidence });
  const two = likely.sort((a, b) => b.probability - a.probability).slice(0, 2);
  return { exercise: named, confidence, undecided: confidence < counting.sure ? two : null };
}

function calibrated(probability, { class_slope, class_offset }) {
  const within = Math.min(Math.max(probability, EDGE), 1 - EDGE);
  return 1 / (1 + Math.exp(-class_slope * Math.log(within / (1 - within)) - class_offset));
}
