// A camera or a video as it comes: what is done now and how often so far; in the end, what predict says of it all.

import { countTaught, countUnknown, findCandidates, findSegments, segmentAt, workingHeight } from "./decoding.js";
import { addSeen, nameExercise, seenByClass } from "./naming.js";
import { PoseSequence } from "./pose_sequence.js";
import { readTimeline } from "./prediction.js";
import { cutWindow, Merge, spacing, windowFirsts } from "./windows.js";

// Of a long stream only the end is counted again with each window: candidates from before KEPT_FRAMES keep their
// place and exercise; the CONTEXT_FRAMES before those hold all that smoothing looks at.
const [KEPT_FRAMES, CONTEXT_FRAMES, MOST_FRAMES] = [600, 300, 1200];

/**
 * `push` each frame's landmarks, one after the other (`PoseSequence.push`); `flush` once, at the end.
 *
 * `infer({points, mask})` is the network: of one window, {probabilities, starts}, perhaps as a promise.
 * `state` is {exercise, counts, unknown, undecided, first, timeline, segments, starts}: the newest part of the
 * timeline, from frame `first` on, and what was found there.
 */
export class Stream {
  #card;
  #infer;
  #sequence;
  #merge;
  #tally;
  #poses = [];
  #released = 0; // frames whose points are let go
  #next; // first frame of the next window

  constructor(card, infer) {
    this.#card = card;
    this.#infer = infer;
    this.#sequence = new PoseSequence(card.resampling);
    this.#merge = new Merge(card);
    this.#tally = new Tally(card);
    this.#next = -card.overhang_frames;
    this.state = null;
  }

  async push(landmarks, time_s, size) {
    const before = this.#poses.length;
    await this.#add(this.#sequence.push(landmarks, time_s, size));
    const { stride, overhang } = spacing(this.#card);
    const isNew = Math.floor(this.#poses.length / stride) > Math.floor(before / stride);
    if (this.#next === -overhang && isNew) await this.#begin();
    return this.state;
  }

  /** {timeline, first_s, prediction} of all frames pushed; `first_s` is the time of the first one. */
  async flush() {
    await this.#add(this.#sequence.flush());
    const { stride } = spacing(this.#card);
    const frames = this.#poses.length;
    for (const first of frames ? windowFirsts(frames, spacing(this.#card)) : []) {
      if (first > this.#next - stride) await this.#addWindow(this.#merge, first, frames); // the others are done
    }
    const timeline = this.#merge.timeline(this.#poses);
    const first_s = this.#sequence.first_s;
    return { timeline, first_s, prediction: readTimeline(timeline, this.#card, first_s) };
  }

  async #add(poses) {
    this.#poses.push(...poses);
    const { span, stride } = spacing(this.#card);
    let seen = 0;
    for (; this.#next + span <= this.#poses.length; this.#next += stride) {
      seen = this.#next + span;
      await this.#addWindow(this.#merge, this.#next, seen);
    }
    if (seen) this.#say(this.#merge, seen);
    const past = Math.max(0, this.#next - stride);
    for (; this.#released < past; this.#released++) this.#poses[this.#released].points = null; // in no window to come
  }

  /** Before there are frames for a whole window: one that goes on beyond them, as of a short video. */
  async #begin() {
    const merge = new Merge(this.#card);
    await this.#addWindow(merge, 0, this.#poses.length);
    this.#say(merge, this.#poses.length);
  }

  async #addWindow(merge, first, stop) {
    const low = Math.min(Math.max(first, 0), stop - 1);
    const { probabilities, starts } = await this.#infer(
      cutWindow(this.#poses.slice(low, stop), first - low, this.#card),
    );
    merge.add(first, probabilities, starts);
  }

  #say(merge, frames) {
    const first = this.#tally.first;
    this.state = this.#tally.count(merge.timeline(this.#poses.slice(first, frames), first));
  }
}

/** Counts a growing timeline of which only the end is looked at again. */
class Tally {
  first = 0; // frame of the timeline to give to `count`
  #card;
  #oldUntil = 0; // candidates before this frame are kept below
  #old = []; // {exercise, height}
  #oldTaught = []; // names, of repetitions before #oldUntil
  #oldSeen = {}; // before `first`

  constructor(card) {
    this.#card = card;
  }

  /** `timeline` begins at frame `first` of the stream. */
  count(timeline) {
    const { classes, counting, no_exercise } = this.#card;
    const first = this.first;
    const segments = findSegments(timeline, this.#card);
    const isNew = ({ frame }) => frame + first >= this.#oldUntil;
    const named = findCandidates(timeline, counting).map((candidate) => ({
      ...candidate,
      exercise: segmentAt(candidate.frame, segments).exercise,
    }));
    const all = [...this.#old, ...named.filter(isNew)];
    const working = workingHeight(all.map(({ height }) => height), counting);
    const isCounted = ({ exercise, height }) => height >= working && !counting.taught.includes(exercise);
    const taught = countTaught(timeline, counting, segments).filter(isNew);
    const counted = [
      ...all.filter(isCounted).map(({ exercise }) => exercise),
      ...this.#oldTaught,
      ...taught.map(({ exercise }) => exercise),
    ];
    const seen = new Set([...segments.map(({ exercise }) => exercise), ...counted]);
    const counts = {};
    for (const name of classes) {
      if (name !== no_exercise && seen.has(name)) counts[name] = counted.filter((each) => each === name).length;
    }
    const state = {
      exercise: segments.at(-1)?.exercise ?? no_exercise,
      counts,
      unknown: countUnknown(timeline, this.#card, segments.slice(-1)).length,
      undecided: nameExercise(addSeen(this.#oldSeen, seenByClass(timeline, segments, this.#card)), this.#card).undecided,
      first,
      timeline,
      segments,
      starts: named
        .filter((candidate) => isCounted(candidate) && candidate.exercise !== no_exercise)
        .concat(taught)
        .map(({ frame }) => frame),
    };
    const frames = first + timeline.valid.length;
    if (frames - first > MOST_FRAMES) this.#forget(frames - KEPT_FRAMES, { timeline, segments, named, taught });
    return state;
  }

  #forget(until, { timeline, segments, named, taught }) {
    const isOld = ({ frame }) => frame + this.first < until;
    this.#old.push(...named.filter((one) => one.frame + this.first >= this.#oldUntil && isOld(one)));
    this.#oldTaught.push(...taught.filter(isOld).map(({ exercise }) => exercise));
    const past = until - CONTEXT_FRAMES - this.first;
    this.#oldSeen = addSeen(this.#oldSeen, seenByClass(timeline, segments, this.#card, past));
    this.#oldUntil = until;
    this.first = until - CONTEXT_FRAMES;
  }
}
