"""What a pose estimator gets wrong: the statistics behind the errors of the synthetic camera.

    python benchmarks/estimator_errors.py --data ../shared/corpus

Of landmarks as published, with no truth beside them: jitter is what a cubic fitted over 11 frames leaves
(faster than some 5 Hz at 30 frames/s) of the calmer half of each recording. Slow errors show in hands and
feet that stay put in an exercise, and in bones that change their length. Lengths: see landmark_tracks.py.
"""

import argparse
import itertools
import warnings
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from landmark_tracks import (
    BONES,
    DEEPER,
    GROUPS,
    LAGS,
    SEEN,
    Track,
    by_class_and_view,
    by_source,
    by_view,
    left_of,
    load,
    minutes,
    products,
    robust,
    row,
    runs,
    spread,
    table,
)
from scipy.ndimage import uniform_filter1d

from wt_jax.skeleton import HIPS, SHOULDERS

SOURCES = ("calimiro", "ucf101", "riyer8", "hannesvgel-own", "santiagobarrazas")
AXES = (("x, y", [0, 1]), ("z", [2]))
PAIRS = {
    "shoulder-elbow": (11, 13), "elbow-wrist": (13, 15), "wrist-index": (15, 19), "hip-knee": (23, 25),
    "knee-ankle": (25, 27), "ankle-heel": (27, 29), "ankle-toe": (27, 31), "nose-ear": (0, 7),
    "shoulder-hip": (11, 23), "both shoulders": (11, 12), "both hips": (23, 24), "both knees": (25, 26),
    "both ankles": (27, 28), "both wrists": (15, 16), "wrist-ankle": (15, 27), "nose-ankle": (0, 27),
    "shoulder-knee": (11, 25),
}  # fmt: skip
FIXED = (
    ("squats", "ankle", [27, 28]), ("squats", "toe", [31, 32]), ("push-ups", "wrist", [15, 16]),
    ("push-ups", "index", [19, 20]), ("push-ups", "toe", [31, 32]), ("pull-ups", "wrist", [15, 16]),
)  # fmt: skip
AFTER = (1, 2, 3, 5, 10, 20, 30, 60)
SWAPPED = {"arms": [13, 15, 17, 19, 21], "legs": [25, 27, 29, 31]}  # of the left side
SWAP_GAIN, NEARER = 0.15, 0.1  # torsos


def jitter(tracks: list[Track]) -> Iterator[str]:
    """Fast errors by landmark and visibility: size over recordings, colour, tails"""
    yield table(
        "landmarks | seen | axis | recordings | sd: median | 10 % | 90 % | moving half | r1 | r2 | r3 | "
        "kurtosis | beyond 4 sd, % | in a row"
    )
    for (group, of), seen, (axis, columns) in itertools.product(GROUPS.items(), SEEN, AXES):
        sds, moving, scaled, lengths, sums = [], [], [], [], np.zeros((LAGS + 1, 2))
        for track in tracks:
            left = track.jitter[:, list(of)][..., columns]
            there = track.is_seen(list(of), seen)[..., None] & ~np.isnan(left)
            calm = there & track.calm_FxL[:, list(of), None]
            if calm.sum() < 60 or (sd := robust(left[calm])) < 1e-7:
                continue
            sds.append(sd)
            moving.append(robust(left[there & ~calm]))
            scaled.append(np.clip(left[calm] / sd, -50, 50))
            sums += products(np.clip(np.nan_to_num(left / sd), -4, 4), calm)
            wild = (np.abs(left) > 4 * sd) & calm
            lengths += [runs(column) for column in wild.reshape(len(left), -1).T]
        if len(sds) < 5:
            continue
        values, r = np.concatenate(scaled), sums[:, 0] / np.maximum(sums[:, 1], 1)
        sizes = [*map(float, np.quantile(sds, [0.5, 0.1, 0.9])), float(np.nanmedian(moving))]
        tails = [np.mean(values**4) / np.mean(values**2) ** 2, 100 * np.mean(np.abs(values) > 4)]
        tails.append(np.concatenate(lengths).mean())
        yield row(group, seen, axis, len(sds), *sizes, *map(float, r[1:4] / r[0]), *map(float, tails))
    yield "\nWhat the cubic leaves of known processes, to compare:\n"
    yield table("process | sd / jitter | r1 | r2 | r3")
    lags = np.arange(21)
    known = {f"AR(1), {phi}": phi**lags for phi in (0.0, 0.5, 0.8, 0.95)}
    for rho in (0.5, 0.8):
        known[f"AR(2), {rho} twice"] = (1 + lags * (1 - rho**2) / (1 + rho**2)) * rho**lags
    for name, process in known.items():
        left = left_of(process)
        yield row(name, float(left[0] ** -0.5), *map(float, left[1:4] / left[0]))


def fixed(tracks: list[Track]) -> Iterator[str]:
    """All errors, slow ones too: how far what stays put in truth moves in k frames, / sqrt 2"""
    yield table(f"landmark | seen | axis | recordings | {' | '.join(map(str, AFTER))}")
    for (class_name, joint, of), seen, (axis, columns) in itertools.product(FIXED, SEEN, AXES):
        found = []
        for track in tracks:
            if track.class_name != class_name or len(track.points) < 2 * AFTER[-1]:
                continue
            values = track.points[:, of][..., columns]
            inside = track.is_seen(of, seen)[..., None] & ~np.isnan(values)
            if inside.sum() > 200:
                moves = [(values[k:] - values[:-k])[inside[k:] & inside[:-k]] for k in AFTER]
                found.append([robust(move) / 2**0.5 for move in moves])
        if len(found) > 4:
            yield row(f"{joint}, {class_name}", seen, axis, len(found), *map(float, np.nanmedian(found, 0)))


def visibility(tracks: list[Track]) -> Iterator[str]:
    """What visibility is, near and far of the camera: median of frames (10-90 %)"""
    views = by_view(tracks)
    yield table("landmarks | front: all | side: near | side: far | oblique: near | oblique: far")
    for group, of in list(GROUPS.items())[1:]:
        cells = [np.concatenate([t.visibility[t.seen_F][:, list(of)].ravel() for t in views["front"]])]
        for view, far in itertools.product(("side", "oblique"), (0, 1)):
            sides = [(t, [i for i in of if (i % 2 == 0) == (t.across[1] ^ far)]) for t in views[view]]
            cells.append(np.concatenate([t.visibility[t.seen_F][:, one].ravel() for t, one in sides]))
        yield row(group, *map(spread, cells))
    yield f"\nrecordings: {', '.join(f'{name} {len(of)}' for name, of in views.items())}\n"


def lost(tracks: list[Track]) -> Iterator[str]:
    """Frames without anybody"""
    yield table("source | frames, % | recordings with any, % | in a row: median | 90 % | runs a minute")
    for source, of in by_source(tracks).items():
        lengths, frames = np.concatenate([runs(~t.seen_F) for t in of]), sum(len(t.points) for t in of)
        middle, most = np.quantile(lengths, [0.5, 0.9]) if lengths.size else (0, 0)
        shares = [lengths.sum() / frames, np.mean([not t.seen_F.all() for t in of])]
        yield row(
            source, *(float(100 * s) for s in shares), float(middle), float(most), lengths.size / minutes(of)
        )


def swaps(tracks: list[Track]) -> Iterator[str]:
    """Left for right: where tracks go on better exchanged (image), and where the near side changes (z)"""
    yield table(
        "limbs | source | image: a minute | recordings with any, % | frames to the next: median (10-90 %) | "
        "z: a minute | recordings with any, % | frames to the next"
    )
    for (limbs, left), (source, of) in itertools.product(SWAPPED.items(), by_source(tracks).items()):
        cells: list[object] = []
        for changes in (_exchanged, _near_side_changed):
            events = [changes(track, left) for track in of]
            between = np.concatenate([np.diff(frames) for frames in events])
            cells += [sum(map(len, events)) / minutes(of), float(100 * np.mean([len(e) > 0 for e in events]))]
            cells.append(spread(between, 0) if between.size > 4 else "-")
        yield row(limbs, source, *cells)


def _exchanged(track: Track, left: list[int]) -> np.ndarray:
    sides = np.stack([track.points[:, left], track.points[:, [i + 1 for i in left]]], 1)[..., :2]
    ahead = sides[1:-3] + 3 * (sides[1:-3] - sides[:-4])  # three frames on, at the same speed
    same, other = (
        np.linalg.norm(then - ahead, axis=-1).mean((1, 2)) for then in (sides[4:], sides[4:, ::-1])
    )
    return np.flatnonzero(np.diff((other + SWAP_GAIN < same).astype(int), prepend=0) == 1)


def _near_side_changed(track: Track, left: list[int]) -> np.ndarray:
    gap = (track.points[:, left[:2], 2] - track.points[:, [i + 1 for i in left[:2]], 2]).mean(1)
    at = np.flatnonzero(np.abs(gap) > NEARER)  # NaN is not
    return at[1:][np.diff(np.sign(gap[at])) != 0]


def shared(tracks: list[Track]) -> Iterator[str]:
    """Errors that landmarks share: correlation of two landmarks' jitter, median over recordings"""
    yield table("pair | x | y | z")
    for name, pair in PAIRS.items():
        found = []
        for track in tracks:
            both = track.jitter[:, pair]
            both = both[track.calm_FxL[:, pair].all(1) & ~np.isnan(both).any((1, 2))]
            if len(both) > 30:
                sd = 1.4826 * np.median(np.abs(both), 0) + 1e-9
                a, b = np.clip(both / sd, -4, 4).swapaxes(0, 1)
                found.append([np.corrcoef(a[:, k], b[:, k])[0, 1] for k in range(3)])
        yield row(name, *map(float, np.nanmedian(found, 0)))
    yield "\n" + table("share of the jitter's variance below the neck, % | x | y | z")
    parts = []
    for track in tracks:
        there = ~np.isnan(track.jitter).any((1, 2))
        left, at = np.clip(track.jitter[there, 11:], -0.1, 0.1), track.points[there, 11:]
        at, common = at - at.mean(1, keepdims=True), left.mean(1, keepdims=True)
        scale = ((left - common) * at).sum(1, keepdims=True) / (at**2).sum(1, keepdims=True) * at
        total = (left**2).sum((0, 1))
        parts.append(
            [22 * (common**2).sum((0, 1)) / total, (scale**2).sum((0, 1)) / total, _best(left, 3) / total]
        )
    names = ("one translation of all", "one scale of all", "the best three patterns of 22")
    for name, cells in zip(names, np.nanmedian(parts, 0), strict=True):
        yield row(name, *map(float, 100 * cells))


def _best(left_FxLx3: np.ndarray, n: int) -> np.ndarray:
    """Sum of squares, by axis, of the n patterns over landmarks that explain the most."""
    return np.array([(np.linalg.svd(left_FxLx3[..., k], compute_uv=False)[:n] ** 2).sum() for k in range(3)])


def bones(tracks: list[Track]) -> Iterator[str]:
    """Slow errors: sd / mean of a bone's length within a recording, z divided by 2.5; median (10-90 %)"""
    yield table(f"bone | {' | '.join(by_source(tracks))} | correlation after 10 frames | after 30")
    for name, (one, other) in BONES.items():
        found: dict[str, list[float]] = defaultdict(list)
        memory = []
        for track, side in itertools.product(tracks, (0, 1)):
            bone = uniform_filter1d(track.bone(one + side, other + side) / [1, 1, DEEPER], 5, axis=0)
            length = np.linalg.norm(bone, axis=1)
            found[track.source].append(length.std() / length.mean())
            c = length - length.mean()
            if len(c) > 60:
                memory.append([(c[k:] * c[:-k]).mean() / (c**2).mean() for k in (10, 30)])
        yield row(name, *(spread(found[s]) for s in by_source(tracks)), *map(float, np.median(memory, 0)))


def depth(tracks: list[Track]) -> Iterator[str]:
    """How many times too deep z is, as bones that sweep 15 degrees in depth keep their length (bones)"""
    lines = {**BONES, "shoulders": SHOULDERS, "hips": HIPS}
    yield table(f"class | view | recordings | {' | '.join(lines)} | of a recording: median (10-90 %)")
    for class_name, view, of in by_class_and_view(tracks):
        found: dict[str, list[float]] = {name: [] for name in lines}
        whole = []
        for track in of:
            mine = []
            for (name, (one, other)), side in itertools.product(lines.items(), (0, 1)):
                factor, swept = _inflation(track.bone(one + side, other + side))
                if swept > 15 and not (side and other == one + 1):
                    found[name].append(factor)
                    mine.append(factor)
            whole += [np.median(mine)] if len(mine) > 2 else []
        cells = [f"{np.median(f):.1f} ({len(f)})" if len(f) > 2 else "-" for f in found.values()]
        yield row(class_name, view, len(of), *cells, spread(whole, 1) if whole else "-")
    yield "\nLeft to right (a body: shoulders 0.69, hips 0.40), and the nose before the shoulders, torsos:\n"
    yield table("class | view | shoulders z | x, y | hips z | x, y | knees z | ankles z | wrists z | nose z")
    for class_name, view, of in by_class_and_view(tracks):
        across = [t.points[t.seen_F, 11:29:2] - t.points[t.seen_F, 12:29:2] for t in of]
        z = np.median([np.median(np.abs(a[..., 2]), 0) for a in across], 0)
        xy = np.median([np.median(np.linalg.norm(a[..., :2], axis=-1), 0) for a in across], 0)
        nose = np.median([np.nanmedian(t.points[:, 0, 2] - t.points[:, SHOULDERS, 2].mean(1)) for t in of])
        yield row(class_name, view, *map(float, (z[0], xy[0], z[6], xy[6], z[7], z[8], z[2], nose)))


def _inflation(bone_Fx3: np.ndarray) -> tuple[float, float]:
    """By what z must be divided so that a bone keeps its length best; the angle that it sweeps in depth."""
    flat, deep = (bone_Fx3[:, :2] ** 2).sum(1), bone_Fx3[:, 2] ** 2
    factors = np.geomspace(0.5, 8, 50)
    lengths = np.sqrt(flat + deep / factors[:, None] ** 2)
    angle = np.degrees(np.arctan2(np.sqrt(deep) / DEEPER, np.sqrt(flat)))
    least, most = np.quantile(angle, [0.1, 0.9])
    return float(factors[np.argmin(lengths.std(1) / lengths.mean(1))]), float(most - least)


def place(tracks: list[Track]) -> Iterator[str]:
    """Where the body is in the image: median of recordings (10-90 %)"""
    yield table(
        "class | recordings | portrait, % | height / frame | width / frame | middle x | middle y | "
        "outside, %: all | face | hands | feet | recordings with > 5 % outside, %"
    )
    for class_name in sorted({t.class_name for t in tracks}):
        of = [t for t in tracks if t.class_name == class_name]
        boxes, outside = [], []
        for track in of:
            xy = track.landmarks_FxLx4[track.seen_F][..., :2]
            low, high = np.median(xy.min(1), 0), np.median(xy.max(1), 0)
            boxes.append([*(high - low)[::-1], *((low + high) / 2)])
            is_out = ((xy < 0) | (xy > 1)).any(-1)
            parts = (slice(None), slice(11), slice(15, 23), slice(27, None))
            outside.append([100 * is_out[:, part].mean() for part in parts])
        portrait = float(100 * np.mean([t.size_px[1] > t.size_px[0] for t in of]))
        cropped = float(100 * np.mean(np.array(outside)[:, 0] > 5))
        cells = [*map(spread, np.transpose(boxes)), *map(float, np.mean(outside, 0)), cropped]
        yield row(class_name, len(of), portrait, *cells)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a data root with manifest.csv")
    parser.add_argument("--sources", nargs="+", default=SOURCES, help="of its manifest")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=RuntimeWarning)  # means of nothing, NaN compared
    tracks = load(arguments.data, arguments.sources)
    print(f"{len(tracks)} recordings, {sum(len(t.points) for t in tracks)} frames")
    for part in (jitter, fixed, visibility, lost, swaps, shared, bones, depth, place):
        print(f"\n## {part.__doc__}\n")
        print("\n".join(part(tracks)), flush=True)


if __name__ == "__main__":
    main()
