"""A client of an exported model, written by the words of its model.json: loops, and no line of wt_jax."""

import math

import numpy as np


class CardClient:
    """Asks `run` of windows of the timeline, and counts."""

    def __init__(self, card, run):
        self.card, self.run = card, run

    def counts(self, points, valid):
        """Exercise -> repetitions, of those with any."""
        card, rules = self.card, self.card["counting"]
        probabilities, signal = self.timeline(points, valid)
        sigma = rules["class_smoothing_frames"]
        seen = self._smooth([float(v) for v in valid], sigma)
        scores = [self._smooth(probabilities[:, c], sigma) for c in range(len(card["classes"]))]
        labels = []
        for k in range(len(valid)):
            best, name = -1.0, card["no_exercise"]
            for c, label in enumerate(card["classes"]):
                score = scores[c][k] / max(seen[k], 1e-6)
                if label != card["no_exercise"] and score >= rules["class_threshold"] and score > best:
                    best, name = score, label
            labels.append(name)
        labels = self._joined(labels)
        counts = {}
        for start in self._starts(signal, valid):
            if labels[start] != card["no_exercise"]:
                counts[labels[start]] = counts.get(labels[start], 0) + 1
        return counts

    def timeline(self, points, valid):
        """Class probabilities (F, C) and start signal (F,) of every frame, 0 where nobody is seen."""
        card, n = self.card, len(valid)
        frames, step = card["window_frames"], card["window_step"]
        span, over, edge = frames * step, card["overhang_frames"], card["merge"]["edge_weight"]
        last = max(n - span, 0) + over
        firsts = [*range(-over, last + 1, card["stride_frames"])]
        firsts += [last] if firsts[-1] != last else []
        weights = np.zeros(n)
        probabilities, signal = np.zeros((n, len(card["classes"]))), np.zeros(n)
        for first in firsts:
            places = [first + step * t for t in range(frames)]
            mask = np.array([[0 <= k < n and bool(valid[k]) for k in places]])
            asked = np.array([[points[k] if 0 <= k < n else np.full((33, 3), np.nan) for k in places]])
            (classes,), (starts,) = self.run(asked.astype(np.float32), mask)
            for i in range(span):
                if 0 <= first + i < n:
                    weight = edge + (1 - edge) * (1 - abs((i + 0.5) / span * 2 - 1))
                    t, share = i // step, i % step / step
                    after = starts[min(t + 1, frames - 1)]
                    weights[first + i] += weight
                    signal[first + i] += weight * (starts[t] + share * (after - starts[t]))
                    probabilities[first + i] += weight * classes
        weights[~np.asarray(valid)] = np.inf
        return probabilities / weights[:, None], signal / weights

    def _smooth(self, values, sigma):
        reach = int(self.card["counting"]["smoothing_ends"] * sigma + 0.5)
        kernel = [math.exp(-0.5 * (i / sigma) ** 2) for i in range(-reach, reach + 1)]
        padded = [0.0] * reach + list(values) + [0.0] * reach
        return [
            sum(w * padded[k + j] for j, w in enumerate(kernel)) / sum(kernel) for k in range(len(values))
        ]

    def _joined(self, labels):
        while True:
            runs = []
            for k, label in enumerate(labels):
                if not runs or labels[k - 1] != label:
                    runs.append([k, k])
                runs[-1][1] = k + 1
            lengths = [end - first for first, end in runs]
            i = lengths.index(min(lengths))
            if len(runs) == 1 or lengths[i] >= self.card["counting"]["min_segment_frames"]:
                return labels
            before = lengths[i - 1] if i else -1
            after = lengths[i + 1] if i + 1 < len(runs) else -1
            other = runs[i - 1] if before >= after else runs[i + 1]
            labels[runs[i][0] : runs[i][1]] = [labels[other[0]]] * lengths[i]

    def _starts(self, signal, valid):
        rules = self.card["counting"]
        smooth = np.where(valid, self._smooth(signal, rules["smoothing_frames"]), 0.0).tolist()
        beside = [0.0, *smooth, 0.0]
        peaks = [k for k in range(len(smooth)) if beside[k] < smooth[k] > beside[k + 2]]
        peaks = [k for k in peaks if smooth[k] >= rules["lowest_height"]]
        kept = []
        for k in sorted(peaks, key=lambda k: -smooth[k]):
            if all(abs(k - other) >= rules["min_distance_frames"] for other in kept):
                kept.append(k)
        tall = [smooth[k] for k in kept if smooth[k] >= rules["peak_height"]]
        share = rules["relative_height"] * np.percentile(tall, 75) if tall else 0.0
        return sorted(k for k in kept if smooth[k] >= max(rules["peak_height"], share))
