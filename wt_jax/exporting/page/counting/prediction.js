// What is said of one video, in seconds of it, and the document of docs/predict.md.

import { countRanges, countRepetitions, countUnknown, findSegments } from "./decoding.js";
import { nameExercise, seenByClass } from "./naming.js";
import { motionStarts } from "./principal_motion.js";

/** Everything found in a timeline whose first frame is at `first_s`: the keys of the document, in its units. */
export function readTimeline(timeline, card, first_s) {
  const segments = findSegments(timeline, card);
  const repetitions = countRepetitions(timeline, card, segments);
  const unknown = countUnknown(timeline, card, segments);
  const seconds = (frame) => first_s + frame / card.frame_rate_hz;
  const within = ({ first, last }, of) => of.filter(({ frame }) => first <= frame && frame <= last).length;
  const timed = ({ exercise, frame, confidence }) => ({ exercise, start_s: seconds(frame), confidence });
  const counts = {};
  for (const name of card.classes) {
    if (name !== card.no_exercise && segments.some(({ exercise }) => exercise === name)) {
      counts[name] = repetitions.filter(({ exercise }) => exercise === name).length;
    }
  }
  const ranges = countRanges(timeline, card, segments);
  const starts_s = motionStarts(timeline).map(seconds);
  return {
    ...nameExercise(seenByClass(timeline, segments, card), card),
    counts,
    ranges: Object.fromEntries(Object.keys(counts).map((name) => [name, ranges[name]])),
    segments: segments.map((segment) => ({
      exercise: segment.exercise,
      start_s: seconds(segment.first),
      end_s: seconds(segment.last + 1),
      confidence: segment.confidence,
      repetitions: within(segment, repetitions),
      unknown_repetitions: within(segment, unknown),
    })),
    repetitions: repetitions.map(timed),
    unknown_repetitions: unknown.map(timed),
    any: { count: starts_s.length, starts_s },
  };
}

/** A count as it is shown: "12", or "12 (11-12)" where it is doubtful. */
export function countText(prediction, exercise) {
  const [low, high] = prediction.ranges[exercise] ?? [0, 0];
  const count = prediction.counts[exercise] ?? 0;
  return low === high ? `${count}` : `${count} (${low}–${high})`;
}

/** The exercise, or the two that it may be, in words. */
export function exerciseText({ exercise, undecided }) {
  if (!undecided) return exercise ?? "nobody seen";
  const likely = undecided.map(({ exercise, probability }) => `${exercise} ${probability.toFixed(2)}`);
  return `undecided: ${likely.join(" or ")}?`;
}

/** The JSON that predict writes (version 2): numbers to a thousandth. */
export function documentOf(prediction, source, card) {
  const { name, step, data, data_fingerprint, classes, is_calibrated, digest } = card;
  const { rule, ...counting } = card.counting; // in words
  const model = { checkpoint: name, step, data, data_fingerprint, classes, is_calibrated, counting, digest };
  return { version: 2, source, model, remark: null, ...rounded(prediction) };
}

function rounded(value) {
  if (typeof value === "number") return Math.round(value * 1000) / 1000;
  if (Array.isArray(value)) return value.map(rounded);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)]));
}

/** One row a repetition: number of its exercise, exercise, start, confidence. */
export function csvOf({ repetitions }) {
  const counted = {};
  const rows = repetitions.map(({ exercise, start_s, confidence }) => {
    counted[exercise] = (counted[exercise] ?? 0) + 1;
    return [exercise, counted[exercise], start_s.toFixed(3), confidence.toFixed(3)].join(",");
  });
  return ["exercise,repetition,start_s,confidence", ...rows, ""].join("\n");
}
