"""Landmarks one frame at a time -> what is done now and how often so far, and in the end the same as predict.

Letters: L landmarks (33), J angles (25), N frames that have settled together, C classes.
"""

import dataclasses
from collections import Counter

import jax
import numpy as np

from wt_jax.counting.decoding import count_taught, count_unknown, find_candidates, working_height
from wt_jax.counting.naming import Seen, Undecided, add_seen, name_exercise, seen_by_class
from wt_jax.counting.prediction import Prediction, read_timeline
from wt_jax.counting.segments import find_segments, segments_of
from wt_jax.counting.taught_motion import uprightness
from wt_jax.counting.timeline import SMOOTHING_ENDS, Timeline
from wt_jax.inference.predictor import Predictor
from wt_jax.inference.sliding_window import Frames, Merge, cut, stride_frames, window_firsts
from wt_jax.pose.joint_angles import MAX_GAP_S, SequenceStream
from wt_jax.skeleton import FRAME_RATE_HZ, N_ANGLES, N_LANDMARKS, NO_EXERCISE

# Of a long stream only the end is counted again with each window: candidates from before `_KEPT_FRAMES` keep
# their place and exercise; the `_CONTEXT_FRAMES` before those hold all that smoothing looks at.
_KEPT_FRAMES, _CONTEXT_FRAMES, _MOST_FRAMES = 600, 300, 1200


@dataclasses.dataclass(frozen=True)
class State:
    """What is done now, and the repetitions of each exercise that have been seen to start.

    `unknown`: how often something that is none of them has repeated in the present segment of no-exercise.
    `undecided`: as of `Prediction`, of all that was seen so far.
    """

    exercise: str
    counts: dict[str, int]
    unknown: int = 0
    undecided: Undecided | None = None


class _Rows:
    """Rows added at the end of one array, which doubles, so that a stream is not copied with each frame."""

    def __init__(self, empty: np.ndarray):
        self._array = empty
        self._n = 0

    def add(self, rows: np.ndarray) -> None:
        if (n := self._n + len(rows)) > len(self._array):
            more = max(n - len(self._array), len(self._array))
            self._array = np.concatenate([self._array, np.zeros((more, *rows.shape[1:]), rows.dtype)])
        self._array[self._n : n] = rows
        self._n = n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, at: slice) -> np.ndarray:
        return self._array[: self._n][at]


class Stream:
    """One video or camera as it comes: `push` each frame's landmarks, `flush` at the end.

    Windows are those of `sliding_window.make_timelines`, each computed once, when its last frame has settled,
    so that `flush` gives what `Predictor.predict` does of the same landmarks and times. Until then `state` is
    what it would say of the frames up to the last window, less the windows that reach over their end
    (`data.overhang`). The cost of a frame does not grow with time.
    """

    def __init__(self, predictor: Predictor, width_px: float, height_px: float):
        self.state = State(NO_EXERCISE, {})
        data = predictor.options.data
        self._predictor = predictor
        self._sequences = SequenceStream(width_px, height_px)
        self._first_s = 0.0
        self._angles = _Rows(np.zeros((0, N_ANGLES), np.float32))
        self._valid = _Rows(np.zeros(0, bool))
        self._upright = _Rows(np.zeros(0))
        self._points: np.ndarray = np.zeros((0, N_LANDMARKS, 3), np.float16)
        self._points_first = 0  # the frame of its first row: older ones are in no window to come
        self._merge = self._new_merge()
        self._span, self._stride = data.span_frames, stride_frames(data.span_frames)
        self._overhang = data.overhang_frames
        self._next = -self._overhang  # first frame of the next window
        self._tally = _Tally(predictor)
        self._n_frames = 0

    @property
    def delay_s(self) -> float:
        """After so long nothing near a frame changes any more what the model says of it.

        Its last window, the smoothing, and a gap. Only what looks at the whole recording still can: the
        height from which starts count, and short segments that join longer ones.
        """
        counting = self._predictor.counting
        reach = SMOOTHING_ENDS * max(counting.smoothing_frames, counting.class_smoothing_frames, 0)
        return (self._span + self._stride + reach) / FRAME_RATE_HZ + MAX_GAP_S

    def push(self, landmarks_Lx4: np.ndarray, time_s: float) -> State:
        """The next frame: landmarks in shares of the image, NaN where nobody is seen, and its time.

        Raises ValueError for a time that is not after the last one.
        """
        settled = self._sequences.push(landmarks_Lx4, time_s)
        if self._n_frames == 0:
            self._first_s = time_s
        self._n_frames += 1
        before = len(self._valid)
        self._add(*settled)
        if self._next == -self._overhang and len(self._valid) // self._stride > before // self._stride:
            self._say(self._beginning(), len(self._valid))
        return self.state

    def flush(self) -> Prediction:
        """What there is to say of all frames pushed: the end of the stream."""
        self._add(*self._sequences.flush())
        n_frames = len(self._valid)
        for first in window_firsts(n_frames, self._span, self._overhang) if n_frames else ():
            if first > self._next - self._stride:  # the others are done
                self._merge.add(*self._infer(int(first), n_frames))
        timeline = self._timeline(self._merge, slice(0, n_frames))
        return read_timeline(timeline, self._predictor.counting, self._first_s)

    def _add(self, angles_NxJ: np.ndarray, points_NxLx3: np.ndarray, valid_N: np.ndarray) -> None:
        self._angles.add(angles_NxJ)
        self._valid.add(valid_N)
        self._upright.add(uprightness(points_NxLx3))
        self._points = np.concatenate([self._points, points_NxLx3])
        while self._next + self._span <= len(self._valid):
            self._merge.add(*self._infer(self._next, self._next + self._span))
            self._next += self._stride
            if self._next + self._span > len(self._valid):  # of several at once the last says it all
                self._say(self._merge, self._next - self._stride + self._span)
        past = max(0, self._next - self._stride) - self._points_first
        self._points, self._points_first = self._points[past:], self._points_first + past

    def _infer(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The window at `first`, of the frames before `stop`: what `Merge.add` takes."""
        low = min(max(first, 0), stop - 1)
        at = slice(low - self._points_first, stop - self._points_first)
        frames = Frames(self._angles[low:stop], self._points[at], self._valid[low:stop])
        predictor = self._predictor
        with_points = predictor.exported is not None
        window = cut(predictor.options, frames, np.array([first - low]), with_points)
        outputs = predictor.infer_one(predictor.params, window)
        return np.array([first]), *jax.device_get(outputs)

    def _beginning(self) -> Merge:
        """Before there are frames for a whole window: one that goes on beyond them, as of a short video."""
        merge = self._new_merge()
        merge.add(*self._infer(0, len(self._valid)))
        return merge

    def _new_merge(self) -> Merge:
        data = self._predictor.options.data
        return Merge(len(data.classes), data.window_frames, data.window_step)

    def _say(self, merge: Merge, n_frames: int) -> None:
        """Brings `state` up to the first `n_frames`, all of which `merge` has seen."""
        self.state = self._tally.count(self._timeline(merge, slice(self._tally.first, n_frames)))

    def _timeline(self, merge: Merge, at: slice) -> Timeline:
        pose = Frames(self._angles[at], None, self._valid[at])
        return merge.timeline(self._predictor.classes, pose, at.start, self._upright[at])


class _Tally:
    """Counts a growing timeline of which only the end is looked at again."""

    def __init__(self, predictor: Predictor):
        self.first = 0  # frame of the timeline to give to `count`
        self._counting, self._classes = predictor.counting, predictor.classes
        self._old_until = 0  # candidates before this frame are kept below
        self._old_heights: np.ndarray = np.zeros(0, np.float32)
        self._old_names: list[str] = []
        self._old_taught: Counter[str] = Counter()  # repetitions before `_old_until`, of exercises `taught`
        self._old_seen: dict[str, Seen] = {}  # before `first`

    def count(self, timeline: Timeline) -> State:
        """`timeline` begins at frame `first` of the stream."""
        segments = find_segments(timeline, self._counting)
        starts, heights = find_candidates(timeline.signal_F, timeline.valid_F, self._counting)
        names = np.array([segment.class_name for segment in segments_of(starts, segments)], object)
        is_new = starts + self.first >= self._old_until
        heights_all = np.append(self._old_heights, heights[is_new])
        names_all = [*self._old_names, *names[is_new]]
        tall = heights_all >= working_height(heights_all, self._counting)
        counted = [name for name, is_tall in zip(names_all, tall, strict=True) if is_tall]
        taught = [
            (repetition.frame + self.first, repetition.class_name)
            for repetition in count_taught(timeline, self._counting, segments)
            if repetition.frame + self.first >= self._old_until
        ]
        counted = [name for name in counted if name not in self._counting.taught]
        counted += [*self._old_taught.elements(), *(name for _, name in taught)]
        seen = {segment.class_name for segment in segments} | set(counted)
        counts = {name: counted.count(name) for name in self._classes if name in seen and name != NO_EXERCISE}
        unknown = len(count_unknown(timeline, segments[-1:]))
        seen_now = dict(self._old_seen)
        add_seen(seen_now, seen_by_class(timeline, segments))
        undecided = name_exercise(self._classes, seen_now, self._counting.doubt).undecided
        n_frames = self.first + len(timeline.valid_F)
        if n_frames - self.first > _MOST_FRAMES:
            until = n_frames - _KEPT_FRAMES
            is_old = is_new & (starts + self.first < until)
            self._old_heights = np.append(self._old_heights, heights[is_old])
            self._old_names += list(names[is_old])
            self._old_taught.update(name for frame, name in taught if frame < until)
            past = until - _CONTEXT_FRAMES - self.first
            add_seen(self._old_seen, seen_by_class(timeline, segments, past))
            self._old_until, self.first = until, until - _CONTEXT_FRAMES
        now = segments[-1].class_name if segments else NO_EXERCISE
        return State(now, counts, unknown, undecided)


def warm_up(predictor: Predictor) -> None:
    """Compiles what a stream needs, so that its first window does not keep the camera waiting."""
    stream = Stream(predictor, 1, 1)
    nobody_Lx4 = np.full((N_LANDMARKS, 4), np.nan, np.float32)
    for i in range(2):
        stream.push(nobody_Lx4, i * (1 + predictor.options.data.span_frames / FRAME_RATE_HZ))
