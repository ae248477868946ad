"""The baselines: nearest known poses, their counter, and what each says of a recording."""

import dataclasses

import numpy as np
import pytest

from wt_jax.data.recordings import Recording
from wt_jax.evaluation.baselines import baselines
from wt_jax.evaluation.knn_baseline import ANY, CONTRACTED, EXTENDED, Neighbours, count_visits
from wt_jax.skeleton import ANGLE_NAMES, N_ANGLES

ELBOWS = [ANGLE_NAMES.index(f"elbow_{side}") for side in ("left", "right")]
KNEES = [ANGLE_NAMES.index(f"knee_{side}") for side in ("left", "right")]
HIPS = [ANGLE_NAMES.index(f"hip_{side}") for side in ("left", "right")]


def recording(name, swings=5, lean=0.9, joint=None, seed=0, period_frames=60):
    """Bends elbows (knees in squats) from straight and back; `lean` is the hips' angle all along."""
    class_name = name.split("/")[0]
    joint = (KNEES if class_name == "squats" else ELBOWS) if joint is None else joint
    n_frames = 30 + swings * period_frames + 30
    t_F = np.clip((np.arange(n_frames) - 30) / period_frames, 0, swings)
    rng = np.random.default_rng([seed, *name.encode()])
    angles_FxJ = np.full((n_frames, N_ANGLES), 0.9) + rng.normal(0, 0.01, (n_frames, N_ANGLES))
    angles_FxJ[:, HIPS] = lean
    angles_FxJ[:, joint] -= 0.25 * (1 - np.cos(2 * np.pi * t_F))[:, None]
    starts = 30 + period_frames * np.arange(swings) if class_name != "no-exercise" else np.zeros(0)
    return Recording(
        name=name,
        class_name=class_name,
        group=name,
        split="train",
        angles_FxJ=np.clip(angles_FxJ, 0, 1).astype(np.float32),
        valid_F=np.ones(n_frames, bool),
        class_known_F=np.ones(n_frames, bool),
        starts=starts.astype(np.int32),
        source_fps=30.0,
        digest=name,
    )


@pytest.fixture(scope="module")
def train():
    """Push-ups bend elbows, squats knees, and nobody leans like those of no-exercise."""
    poses = {"push-ups": 0.9, "squats": 0.6, "no-exercise": 0.3}
    return [
        recording(f"{name}/{i}", lean=lean, swings=0 if name == "no-exercise" else 5)
        for name, lean in poses.items()
        for i in range(3)
    ]


def test_visits_by_hand():
    """Entered above 0.6, left below 0.4: 0.5 is neither, and a visit that never ends is none."""
    extended_F = np.array([1, 1, 0.7, 0.6, 0.2, 0.0, 0.0, 0.7, 0.9, 0.3, 0.0, 0.0, 0.4, 0.3, 0.0, 0.0])
    contracted = [0, 0, 0.3, 0.5, 0.6, 0.7, 0.5, 0.8, 0.39, 0.61, 0.3, 0.6, 0.61, 0.2, 0.9, 0.9]
    visits = count_visits(extended_F, np.array(contracted))
    # the third enters at 12, where nobody was extended since 10: it starts where it is entered
    assert [(visit.start, visit.height) for visit in visits] == [(2, 0.8), (8, 0.61), (12, 0.61)]


def test_no_visits():
    assert count_visits(np.ones(5), np.zeros(5)) == []
    assert count_visits(np.zeros(0), np.zeros(0)) == []


def test_states_of_poses(train):
    known = Neighbours(train)
    assert known.states == (
        ("no-exercise", ANY), ("push-ups", CONTRACTED), ("push-ups", EXTENDED),
        ("squats", CONTRACTED), ("squats", EXTENDED),
    )  # fmt: skip
    confidences = known.confidences(recording("push-ups/new", seed=9))
    assert confidences["push-ups", EXTENDED][20] == pytest.approx(1)
    assert confidences["push-ups", CONTRACTED][30 + 30 + 4] == pytest.approx(1)  # the bottom, smoothed
    total_F = sum(confidences.values())
    np.testing.assert_allclose(total_F, 1)


def test_a_mirrored_pose_is_the_same_pose(train):
    one_sided = [recording(f"push-ups/{i}", joint=ELBOWS[:1]) for i in range(2)] + train[6:]
    known = Neighbours(one_sided)
    left, right = recording("push-ups/l", joint=ELBOWS[:1]), recording("push-ups/l", joint=ELBOWS[1:])
    bottom = 30 + 30 + 4
    for one in (left, right):
        assert known.confidences(one)["push-ups", CONTRACTED][bottom] == pytest.approx(1)


def test_frames_without_anybody_fade(train):
    one = recording("push-ups/new")
    valid_F = np.arange(len(one)) < 10
    gone = dataclasses.replace(one, valid_F=valid_F)
    extended_F = Neighbours(train).confidences(gone)["push-ups", EXTENDED]
    weights = 0.8 ** np.arange(10)
    assert extended_F[9] == pytest.approx(1)
    assert extended_F[11] == pytest.approx(weights[2:].sum() / weights.sum())
    assert not extended_F[19:].any()


def test_samples_are_even_over_recordings_and_repeatable(train):
    pair = [recording("push-ups/long", swings=60), recording("push-ups/short", lean=0.3)]
    known = Neighbours(pair)
    leaning = known._samples_MxJ[:, 8] < 0.5  # the left hip
    assert len(leaning) == 400
    assert 150 <= leaning.sum() <= 200  # 12 times as many frames of the other
    np.testing.assert_array_equal(known._samples_MxJ, Neighbours(pair)._samples_MxJ)


def test_who_does_not_move_has_no_states(train):
    known = Neighbours([recording("squats/still", swings=0), train[0]])
    assert known.states == (("push-ups", CONTRACTED), ("push-ups", EXTENDED))
    assert known.confidences(recording("squats/new"), "squats") == {}


def test_what_the_baselines_say(train):
    new = [
        recording("push-ups/new", seed=5),
        recording("squats/new", lean=0.6, seed=5, swings=3),
        recording("no-exercise/new", lean=0.3, seed=5, swings=4),  # somebody waves
    ]
    results = baselines(train, new)
    assert list(results) == ["majority", "key_angle", "neighbours"]
    for name in ("key_angle", "neighbours"):
        push_ups, squats, rest = results[name]
        assert [one.class_name for one in results[name]] == ["push-ups", "squats", "no-exercise"]
        assert (push_ups.n_class_given, push_ups.n_end_to_end) == (5, 5)
        assert (squats.n_class_given, squats.n_end_to_end) == (3, 3)
        assert rest.n_end_to_end == 0
        assert rest.n_class_given == (4 if name == "key_angle" else 0)
        assert push_ups.heights.min() > 0.4
        np.testing.assert_allclose(push_ups.starts, push_ups.recording.starts, atol=9)
    assert {one.class_name for one in results["majority"]} == {"push-ups"}  # the first of equally many
    assert not any(one.n_class_given or one.n_end_to_end for one in results["majority"])


def test_key_angle_counts_only_what_it_is_told(train):
    """A push-up in the pose of squats: class given five, end to end squats, and the knees do not move."""
    confusing = recording("push-ups/like-squats", lean=0.6)
    one = baselines(train, [confusing])["key_angle"][0]
    assert one.n_class_given == 5
    assert one.class_name == "squats"
    assert one.n_end_to_end == 0


def test_refused(train):
    with pytest.raises(ValueError, match="baselines need recordings to train on"):
        baselines([], train)
    with pytest.raises(ValueError, match=r"trained on 1 of the recordings to judge: push-ups/1"):
        baselines(train, [train[1]])
    with pytest.raises(ValueError, match="nobody moves in any of them"):
        baselines([recording("push-ups/still", swings=0)], [train[0]])
