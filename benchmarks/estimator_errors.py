"""What a pose estimator gets wrong: the statistics behind the errors of the synthetic camera.

    python benchmarks/estimator_errors.py --data ../shared/corpus --sources calimiro ucf101 riyer8

Of landmarks as published, with no truth beside them: jitter is what a cubic fitted over 11 frames leaves
(faster than some 5 Hz at 30 frames/s) of the calmer half of each recording, corrected for what the cubic follows.
Slow errors show in hands and feet that stay put in an exercise, and in bones that change their length.
Lengths are in torsos: shoulders to hips, median of a recording, with z divided by 2.5 (see the table of depths);
x, y and z themselves are as given, in units of x.
Letters: F frames, L landmarks (33), S sides (2).
"""

import argparse
import csv
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.signal import savgol_coeffs

from wt_jax.pose.landmarks import load_landmarks
from wt_jax.skeleton import HIPS, SHOULDERS

SOURCES = ("calimiro", "ucf101", "riyer8", "hannesvgel-own", "santiagobarrazas")
GROUPS = {
    "face": range(11), "shoulder": (11, 12), "elbow": (13, 14), "wrist": (15, 16), "fingers": range(17, 23),
    "hip": (23, 24), "knee": (25, 26), "ankle": (27, 28), "heel": (29, 30), "toe": (31, 32),
}  # fmt: skip
SEEN = {"visible": (0.8, 1.01), "doubtful": (0.4, 0.8), "hidden": (-1.0, 0.4)}
BONES = {"upper arm": (11, 13), "forearm": (13, 15), "thigh": (23, 25), "shank": (25, 27), "trunk": (11, 23)}
PAIRS = {
    "shoulder-elbow": (11, 13), "elbow-wrist": (13, 15), "wrist-index": (15, 19), "hip-knee": (23, 25),
    "knee-ankle": (25, 27), "ankle-heel": (27, 29), "ankle-toe": (27, 31), "nose-ear": (0, 7), "shoulder-hip": (11, 23),
    "both shoulders": (11, 12), "both hips": (23, 24), "both knees": (25, 26), "both ankles": (27, 28),
    "both wrists": (15, 16), "wrist-ankle": (15, 27), "nose-ankle": (0, 27), "shoulder-knee": (11, 25),
}  # fmt: skip
VIEWS = {"front": (0.0, 0.7), "oblique": (0.7, 0.92), "side": (0.92, 1.01)}  # share of left to right in z
_WINDOW = 11
_DEEPER = 2.5  # z against x and y, about
_LAGS = 5
_CUBIC = savgol_coeffs(_WINDOW, 3)


@dataclass(eq=False)
class Track:
    """One recording: points in torsos (F, L, 3), visibility (F, L), both NaN in lost frames."""

    source: str
    class_name: str
    fps: float
    size_px: np.ndarray
    landmarks_FxLx4: np.ndarray

    @cached_property
    def points(self) -> np.ndarray:
        width, height = self.size_px
        px = self.landmarks_FxLx4[..., :3].astype(np.float64) * [width, height, width]
        torso = (px[:, SHOULDERS].mean(1) - px[:, HIPS].mean(1)) / [1, 1, _DEEPER]
        return px / np.nanmedian(np.linalg.norm(torso, axis=-1))

    @cached_property
    def visibility(self) -> np.ndarray:
        return self.landmarks_FxLx4[..., 3]

    @cached_property
    def jitter(self) -> np.ndarray:
        """(F, L, 3) what the cubic leaves; NaN near the ends and lost frames."""
        weights = -_CUBIC
        weights[_WINDOW // 2] += 1
        shifted = np.lib.stride_tricks.sliding_window_view(self.points, _WINDOW, axis=0)
        left = np.full_like(self.points, np.nan)
        left[_WINDOW // 2 : -(_WINDOW // 2)] = shifted @ weights
        return left

    @cached_property
    def across(self) -> tuple[float, int]:
        """How much of the left-to-right line is in depth (0 front, 1 side), and the near side (0 left)."""
        line = np.nanmedian(self.points[:, [11, 23]] - self.points[:, [12, 24]], axis=0).mean(0)
        return abs(line[2]) / max(float(np.linalg.norm(line)), 1e-9), int(line[2] > 0)

    @cached_property
    def calm_FxL(self) -> np.ndarray:
        """The slower half of a landmark's frames."""
        speed = np.linalg.norm(np.gradient(self.points[..., :2] - self.jitter[..., :2], axis=0), axis=-1)
        return speed <= np.nanmedian(speed, axis=0)

    @cached_property
    def seen_F(self) -> np.ndarray:
        return ~np.isnan(self.landmarks_FxLx4[..., :2]).any((1, 2))


def load(root: Path, sources: list[str]) -> list[Track]:
    tracks = []
    with (root / "manifest.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["source"] in sources]
    for row in rows:
        given = load_landmarks(root / row["file"])
        if given.fps <= 31 and given.seen_F.sum() > 3 * _WINDOW:
            size_px = np.array([given.width_px, given.height_px])
            tracks.append(Track(row["source"], row["class"], given.fps, size_px, given.landmarks_FxLx4))
    return tracks


def robust(values: np.ndarray) -> float:
    """Standard deviation of the bulk."""
    return 1.4826 * float(np.median(np.abs(values))) if values.size else np.nan


def runs(mask: np.ndarray) -> np.ndarray:
    """Lengths of the runs of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return edges[1::2] - edges[::2]


def autocovariance(values_Fx: np.ndarray, mask_Fx: np.ndarray) -> np.ndarray:
    """Mean products at lags 0 .. _LAGS over the frames of the mask, and their number as the last."""
    sums = np.zeros((_LAGS + 1, 2))
    for lag in range(_LAGS + 1):
        both = mask_Fx[lag:] & mask_Fx[: len(mask_Fx) - lag]
        product = values_Fx[lag:] * values_Fx[: len(values_Fx) - lag]
        sums[lag] = product[both].sum(), both.sum()
    return sums


def left_of(process: np.ndarray) -> np.ndarray:
    """Autocovariance, at lags 0 .. _LAGS, of what the cubic leaves of a process, given at lags 0 .. 20."""
    weights = -_CUBIC
    weights[_WINDOW // 2] += 1
    both, offsets = np.correlate(weights, weights, "full"), np.arange(-_WINDOW + 1, _WINDOW)
    return np.array([both @ process[np.abs(offsets + lag)] for lag in range(_LAGS + 1)])


def table(*columns: str) -> str:
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def row(*cells: object) -> str:
    return f"| {' | '.join(f'{cell:.3g}' if isinstance(cell, float) else str(cell) for cell in cells)} |"


def jitter(tracks: list[Track]) -> Iterator[str]:
    """Fast errors by landmark and visibility: the spread over recordings, the colour, the tails."""
    yield table("landmarks", "seen", "recordings", "axis", "sd: median", "10 %", "90 %", "moving half", "r1", "r2", "r3",
                "kurtosis", "beyond 4 sd, %", "in a row")  # fmt: skip
    for (group, of), (seen, (low, high)) in itertools.product(GROUPS.items(), SEEN.items()):
        for axis, columns in (("x, y", [0, 1]), ("z", [2])):
            sds, moving, scaled, lengths, sums = [], [], [], [], np.zeros((_LAGS + 1, 2))
            for track in tracks:
                left = track.jitter[:, list(of)][..., columns]
                visible = track.visibility[:, list(of)]
                there = ((visible >= low) & (visible < high))[..., None] & ~np.isnan(left)
                calm = there & track.calm_FxL[:, list(of), None]
                if calm.sum() < 60 or (sd := robust(left[calm])) < 1e-7:
                    continue
                sds.append(sd)
                moving.append(robust(left[there & ~calm]))
                scaled.append(np.clip(left[calm] / sd, -50, 50))
                sums += autocovariance(np.clip(np.nan_to_num(left / sd), -4, 4), calm)
                lengths += [
                    runs(column) for column in ((np.abs(left) > 4 * sd) & calm).reshape(len(left), -1).T
                ]
            if len(sds) < 5:
                continue
            values, covariance = np.concatenate(scaled), sums[:, 0] / np.maximum(sums[:, 1], 1)
            length, r = np.concatenate(lengths), covariance / covariance[0]
            yield row(group, seen, len(sds), axis, *map(float, np.quantile(sds, [0.5, 0.1, 0.9])),
                      float(np.nanmedian(moving)), *map(float, r[1:4]), float(np.mean(values**4) / np.mean(values**2) ** 2),
                      float(100 * np.mean(np.abs(values) > 4)), float(length.mean()) if length.size else 0.0)  # fmt: skip
    yield "\nWhat the cubic leaves of known processes, to compare:\n"
    yield table("process", "sd / jitter", "r1", "r2", "r3")
    lags = np.arange(21)
    known = {f"AR(1), {phi}": float(phi) ** lags for phi in (0.0, 0.5, 0.8, 0.95)}
    for rho in (0.5, 0.8):
        known[f"AR(2), {rho} twice"] = (1 + lags * (1 - rho**2) / (1 + rho**2)) * rho**lags
    for name, process in known.items():
        left = left_of(process)
        yield row(name, float(left[0] ** -0.5), *map(float, left[1:4] / left[0]))


FIXED = {"squats": {"ankle": (27, 28), "heel": (29, 30), "toe": (31, 32)}, "push-ups": {"wrist": (15, 16), "index": (19, 20), "toe": (31, 32)},
         "pull-ups": {"wrist": (15, 16)}}  # fmt: skip
AFTER = (1, 2, 3, 5, 10, 20, 30, 60, 120)


def fixed(tracks: list[Track]) -> Iterator[str]:
    """All errors, slow ones too: how far a landmark that stays put in truth moves in k frames, / sqrt 2."""
    yield table("landmark", "seen", "axis", "recordings", *(f"{k}" for k in AFTER))
    for class_name, joints in FIXED.items():
        for (joint, of), (seen, (low, high)) in itertools.product(joints.items(), SEEN.items()):
            for axis, columns in (("x, y", [0, 1]), ("z", [2])):
                found = []
                for track in tracks:
                    if track.class_name != class_name or len(track.points) < 2 * AFTER[-1]:
                        continue
                    values, visible = (
                        track.points[:, list(of)][..., columns],
                        uniform_filter1d(track.visibility[:, list(of)], 31, axis=0),
                    )
                    inside = ((visible >= low) & (visible < high))[..., None] & ~np.isnan(values)
                    if inside.sum() > 200:
                        found.append(
                            [
                                robust((values[k:] - values[:-k])[inside[k:] & inside[:-k]]) / 2**0.5
                                for k in AFTER
                            ]
                        )
                if len(found) > 4:
                    yield row(
                        f"{joint}, {class_name}", seen, axis, len(found), *map(float, np.nanmedian(found, 0))
                    )


def visibility(tracks: list[Track]) -> Iterator[str]:
    """What visibility is near and far of the camera; median, and 10 % and 90 % of frames."""
    yield table("landmarks", "front: all", "side: near", "side: far", "oblique: near", "oblique: far")
    views = {view: [t for t in tracks if low <= t.across[0] < high] for view, (low, high) in VIEWS.items()}
    for group, of in list(GROUPS.items())[1:]:
        cells = [np.concatenate([t.visibility[t.seen_F][:, list(of)].ravel() for t in views["front"]])]
        for view, far in itertools.product(("side", "oblique"), (0, 1)):
            cells.append(
                np.concatenate(
                    [
                        t.visibility[t.seen_F][
                            :, [i for i in of if (i % 2 == 0) == (t.across[1] ^ far)]
                        ].ravel()
                        for t in views[view]
                    ]
                )
            )
        yield row(
            group, *("{:.2f} ({:.2f}-{:.2f})".format(*np.quantile(cell, [0.5, 0.1, 0.9])) for cell in cells)
        )
    yield f"\nrecordings: {', '.join(f'{name} {len(of)}' for name, of in views.items())}"
    yield "\n" + table(
        "source", "frames lost, %", "recordings with any, %", "lengths: median", "90 %", "runs a minute"
    )
    for source in sorted({t.source for t in tracks}):
        of = [t for t in tracks if t.source == source]
        lengths, minutes = (
            np.concatenate([runs(~t.seen_F) for t in of]),
            sum(len(t.points) / t.fps for t in of) / 60,
        )
        share = 100 * np.mean([not t.seen_F.all() for t in of])
        yield row(source, 100 * lengths.sum() / sum(len(t.points) for t in of), float(share),
                  *map(float, np.quantile(lengths, [0.5, 0.9]) if lengths.size else [0, 0]), lengths.size / minutes)  # fmt: skip


SWAPS = {"arms": ((13, 15, 17, 19, 21), 0.15), "legs": ((25, 27, 29, 31), 0.15)}


def swaps(tracks: list[Track]) -> Iterator[str]:
    """Left and right exchanged: in the image, where the track goes on better so; in depth, where the near side changes."""
    yield table("limbs", "source", "in the image: a minute", "recordings with any, %", "frames to the next: median", "90 %",
                "near side changes: a minute", "recordings with any, %", "frames to the next: median")  # fmt: skip
    for (limbs, (left, least)), source in itertools.product(
        SWAPS.items(), sorted({t.source for t in tracks})
    ):
        of = [t for t in tracks if t.source == source]
        minutes = sum(len(t.points) / t.fps for t in of) / 60
        image, depth = [], []
        for track in of:
            sides = np.stack(
                [track.points[:, left], track.points[:, [i + 1 for i in left]]], 1
            )  # (F, S, L, 3)
            flat = sides[..., :2]
            ahead = flat[1:-3] + 3 * (flat[1:-3] - flat[:-4])  # three frames on, at the same speed
            same = np.linalg.norm(flat[4:] - ahead, axis=-1).mean((1, 2))
            other = np.linalg.norm(flat[4:, ::-1] - ahead, axis=-1).mean((1, 2))
            onset = np.diff((other + least < same).astype(int), prepend=0) == 1
            image.append(np.flatnonzero(onset))
            gap = np.nanmean(sides[:, 0, :2, 2] - sides[:, 1, :2, 2], -1)
            sign = np.sign(gap) * (np.abs(gap) > 0.1)
            sign = sign[(sign != 0) & ~np.isnan(gap)]
            at = np.flatnonzero((np.abs(gap) > 0.1) & ~np.isnan(gap))
            depth.append(at[np.flatnonzero(np.diff(sign)) + 1])
        cells: list[object] = []
        for events, quantiles in ((image, (0.5, 0.9)), (depth, (0.5,))):
            between = np.concatenate([np.diff(e) for e in events])
            cells += [sum(map(len, events)) / minutes, float(100 * np.mean([len(e) > 0 for e in events]))]
            cells += [
                float(q)
                for q in (np.quantile(between, quantiles) if between.size else [np.nan] * len(quantiles))
            ]
        yield row(limbs, source, *cells)


def shared(tracks: list[Track]) -> Iterator[str]:
    """Errors that landmarks share: correlation of the jitter of two (calm frames), median over recordings."""
    yield table("pair", "x", "y", "z")
    for name, (one, other) in PAIRS.items():
        found = []
        for track in tracks:
            a, b = track.jitter[:, one], track.jitter[:, other]
            calm = track.calm_FxL[:, one] & track.calm_FxL[:, other] & ~np.isnan(a + b).any(1)
            if calm.sum() > 30:
                a, b = (
                    np.clip(v[calm] / np.array([robust(v[calm, k]) + 1e-9 for k in range(3)]), -4, 4)
                    for v in (a, b)
                )
                found.append([np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(3)])
        yield row(name, *map(float, np.nanmedian(found, 0)))
    yield "\n" + table("share of the jitter's variance, %", "x", "y", "z")
    parts = []
    for track in tracks:
        left = np.clip(track.jitter, -0.1, 0.1)[~np.isnan(track.jitter).any((1, 2))]
        left = left[:, 11:]  # of the body, not the many points of the face
        at = np.nan_to_num(track.points[~np.isnan(track.jitter).any((1, 2))][:, 11:])
        at = at - at.mean(1, keepdims=True)
        common = left.mean(1, keepdims=True)
        rest = left - common
        growth = (rest * at).sum(1, keepdims=True) / (at**2).sum(1, keepdims=True) * at
        main = [
            np.linalg.svd(left[..., k] - left[..., k].mean(0), compute_uv=False)[:3] ** 2 for k in range(3)
        ]
        total = (left**2).sum((0, 1))
        parts.append(
            [
                22 * (common**2).sum((0, 1)) / total,
                (growth**2).sum((0, 1)) / total,
                np.array([m.sum() for m in main]) / total,
            ]
        )
    for name, cells in zip(
        ("one translation of all", "one scale of all", "three patterns of 22 (best)"),
        np.nanmedian(parts, 0),
        strict=True,
    ):
        yield row(name, *map(float, 100 * cells))


def bones(tracks: list[Track]) -> Iterator[str]:
    """Slow errors: a bone's 3-D length within a recording, standard deviation / mean, median over recordings (90 %)."""
    sources = sorted({t.source for t in tracks})
    yield table("bone", *sources, "all, in the image only", "correlation after 10 frames", "after 30")
    for name, (one, other) in BONES.items():
        of: dict[str, list[float]] = {source: [] for source in sources}
        flat, memory = [], []
        for track, side in itertools.product(tracks, (0, 1)):
            bone = track.points[:, other + side] - track.points[:, one + side]
            bone = uniform_filter1d(bone[~np.isnan(bone).any(1)] / [1, 1, _DEEPER], 5, axis=0)
            length = np.linalg.norm(bone, axis=1)
            of[track.source].append(length.std() / length.mean())
            image = np.linalg.norm(bone[:, :2], axis=1)
            flat.append(image.std() / image.mean())
            c = length - length.mean()
            memory.append(
                [
                    (c[k:] * c[:-k]).mean() / max((c**2).mean(), 1e-12) if len(c) > 60 else np.nan
                    for k in (10, 30)
                ]
            )
        cells = [f"{np.median(values):.3f} ({np.quantile(values, 0.9):.3f})" for values in of.values()]
        yield row(name, *cells, float(np.median(flat)), *map(float, np.nanmedian(memory, 0)))


def inflation(bone_Fx3: np.ndarray) -> tuple[float, float]:
    """By what z must be divided so that a bone keeps its length best; the angle that it sweeps in depth."""
    flat, deep = (bone_Fx3[:, :2] ** 2).sum(1), bone_Fx3[:, 2] ** 2
    factors = np.geomspace(0.5, 8, 50)
    lengths = np.sqrt(flat + deep / factors[:, None] ** 2)
    angle = np.degrees(np.arctan2(np.abs(bone_Fx3[:, 2]) / _DEEPER, np.sqrt(flat)))
    return float(factors[np.argmin(lengths.std(1) / lengths.mean(1))]), float(
        np.ptp(np.quantile(angle, [0.1, 0.9]))
    )


def depth(tracks: list[Track]) -> Iterator[str]:
    """Depth: how many times too deep z is, as bones that sweep 15 degrees or more in depth keep their length (10-90 %)."""
    bones_and_lines = {**BONES, "shoulders": SHOULDERS, "hips": HIPS}
    yield table("class", "view", "recordings", *bones_and_lines, "all of a recording")
    for class_name, (view, (low, high)) in itertools.product(
        sorted({t.class_name for t in tracks}), VIEWS.items()
    ):
        of = [t for t in tracks if low <= t.across[0] < high and t.class_name == class_name]
        found: dict[str, list[float]] = {name: [] for name in bones_and_lines}
        whole = []
        for track in of:
            mine = []
            for (name, (one, other)), side in itertools.product(bones_and_lines.items(), (0, 1)):
                if side and other == one + 1:
                    continue
                bone = track.points[:, other + side] - track.points[:, one + side]
                factor, swept = inflation(bone[~np.isnan(bone).any(1)])
                if swept > 15:
                    found[name].append(factor)
                    mine.append(factor)
            whole += [float(np.median(mine))] if len(mine) > 2 else []
        if len(of) > 4:
            cells = [f"{np.median(f):.1f} ({len(f)})" if len(f) > 2 else "-" for f in found.values()]
            yield row(
                class_name,
                view,
                len(of),
                *cells,
                "{:.1f} ({:.1f}-{:.1f})".format(*np.quantile(whole, [0.5, 0.1, 0.9])) if whole else "-",
            )
    yield "\nLeft to right in z and in the image, in torsos (a body: shoulders 0.69, hips 0.40); nose before the shoulders in z:\n"
    yield table(
        "class",
        "view",
        "shoulders z",
        "shoulders x, y",
        "hips z",
        "hips x, y",
        "knees z",
        "ankles z",
        "wrists z",
        "nose z",
    )
    for class_name, (view, (low, high)) in itertools.product(
        sorted({t.class_name for t in tracks}), VIEWS.items()
    ):
        of = [t for t in tracks if low <= t.across[0] < high and t.class_name == class_name]
        if len(of) > 4:
            across = [t.points[t.seen_F][:, 11:29:2] - t.points[t.seen_F][:, 12:29:2] for t in of]
            z = np.median([np.median(np.abs(a[..., 2]), 0) for a in across], 0)
            xy = np.median([np.median(np.linalg.norm(a[..., :2], axis=-1), 0) for a in across], 0)
            nose = np.median(
                [np.nanmedian(t.points[:, 0, 2] - t.points[:, SHOULDERS, 2].mean(1)) for t in of]
            )
            yield row(class_name, view, *map(float, (z[0], xy[0], z[6], xy[6], z[7], z[8], z[2], nose)))


def place(tracks: list[Track]) -> Iterator[str]:
    """Where the body is in the image."""
    yield table("class", "recordings", "portrait, %", "box height / frame: median (10-90 %)", "box width / frame", "middle x", "middle y",
                "landmarks outside, %", "face", "hands", "feet", "recordings with > 5 % outside, %", "torso / height, px")  # fmt: skip
    for class_name in sorted({t.class_name for t in tracks}):
        of, rows, out = [t for t in tracks if t.class_name == class_name], [], []
        for track in of:
            xy = track.landmarks_FxLx4[track.seen_F][..., :2]
            low, high = np.median(xy.min(1), 0), np.median(xy.max(1), 0)
            outside = ((xy < 0) | (xy > 1)).any(-1)
            out.append(
                [outside.mean(), outside[:, :11].mean(), outside[:, 15:23].mean(), outside[:, 27:].mean()]
            )
            torso = np.linalg.norm(
                (xy[:, 11] + xy[:, 12] - xy[:, 23] - xy[:, 24]) / 2 * track.size_px, axis=-1
            )
            rows.append([*(high - low)[::-1], *((low + high) / 2), np.median(torso) / track.size_px[1]])
        cells = ["{:.2f} ({:.2f}-{:.2f})".format(*q) for q in np.quantile(rows, [0.5, 0.1, 0.9], axis=0).T]
        portrait = 100 * np.mean([t.size_px[1] > t.size_px[0] for t in of])
        yield row(class_name, len(of), float(portrait), *cells[:4], *map(float, 100 * np.mean(out, 0)),
                  float(100 * np.mean(np.array(out)[:, 0] > 0.05)), cells[4])  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sources", nargs="+", default=SOURCES)
    arguments = parser.parse_args()
    tracks = load(arguments.data, arguments.sources)
    print(f"{len(tracks)} recordings, {sum(len(t.points) for t in tracks)} frames")
    for part in PARTS:
        print(f"\n## {part.__doc__}\n")
        print("\n".join(part(tracks)), flush=True)


PARTS = (jitter, fixed, visibility, swaps, shared, bones, depth, place)


if __name__ == "__main__":
    main()
