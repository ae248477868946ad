import subprocess
import sys

import numpy as np
import pytest

from wt_jax.data.splits import audit
from wt_jax.data.synthetic_recordings import make_recordings
from wt_jax.skeleton import ANGLE_NAMES, CLASSES, FRAME_RATE_HZ, LANDMARKS, NO_EXERCISE
from wt_jax.synthetic.camera import FRAME_RATES_HZ
from wt_jax.synthetic.motion import REPERTOIRE, SyntheticMotion, synthetic_motion

KEY_JOINT = {"push-ups": (11, 13, 15), "squats": (23, 25, 27), "pull-ups": (11, 13, 15), "dips": (11, 13, 15)}
EXERCISES = tuple(KEY_JOINT)
LIMBS = [
    (11, 13), (13, 15), (12, 14), (14, 16), (11, 12), (23, 24), (11, 23), (12, 24), (23, 25), (25, 27),
    (24, 26), (26, 28), (27, 29), (27, 31), (29, 31), (28, 32), (15, 17), (15, 19), (16, 20), (15, 21),
    (0, 7), (7, 8),
]  # fmt: skip
FIXED = {"push-ups": (15, 16, 31, 32), "squats": (27, 28, 31, 32), "pull-ups": (15, 16), "dips": (15, 16)}


@pytest.fixture(scope="module")
def recordings():
    return make_recordings(CLASSES, seed=0, people=16)


def motion(class_name: str, seed: int = 3) -> SyntheticMotion:
    return synthetic_motion(class_name, np.random.default_rng(seed))


def key_angle_deg(film: SyntheticMotion, class_name: str) -> np.ndarray:
    """The true angle of the working joint in space, left and right averaged."""

    def angle(first: int, middle: int, last: int) -> np.ndarray:
        a, b = (film.points_FxLx3[:, end] - film.points_FxLx3[:, middle] for end in (first, last))
        cos = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
        return np.degrees(np.arccos(np.clip(cos, -1, 1)))

    left = KEY_JOINT[class_name]
    return (angle(*left) + angle(*(landmark + 1 for landmark in left))) / 2


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
    assert same(one, make_recordings(("dips", NO_EXERCISE), seed=5, people=3))
    other = make_recordings(("dips", NO_EXERCISE), seed=6, people=3)
    assert not any(a.content == b.content for a in one for b in other)


def test_another_process_gives_the_same_bits():
    code = (
        "from wt_jax.data.synthetic_recordings import make_recordings;"
        "print(*(r.content for r in make_recordings(['squats', 'no_exercise'], 5, people=3)))"
    )
    printed = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert printed.split() == [r.content for r in make_recordings(["squats", "no_exercise"], 5, people=3)]


def test_a_class_more_or_less_changes_no_other_class():
    alone = make_recordings(["squats"], seed=1, people=3)
    assert same(alone, make_recordings(["dips", "squats"], seed=1, people=3)[3:])


def test_a_class_without_a_synthetic_exercise_is_left_out():
    made = make_recordings(["juggling", "squats", "no_exercise"], 0, people=3)
    assert {r.class_name for r in made} == {"squats", NO_EXERCISE}


def test_anything_in_the_repertoire_is_an_exercise_where_it_is_a_class():
    made = make_recordings(["lunges", "sit-ups"], 0, people=4)
    assert [r.class_name for r in made] == ["lunges"] * 4 + ["sit-ups"] * 4
    assert sum(len(r.starts) for r in made) >= 2 * len(made)


def test_no_exercise_holds_none_of_the_classes(monkeypatch):
    seen = set()
    spied = {
        name: (lambda rng, body, name=name, make=make: seen.add(name) or make(rng, body), share)
        for name, (make, share) in REPERTOIRE.items()
    }
    monkeypatch.setattr("wt_jax.synthetic.motion.REPERTOIRE", spied)
    monkeypatch.setattr("wt_jax.synthetic.motion._getting_ready", lambda *_: [])
    for seed in range(12):
        synthetic_motion(NO_EXERCISE, np.random.default_rng(seed), classes=("bench-press", "sit-ups", "rows"))
    assert not seen & {"bench-press", "sit-ups", "rows"} and len(seen) > 8


def test_fewer_than_three_people_are_refused():
    with pytest.raises(ValueError, match=r"people=2: must be at least 3"):
        make_recordings(CLASSES, seed=0, people=2)


def test_splits_share_no_person(recordings):
    audit(recordings)
    people = {split: {r.group for r in recordings if r.split == split} for split in ("train", "val", "test")}
    assert {split: len(groups) for split, groups in people.items()} == {"train": 10, "val": 3, "test": 3}
    assert (
        not people["train"] & people["val"]
        | people["train"] & people["test"]
        | people["val"] & people["test"]
    )


def test_every_exercise_has_repetitions_in_every_split_and_no_exercise_has_none(recordings):
    for split in ("train", "val", "test"):
        for class_name in EXERCISES:
            chosen = [r for r in recordings if (r.split, r.class_name) == (split, class_name)]
            assert sum(len(r.starts) for r in chosen) >= 3 * len(chosen)
    assert all(r.starts is not None and len(r.starts) == 0 for r in recordings if r.class_name == NO_EXERCISE)


def test_recordings_are_usable_and_their_starts_lie_inside_the_set(recordings):
    for recording in recordings:
        assert np.isfinite(recording.angles_FxJ).all()
        assert recording.angles_FxJ.min() >= 0 and recording.angles_FxJ.max() <= 1
        assert recording.valid_F.mean() > 0.9
        assert 10 * FRAME_RATE_HZ < len(recording) < 45 * FRAME_RATE_HZ
        assert recording.class_known_F[recording.starts].all()
        gaps_s = np.diff(recording.starts) / FRAME_RATE_HZ
        assert ((gaps_s > 1.1) & (gaps_s < 6.6)).all()  # 1.2 to 4.5 s, and a pause of up to 2 s
    assert {recording.source_fps for recording in recordings} == set(FRAME_RATES_HZ)


def test_some_recordings_begin_or_end_before_or_after_the_set(recordings):
    exercise = [r for r in recordings if r.class_name != NO_EXERCISE]
    assert 0.2 < np.mean([not r.class_known_F[0] for r in exercise]) < 0.7
    assert 0.2 < np.mean([not r.class_known_F[-1] for r in exercise]) < 0.7
    assert all(r.class_known_F.all() for r in recordings if r.class_name == NO_EXERCISE)


@pytest.mark.parametrize("class_name", CLASSES)
def test_no_limb_changes_its_length(class_name):
    points = motion(class_name).points_FxLx3
    for a, b in LIMBS:
        length_m = np.linalg.norm(points[:, a] - points[:, b], axis=-1)
        assert np.ptp(length_m) < 1e-9, (LANDMARKS[a], LANDMARKS[b])
        assert 0.01 < length_m[0] < 0.8


@pytest.mark.parametrize("class_name", EXERCISES)
@pytest.mark.parametrize("seed", range(4))
def test_hands_and_feet_that_are_fixed_stay_where_they_are(class_name, seed):
    film = motion(class_name, seed)
    points = film.points_FxLx3[film.class_known_F]
    assert (
        np.ptp(points[:, FIXED[class_name]], axis=0).max() < 0.03
    )  # metres; a straight arm gives way a little


@pytest.mark.parametrize("class_name", EXERCISES)
@pytest.mark.parametrize("seed", range(6))
def test_each_repetition_is_one_valley_of_the_key_angle(class_name, seed):
    film = motion(class_name, seed)
    angle_deg = key_angle_deg(film, class_name)[film.class_known_F]
    middle = (angle_deg.min() + angle_deg.max()) / 2
    falls = np.flatnonzero((angle_deg[1:] < middle) & (angle_deg[:-1] >= middle)) + 1
    falls = falls + np.flatnonzero(film.class_known_F)[0]
    assert len(falls) == len(film.starts) > 1
    assert (film.starts < falls).all() and (
        falls[:-1] < film.starts[1:]
    ).all()  # a start, its valley, the next


@pytest.mark.parametrize("class_name", EXERCISES)
@pytest.mark.parametrize("seed", range(6))
def test_a_repetition_starts_where_the_extended_position_is_left(class_name, seed):
    film = motion(class_name, seed)
    angle_deg, quarter = key_angle_deg(film, class_name), round(0.25 * film.fps)
    for start in film.starts:
        near = angle_deg[max(0, start - quarter) : start + quarter + 1]
        assert angle_deg[start] > near.max() - 10
        assert angle_deg[start] > 140
        assert angle_deg[start + quarter] < angle_deg[start] - 1.5  # the slowest descent takes two seconds
        assert angle_deg[start + 2 * quarter] < angle_deg[start] - 8


@pytest.mark.parametrize("class_name", CLASSES)
def test_landmarks_look_like_those_of_a_pose_estimator(class_name):
    film = motion(class_name)
    landmarks, there = film.landmarks_FxLx4, ~np.isnan(film.landmarks_FxLx4).any((1, 2))
    assert landmarks.shape == (len(there), 33, 4) and landmarks.dtype == np.float32
    assert there.mean() > 0.9 and np.isnan(landmarks[~there]).all()  # a lost person is a whole row of NaN
    seen = landmarks[there]
    assert seen[..., :2].min() >= 0 and seen[..., :2].max() <= 1
    assert np.isin(seen[..., :2], (0, 1)).mean() < 0.002  # the whole person is in the picture
    assert seen[..., 3].min() > 0 and seen[..., 3].max() <= 1
    assert abs(seen[:, 23:25, 2].mean(1)).max() < 1e-5  # z is measured from the hips
    assert len(film.class_known_F) == len(landmarks) == len(film.points_FxLx3)


@pytest.mark.parametrize("seed", range(8))
def test_z_is_in_units_of_x(seed):
    """With z the limbs keep their proportions, whichever way the person is turned."""
    film = motion("squats", seed)
    there = ~np.isnan(film.landmarks_FxLx4).any((1, 2))
    points_px = film.landmarks_FxLx4[there, :, :3] * [film.width_px, film.height_px, film.width_px]
    pixels_a_metre = [
        np.median(np.linalg.norm(points_px[:, a] - points_px[:, b], axis=-1))
        / np.linalg.norm(film.points_FxLx3[0, a] - film.points_FxLx3[0, b])
        for a, b in ((11, 12), (23, 24), (11, 23), (25, 27))
    ]
    assert max(pixels_a_metre) / min(pixels_a_metre) < 1.25  # perspective and noise


def test_a_person_is_seen_from_many_sides(recordings):
    """From the side the two shoulders' line is short: the spine angle is far from a right angle or tiny."""
    spine = ANGLE_NAMES.index("spine_left")
    for class_name in EXERCISES:
        medians = [
            180 * np.median(r.angles_FxJ[r.valid_F, spine]) for r in recordings if r.class_name == class_name
        ]
        assert np.ptp(medians) > 40


def test_an_unknown_class_cannot_be_filmed():
    with pytest.raises(KeyError, match="lunges"):
        motion("lunges")
