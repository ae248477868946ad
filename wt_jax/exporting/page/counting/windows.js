// Windows of a recording, and what the network says of them merged to one timeline, frame by frame.

/** First frames of a timeline's windows: every stride from before its start, and one that ends beyond its end. */
export function windowFirsts(frames, { span, stride, overhang }) {
  const last = Math.max(frames - span, 0) + overhang;
  const firsts = [];
  for (let first = -overhang; first < last; first += stride) firsts.push(first);
  return [...firsts, last];
}

/** `span`, `stride` and `overhang` in frames at 30 a second, of a model card. */
export const spacing = (card) => ({
  span: card.window_frames * card.window_step,
  stride: card.stride_frames,
  overhang: card.overhang_frames,
});

/**
 * What goes into the network for the window at `first`: `points` (T x 33 x 3) and `mask` (T), of poses.
 * Frames before the first pose and after the last one are not real.
 */
export function cutWindow(poses, first, { window_frames, window_step }) {
  const size = poses[0].points.length;
  const points = new Float32Array(window_frames * size);
  const mask = new Uint8Array(window_frames);
  for (let i = 0; i < window_frames; i++) {
    const frame = first + i * window_step;
    const pose = poses[Math.min(Math.max(frame, 0), poses.length - 1)];
    points.set(pose.points, i * size);
    mask[i] = frame >= 0 && frame < poses.length && pose.valid;
  }
  return { points, mask };
}

/** The weighted mean of overlapping windows: in the middle of a window a frame is seen best. */
export class Merge {
  #step;
  #weights;
  #signal = new Float64Array(0);
  #weight = new Float64Array(0);
  #classes;

  constructor({ classes, window_frames, window_step, merge }) {
    const span = window_frames * window_step;
    this.#step = window_step;
    this.#weights = Float64Array.from({ length: span }, (_, i) => {
      const middle = 1 - Math.abs(((i + 0.5) / span) * 2 - 1);
      return merge.edge_weight + (1 - merge.edge_weight) * middle;
    });
    this.#classes = classes.map(() => new Float64Array(0));
  }

  /** The outputs of the window at `first`: class probabilities, and the start signal of each of its frames. */
  add(first, probabilities, starts) {
    this.#makeRoom(first + this.#weights.length);
    for (const [i, weight] of this.#weights.entries()) {
      const frame = first + i;
      if (frame < 0) continue;
      const below = Math.floor(i / this.#step);
      const next = starts[Math.min(below + 1, starts.length - 1)];
      const slope = (next - starts[below]) / this.#step;
      this.#signal[frame] += weight * (slope * (i % this.#step) + starts[below]);
      this.#weight[frame] += weight;
      for (const [c, sums] of this.#classes.entries()) sums[frame] += weight * probabilities[c];
    }
  }

  /** The timeline of `poses`, the first of which is frame `first`; some window must have seen each. */
  timeline(poses, first = 0) {
    const valid = Uint8Array.from(poses, (pose) => pose.valid);
    const mean = (sums) =>
      Float32Array.from(valid, (is, i) => (is ? sums[first + i] / this.#weight[first + i] : 0));
    return {
      probabilities: this.#classes.map(mean),
      signal: mean(this.#signal),
      valid,
      angles: poses.map((pose) => pose.angles),
      upright: poses.map((pose) => pose.upright),
    };
  }

  #makeRoom(frames) {
    if (frames <= this.#weight.length) return;
    const grown = (sums) => {
      const longer = new Float64Array(2 * frames);
      longer.set(sums);
      return longer;
    };
    this.#signal = grown(this.#signal);
    this.#weight = grown(this.#weight);
    this.#classes = this.#classes.map(grown);
  }
}
