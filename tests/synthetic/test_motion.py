"""Films of synthetic people as training reads them: sets, what is between, and no-exercise."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from wt_jax.data.splits import audit
from wt_jax.data.synthetic_recordings import make_recordings
from wt_jax.skeleton import ANGLE_NAMES, CLASSES, FRAME_RATE_HZ, LANDMARKS, NO_EXERCISE
from wt_jax.synthetic import motion
from wt_jax.synthetic.bodies import Body
from wt_jax.synthetic.camera import FRAME_RATES_HZ
from wt_jax.synthetic.motion import REPERTOIRE, SyntheticMotion, synthetic_motion

KEY_JOINT = {"push-ups": (11, 13, 15), "squats": (23, 25, 27), "pull-ups": (11, 13, 15), "dips": (11, 13, 15)}
EXERCISES = tuple(KEY_JOINT)
HELD = {"push-ups": (15, 16), "squats": (27, 28, 31, 32), "pull-ups": (15, 16), "dips": (15, 16)}
LIMBS = [
    (11, 13), (13, 15), (12, 14), (14, 16), (11, 12), (23, 24), (11, 23), (12, 24), (23, 25), (25, 27),
    (24, 26), (26, 28), (27, 31), (28, 32), (15, 17), (15, 19), (16, 20), (15, 21), (0, 7), (7, 8),
]  # fmt: skip
N_FILMS = 12


@pytest.fixture(scope="module")
def recordings():
    return make_recordings(CLASSES, seed=0, people=8)


@pytest.fixture(scope="module")
def films() -> dict[str, list[SyntheticMotion]]:
    return {
        name: [synthetic_motion(name, np.random.default_rng(seed)) for seed in range(N_FILMS)]
        for name in CLASSES
    }


def angle_deg(points_FxLx3: np.ndarray, first: int, middle: int, last: int) -> np.ndarray:
    a, b = (points_FxLx3[:, end] - points_FxLx3[:, middle] for end in (first, last))
    cos = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cos, -1, 1)))


def key_angle_deg(film: SyntheticMotion, class_name: str) -> np.ndarray:
    """The true angle of the working joint in space: of the side that bends further, as in pistol squats."""
    left = KEY_JOINT[class_name]
    right = (landmark + 1 for landmark in left)
    return np.minimum(angle_deg(film.points_FxLx3, *left), angle_deg(film.points_FxLx3, *right))


def repetitions(film: SyntheticMotion, class_name: str) -> list[np.ndarray]:
    """The key angle from each start to the next one of the same set."""
    angles = key_angle_deg(film, class_name)
    pairs = zip(film.starts, film.starts[1:], strict=False)
    return [angles[a:b] for a, b in pairs if film.class_known_F[a:b].all()]


def same(one, other) -> bool:
    return all(
        a.name == b.name
        and a.split == b.split
        and a.digest == b.digest
        and a.angles_FxJ.tobytes() == b.angles_FxJ.tobytes()
        and np.array_equal(a.valid_F, b.valid_F)
        and np.array_equal(a.class_known_F, b.class_known_F)
        and np.array_equal(a.starts, b.starts)
        for a, b in zip(one, other, strict=True)
    )


def test_the_same_arguments_give_the_same_bits_and_another_seed_others():
    one = make_recordings(("dips", NO_EXERCISE), seed=5, people=3)
    with ThreadPoolExecutor(2) as pool:  # two at once, as nothing is shared
        for again in pool.map(lambda _: make_recordings(("dips", NO_EXERCISE), seed=5, people=3), range(2)):
            assert same(one, again)
    other = make_recordings(("dips", NO_EXERCISE), seed=6, people=3)
    assert not any(a.content == b.content for a in one for b in other)


def test_another_process_with_one_thread_gives_the_same_bits():
    code = (
        "from wt_jax.data.synthetic_recordings import make_recordings;"
        "print(*(r.content for r in make_recordings(['squats', 'no_exercise'], 5, people=3)))"
    )
    alone = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    printed = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=os.environ | alone
    ).stdout
    assert printed.split() == [r.content for r in make_recordings(["squats", "no_exercise"], 5, people=3)]


def test_a_class_more_or_less_changes_no_other_class():
    alone = make_recordings(["squats"], seed=1, people=3)
    assert same(alone, make_recordings(["dips", "squats"], seed=1, people=3)[3:])


def test_some_of_the_splits_are_those_of_all():
    everybody = make_recordings(("dips", NO_EXERCISE), seed=5, people=3)
    some = make_recordings(("dips", NO_EXERCISE), 5, 3, ("val", "test"))
    assert same(some, [r for r in everybody if r.split != "train"]) and len(some) == 2 * 4


def test_a_class_without_a_synthetic_exercise_is_left_out():
    made = make_recordings(["juggling", "squats", "no_exercise"], 0, people=3)
    assert {r.class_name for r in made} == {"squats", NO_EXERCISE}


def test_anything_in_the_repertoire_is_an_exercise_where_it_is_a_class():
    made = make_recordings(["lunges", "sit-ups"], 0, people=4)
    assert [r.class_name for r in made] == ["lunges"] * 4 + ["sit-ups"] * 4
    assert sum(len(r.starts) for r in made) >= 2 * len(made)


def test_an_unknown_class_cannot_be_filmed():
    with pytest.raises(KeyError, match="juggling"):
        synthetic_motion("juggling", np.random.default_rng(0))


def test_fewer_than_three_people_are_refused():
    with pytest.raises(ValueError, match=r"people=2: must be at least 3"):
        make_recordings(CLASSES, seed=0, people=2)


def test_no_exercise_holds_none_of_the_classes(monkeypatch):
    """Lunges are in it, unless somebody counts lunges; dips are where nobody counts them."""
    seen = set()
    spied = {
        name: (lambda rng, body, name=name, make=make: seen.add(name) or make(rng, body), share)
        for name, (make, share) in REPERTOIRE.items()
    }
    monkeypatch.setattr(motion, "REPERTOIRE", spied)
    monkeypatch.setattr(motion, "_getting_ready", lambda *_: [])
    rng = np.random.default_rng(0)
    for classes in (("bench-press", "lunges", "sit-ups", "juggling"), EXERCISES):
        seen.clear()
        for _ in range(40):
            motion._no_exercise(rng, Body(rng), classes)
        assert not seen & set(classes) and len(seen) > 15
        assert ("lunges" in seen) == ("lunges" not in classes) and ("dips" in seen) == ("dips" not in classes)


def test_getting_into_position_is_no_exercise(monkeypatch):
    """Into the extended position of an exercise, and out of it, without a repetition."""
    rng = np.random.default_rng(0)
    body = Body(rng)
    movement = REPERTOIRE["push-ups"][0](rng, body)
    with monkeypatch.context() as patch:
        patch.setitem(REPERTOIRE, "push-ups", (lambda *_: movement, 1.0))
        parts = motion._getting_ready(rng, body, ["push-ups"])
    assert not any(part.is_set or len(part.starts_s) for part in parts)
    held = [np.array_equal(part.pose(0.0), movement.poses_Px17x3[0]) for part in parts]
    assert held == [False, True, False] and 0.2 < parts[1].seconds < 1.5
    got_ready, get_ready = [], motion._getting_ready
    monkeypatch.setattr(motion, "_getting_ready", lambda *args: got_ready.append(args[2]) or get_ready(*args))
    n_seen = [0]
    for _ in range(40):
        motion._no_exercise(rng, body, EXERCISES)
        n_seen.append(len(got_ready))
    assert 5 < np.count_nonzero(np.diff(n_seen)) < 40 and got_ready[0] == sorted(EXERCISES)


def test_splits_share_no_person(recordings):
    audit(recordings)
    people = {split: {r.group for r in recordings if r.split == split} for split in ("train", "val", "test")}
    assert {split: len(groups) for split, groups in people.items()} == {"train": 4, "val": 2, "test": 2}
    assert len(set.union(*people.values())) == 8


def test_every_exercise_has_repetitions_in_every_split_and_no_exercise_has_none(recordings):
    for split in ("train", "val", "test"):
        for class_name in EXERCISES:
            chosen = [r for r in recordings if (r.split, r.class_name) == (split, class_name)]
            assert sum(len(r.starts) for r in chosen) >= 2 * len(chosen)
    rest = [r for r in recordings if r.class_name == NO_EXERCISE]
    assert len(rest) == 3 * 8 and all(r.starts is not None and len(r.starts) == 0 for r in rest)
    assert all(r.class_known_F.all() for r in rest)


def test_recordings_are_usable_and_their_starts_lie_inside_a_set(recordings):
    for recording in recordings:
        assert np.isfinite(recording.angles_FxJ).all() and recording.points_FxLx3 is not None
        assert recording.valid_F.mean() > 0.8
        assert 2 * FRAME_RATE_HZ <= len(recording) <= 31 * FRAME_RATE_HZ
        assert recording.class_known_F[recording.starts].all()
        assert (np.diff(recording.starts) > 0.3 * FRAME_RATE_HZ).all()
    assert {recording.source_fps for recording in recordings} <= set(FRAME_RATES_HZ)
    assert len({recording.source_fps for recording in recordings}) > 2


def test_some_films_begin_or_end_before_or_after_the_set_or_rest_between_two(films):
    known = [film.class_known_F for name in EXERCISES for film in films[name]]
    assert 0.1 < np.mean([not known_F[0] for known_F in known]) < 0.7
    assert 0.1 < np.mean([not known_F[-1] for known_F in known]) < 0.7
    n_sets = [np.count_nonzero(np.diff(known_F.astype(int), prepend=0) == 1) for known_F in known]
    assert min(n_sets) == 1 and 0.05 < np.mean([n > 1 for n in n_sets]) < 0.7


@pytest.mark.parametrize("class_name", CLASSES)
def test_no_limb_changes_its_length(films, class_name):
    for film in films[class_name]:
        points = film.points_FxLx3
        for a, b in LIMBS:
            length_m = np.linalg.norm(points[:, a] - points[:, b], axis=-1)
            assert np.ptp(length_m) < 1e-9, (LANDMARKS[a], LANDMARKS[b])
            assert 0.01 < length_m[0] < 0.8


@pytest.mark.parametrize("class_name", EXERCISES)
def test_hands_and_feet_that_hold_the_body_stay_where_they_are(films, class_name):
    """Claps and archers, jumps and pistols aside, which few do."""
    films_of = [film.points_FxLx3[film.class_known_F][:, HELD[class_name]] for film in films[class_name]]
    moved_m = np.array([np.ptp(points, axis=0).max() for points in films_of])
    assert np.mean(moved_m < 0.04) > 0.6  # a straight limb gives way a little
    if class_name in ("pull-ups", "dips"):
        assert moved_m.max() < 0.04


@pytest.mark.parametrize("class_name", EXERCISES)
def test_each_repetition_is_one_valley_of_the_key_angle(films, class_name):
    """From each start of a set to the next."""
    segments = [angles for film in films[class_name] for angles in repetitions(film, class_name)]
    assert len(segments) > 30
    for angles in segments:
        assert angles[0] - angles.min() > 25
        is_low = angles < angles.min() + 0.4 * (angles[0] - angles.min())
        assert np.count_nonzero(np.diff(is_low.astype(int), prepend=0) == 1) == 1


@pytest.mark.parametrize("class_name", EXERCISES)
def test_a_repetition_starts_where_the_extended_position_is_left(films, class_name):
    """Nearly as far extended as around it, and soon on the way down."""
    below, left_s = [], []
    for film in films[class_name]:
        angles, quarter = key_angle_deg(film, class_name), round(0.25 * film.fps)
        below += [angles[max(0, at - quarter) : at + quarter].max() - angles[at] for at in film.starts]
        for angles in repetitions(film, class_name):
            is_left = angles < angles[0] - 0.15 * (angles[0] - angles.min())
            left_s.append(is_left.argmax() / film.fps)
            assert angles[0] > 120
    assert np.percentile(below, 75) < 10 and max(below) < 40
    assert np.percentile(left_s, 90) < 0.4 and max(left_s) < 0.8


@pytest.mark.parametrize("class_name", CLASSES)
def test_landmarks_look_like_those_of_a_pose_estimator(films, class_name):
    for film in films[class_name]:
        landmarks, there = film.landmarks_FxLx4, ~np.isnan(film.landmarks_FxLx4).any((1, 2))
        assert landmarks.shape == (len(there), 33, 4) and landmarks.dtype == np.float32
        assert there.mean() > 0.8 and np.isnan(landmarks[~there]).all()  # lost is lost as a whole
        seen = landmarks[there]
        assert seen[..., 3].min() > 0 and seen[..., 3].max() <= 1
        assert abs(seen[:, 23:25, 2].mean(1)).max() < 1e-4  # z is measured from the hips
        assert len(film.class_known_F) == len(landmarks) == len(film.points_FxLx3)
        middle = np.median(seen[:, 23:25, :2], axis=(0, 1))
        assert (middle > -0.1).all() and (middle < 1.1).all()


def test_a_person_is_seen_from_many_sides_and_by_many_cameras(recordings, films):
    """From the side the two shoulders' line is short: the spine angle is far from a right angle or tiny."""
    spine = ANGLE_NAMES.index("spine_left")
    for class_name in EXERCISES:
        medians = [
            180 * np.median(r.angles_FxJ[r.valid_F, spine]) for r in recordings if r.class_name == class_name
        ]
        assert np.ptp(medians) > 40
    shapes = {film.width_px > film.height_px for of_class in films.values() for film in of_class}
    assert shapes == {True, False}


def test_the_docs_name_every_movement():
    text = (Path(__file__).parents[2] / "docs" / "synthetic.md").read_text()
    assert [name for name in REPERTOIRE if name not in text] == []
