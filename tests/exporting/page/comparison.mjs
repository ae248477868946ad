// What is said here beside what was said there.

import assert from "node:assert/strict";

export function near(actual, expected, tolerance, what) {
  assert.equal(actual.length, expected.length, `${what}: length`);
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(actual[i] - value) <= tolerance, `${what}[${i}]: ${actual[i]}, expected ${value}`);
  }
}

/** Numbers to a thousandth, as the document has them; the last digit may be rounded otherwise. */
export function alike(actual, expected, what) {
  if (typeof expected === "number") {
    assert.ok(Math.abs(actual - expected) <= 0.0011, `${what}: ${actual}, expected ${expected}`);
  } else if (expected === null || typeof expected !== "object") {
    assert.equal(actual, expected, what);
  } else {
    assert.deepEqual(Object.keys(actual), Object.keys(expected), `${what}: keys`);
    for (const key of Object.keys(expected)) alike(actual[key], expected[key], `${what}.${key}`);
  }
}
