// Landmarks as they come, beside what Python made of the same ones: RECORDED as in recorded.test.mjs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { alike, near } from "./comparison.mjs";

const page = (name) => import(`${process.env.PAGE}/counting/${name}`);
const { PoseSequence } = await page("pose_sequence.js");
const { Stream } = await page("stream.js");
const { card, sequences, streams } = JSON.parse(readFileSync(process.env.RECORDED, "utf8"));

const sizeOf = ({ width_px, height_px }) => ({ width: width_px, height: height_px });
const people = ({ landmarks }) => landmarks.map((rows) => rows && rows.map(([x, y, z]) => ({ x, y, z })));

for (const [name, expected] of Object.entries(sequences)) {
  test(`frames of ${name} become 30 a second`, () => {
    const sequence = new PoseSequence(card.resampling);
    const poses = people(expected).flatMap((person, i) => sequence.push(person, expected.times_s[i], sizeOf(expected)));
    poses.push(...sequence.flush());
    assert.deepEqual(poses.map(({ valid }) => valid), expected.valid);
    for (const [i, pose] of poses.entries()) {
      near(pose.angles, expected.angles[i], 1e-6, `angles of frame ${i}`);
      near(pose.points, expected.points[i], 0.51, `points of frame ${i}`); // Python keeps them in float16
      near([pose.upright], [expected.upright[i]], 0.02, `uprightness of frame ${i}`);
    }
  });
}

for (const [name, expected] of Object.entries(streams)) {
  test(`${name} as it comes`, async () => {
    const windows = expected.windows.values();
    const infer = async ({ mask }) => {
      const window = windows.next().value;
      assert.deepEqual([...mask].map(Boolean), window.mask);
      return window;
    };
    const stream = new Stream(card, infer);
    for (const [i, person] of people(expected).entries()) {
      const state = await stream.push(person, expected.times_s[i], sizeOf(expected));
      const said = state ? [state.exercise, state.counts, state.unknown, !state.undecided] : ["no-exercise", {}, 0, true];
      assert.deepEqual(said, expected.states[i], `after frame ${i}`);
    }
    const { prediction } = await stream.flush();
    assert.ok(windows.next().done);
    alike(prediction, expected.prediction, "prediction");
  });
}

test("time does not stand still", () => {
  const sequence = new PoseSequence(card.resampling);
  sequence.push(null, 1);
  assert.throws(() => sequence.push(null, 1), /increasing/);
});
