// A timeline (what the network says of every frame) -> segments of exercises, repetition starts, counts.
//
// A timeline is {probabilities: [of each class, F], signal: F, valid: F, angles: [F of 25],
// upright: F or undefined (`uprightness`)}; `card` is model.json.

import { alignStarts, keyAngle } from "./key_angle.js";
import { repeated, sureStarts } from "./principal_motion.js";
import { argmax, findPeaks, gaussian, quantile } from "./signal.js";
import { oddsByMotion, weighed } from "./taught_motion.js";

export const UNKNOWN = "repeating, exercise unknown"; // what repeats in no-exercise is called

/** A Gaussian of which nothing is known beyond the ends. */
const smooth = (values, sigma, { smoothing_ends }) =>
  gaussian(values, sigma, { truncate: smoothing_ends, mode: "constant" });

/** Peaks of the smoothed signal, however low: [{frame, height}]. */
export function findCandidates({ signal, valid }, counting) {
  if (!signal.every(Number.isFinite)) throw new Error("the start signal holds NaN or infinity: a damaged model");
  const heights = smooth(signal, counting.smoothing_frames, counting).map((value, i) => (valid[i] ? value : 0));
  const peaks = findPeaks([0, ...heights, 0], {
    height: counting.lowest_height,
    distance: Math.max(1, counting.min_distance_frames),
  });
  return peaks.map((peak) => ({ frame: peak - 1, height: Math.fround(heights[peak - 1]) }));
}

/** The height from which a recording's candidates count: those of a faint signal count too. */
export function workingHeight(heights, counting) {
  const reached = heights.filter((height) => height >= counting.peak_height);
  const tall = reached.length ? quantile(reached, 0.75) : 0;
  return Math.max(counting.peak_height, counting.relative_height * tall);
}

/** Stretches of one class, no-exercise among them: [{exercise, first, last, confidence, odds}], both ends inside. */
export function findSegments(timeline, card) {
  if (!timeline.valid.length) return [];
  const { classes, counting, no_exercise } = card;
  const scores = classScores(timeline, counting);
  const least = classes.map((name) =>
    counting.taught.includes(name) ? counting.taught_threshold : counting.class_threshold,
  );
  const rest = classes.indexOf(no_exercise);
  const labels = Int16Array.from(timeline.valid, (_, frame) => {
    const likely = scores.map((of, c) => (c !== rest && of[frame] >= least[c] ? of[frame] : -1));
    const best = argmax(likely);
    return likely[best] >= 0 ? best : rest;
  });
  for (const { label, first, last } of joinShort(labels, counting.min_segment_frames)) {
    labels.fill(moved(timeline, card, { label, first, last }), first, last + 1);
  }
  return runsOf(labels).map(({ label, first, last }) => {
    const isHeard = counting.motions.some(({ class_name }) => class_name === classes[label]);
    const odds = isHeard ? oddsIn(timeline, counting, first, last)[classes[label]] : 1;
    const confidence = label < 0 ? 0 : weighed(meanSeen(timeline.probabilities[label], timeline.valid, first, last), odds);
    return { exercise: classes[label] ?? no_exercise, first, last, confidence, odds };
  });
}

/** The class of a stretch of no exercise, or of one that clips have taught, seeing how somebody moves. */
function moved(timeline, { classes, counting, no_exercise }, { label, first, last }) {
  const rest = classes.indexOf(no_exercise);
  if (label !== rest && !counting.taught.includes(classes[label])) return label;
  const odds = oddsIn(timeline, counting, first, last);
  const chances = classes.map((name, c) =>
    name in odds ? weighed(meanSeen(timeline.probabilities[c], timeline.valid, first, last), odds[name]) : -1,
  );
  if (label !== rest && ((odds[classes[label]] ?? 1) >= 1 || chances[label] >= counting.taught_threshold)) return label;
  const likelier = chances.map((chance, c) => (odds[classes[c]] > 1 && chance >= counting.taught_threshold ? chance : -1));
  const best = argmax(likelier);
  return likelier[best] >= 0 ? best : rest;
}

/** Exercise -> `oddsByMotion` in some frames, of those that have motions. */
function oddsIn(timeline, { motions }, first, last) {
  if (!motions.length) return {};
  const upright = timeline.upright ? meanSeen(timeline.upright, timeline.valid, first, last) : null;
  return oddsByMotion(motions, repeatedIn(timeline, first, last), upright);
}

const known = new WeakMap(); // timeline -> what is repeated in which of its frames

/** What is `repeated` in some frames; found once. */
function repeatedIn(timeline, first, last) {
  if (!known.has(timeline)) known.set(timeline, {});
  return (known.get(timeline)[`${first}-${last}`] ??= repeated(part(timeline, first, last)));
}

/** Smoothed class probabilities, over frames with somebody in them alone. */
function classScores({ probabilities, valid }, counting) {
  const weight = smooth(valid, counting.class_smoothing_frames, counting);
  return probabilities.map((of) => {
    const sums = smooth(of, counting.class_smoothing_frames, counting);
    return sums.map((sum, i) => sum / Math.max(weight[i], 1e-6));
  });
}

/** Runs of one class: [{label, first, last}]. */
function runsOf(labels) {
  const runs = [];
  for (const [frame, label] of labels.entries()) {
    if (frame && label === labels[frame - 1]) runs.at(-1).last = frame;
    else runs.push({ label, first: frame, last: frame });
  }
  return runs;
}

/** `runsOf`, of which short ones join the longer neighbour, the shortest first. */
function joinShort(labels, minFrames) {
  const runs = runsOf(labels);
  const length = (run) => (run ? run.last - run.first + 1 : -1);
  while (runs.length > 1) {
    const lengths = runs.map(length);
    const shortest = lengths.indexOf(Math.min(...lengths));
    if (lengths[shortest] >= minFrames) break;
    const [before, after] = [runs[shortest - 1], runs[shortest + 1]];
    const other = length(before) >= length(after) ? before : after;
    runs[shortest].label = other.label;
    for (let i = runs.length - 1; i > 0; i--) {
      if (runs[i].label === runs[i - 1].label) runs[i - 1].last = runs.splice(i, 1)[0].last;
    }
  }
  return runs;
}

function meanSeen(values, valid, first, last) {
  let [sum, n] = [0, 0];
  for (let frame = first; frame <= last; frame++) if (valid[frame]) [sum, n] = [sum + values[frame], n + 1];
  return n ? sum / n : 0;
}

/** The tall candidates that lie in a segment of an exercise: [{frame, confidence, exercise}]. */
export function countRepetitions(timeline, card, segments) {
  const { counting, no_exercise } = card;
  const candidates = findCandidates(timeline, counting);
  const working = workingHeight(candidates.map(({ height }) => height), counting);
  const tall = candidates.filter(({ height }) => height >= working);
  const starts = tall.map(({ frame }) => frame);
  const own = starts.map((frame) => segmentAt(frame, segments));
  const aligned = new Map([[no_exercise, starts]]);
  for (const { exercise } of own) {
    if (!aligned.has(exercise)) aligned.set(exercise, alignStarts(starts, keyAngle(timeline, exercise)));
  }
  const repetitions = [];
  for (const [i, segment] of own.entries()) {
    // What moves a start must not move it out of its segment, nor before the one that precedes it.
    const least = Math.max(segment.first, repetitions.length ? repetitions.at(-1).frame + 1 : 0);
    const frame = Math.min(Math.max(aligned.get(segment.exercise)[i], least), Math.max(least, segment.last));
    if (segment.exercise !== no_exercise && !counting.taught.includes(segment.exercise)) {
      repetitions.push({ frame, confidence: tall[i].height, exercise: segment.exercise });
    }
  }
  return [...repetitions, ...countTaught(timeline, counting, segments)].sort((a, b) => a.frame - b.frame);
}

/** What repeats in segments of exercises learned from a few clips, as sure as the segment is of them. */
export function countTaught(timeline, { taught }, segments) {
  return segments
    .filter(({ exercise }) => taught.includes(exercise))
    .flatMap(({ exercise, first, last, confidence }) =>
      repeatedIn(timeline, first, last).starts.map((start) => ({ frame: first + start, confidence, exercise })),
    );
}

/** What repeats in segments of no-exercise; its confidence is how alike the repetitions are. */
export function countUnknown(timeline, { no_exercise }, segments) {
  return segments
    .filter(({ exercise }) => exercise === no_exercise)
    .flatMap(({ first, last }) => {
      const found = repeatedIn(timeline, first, last);
      return sureStarts(found).map((start) => ({ frame: first + start, confidence: found.alike, exercise: UNKNOWN }));
    });
}

/** Exercise -> [least, greatest] count, by whether its doubtful starts are left out or let in. */
export function countRanges(timeline, card, segments) {
  const { counting, no_exercise } = card;
  const candidates = findCandidates(timeline, counting);
  const working = workingHeight(candidates.map(({ height }) => height), counting);
  const factor = counting.doubt.height_factor;
  const taught = countTaught(timeline, counting, segments);
  const ranges = {};
  for (const name of new Set(segments.map(({ exercise }) => exercise))) {
    if (name === no_exercise) continue;
    const own = candidates.filter(({ frame }) => segmentAt(frame, segments).exercise === name);
    const reach = (least) => own.filter(({ height }) => height >= least).length;
    const sure = taught.filter(({ exercise }) => exercise === name).length;
    ranges[name] = counting.taught.includes(name)
      ? [sure, sure]
      : [reach(working * factor), reach(working / factor)];
  }
  return ranges;
}

/** The segment that a frame lies in; they cover all of the recording. */
export const segmentAt = (frame, segments) => segments.find(({ last }) => frame <= last);

const part = ({ angles, valid }, first, last) => ({
  angles: angles.slice(first, last + 1),
  valid: valid.slice(first, last + 1),
});
