// The page's counting beside Python's: RECORDED is what tests/exporting/recorded_timelines.py wrote, PAGE the page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { alike, near } from "./comparison.mjs";

const page = (name) => import(`${process.env.PAGE}/counting/${name}`);
const { Merge, windowFirsts, spacing } = await page("windows.js");
const { readTimeline } = await page("prediction.js");
const { card, recordings, invented } = JSON.parse(readFileSync(process.env.RECORDED, "utf8"));

/** Poses as `Merge.timeline` takes them. */
const posesOf = ({ angles, upright, valid }) =>
  angles.map((of, i) => ({ angles: Float32Array.from(of), upright: upright[i], valid: valid[i] }));

function timelineOf(recording) {
  const merge = new Merge(card);
  for (const { first, probabilities, starts } of recording.windows) merge.add(first, probabilities, starts);
  return merge.timeline(posesOf(recording));
}

for (const { name, counting, prediction, angles, valid, ...timeline } of invented) {
  test(name, () => {
    const poses = { valid: Uint8Array.from(valid), angles: angles.map((of) => Float32Array.from(of)) };
    const own = { ...card, counting: { ...card.counting, ...counting } };
    alike(readTimeline({ ...timeline, ...poses }, own, 2.5), prediction, "prediction");
  });
}

test("there are recordings, and repetitions in them", () => {
  const counted = recordings.filter(({ prediction }) => prediction.repetitions.length > 1);
  assert.ok(recordings.length >= 10 && counted.length >= recordings.length / 3);
});

for (const recording of recordings) {
  test(recording.name, () => {
    const firsts = recording.windows.map(({ first }) => first);
    assert.deepEqual(windowFirsts(recording.valid.length, spacing(card)), firsts);
    const timeline = timelineOf(recording);
    near(timeline.signal, recording.signal, 1e-6, "signal");
    near(timeline.upright, recording.upright, 1e-6, "uprightness");
    for (const [c, of] of recording.probabilities.entries()) near(timeline.probabilities[c], of, 1e-6, `class ${c}`);
    const prediction = readTimeline(timeline, card, 0);
    assert.deepEqual(prediction.counts, recording.prediction.counts);
    alike(prediction, recording.prediction, "prediction");
  });
}
