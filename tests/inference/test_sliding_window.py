"""Timelines: windows merged frame by frame, whatever the recording's length."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from runs import compilations

from wt_jax import config
from wt_jax.inference.sliding_window import Frames, Merge, cut, make_timelines, window_firsts, window_weights
from wt_jax.input_pipeline.windows import gather
from wt_jax.models.tcn import init_params, make_model

CLASSES = ("push-ups", "squats", "no-exercise")


@pytest.fixture(scope="module")
def options(tiny_config):
    flat = config.flatten(tiny_config)
    return config.unflatten(flat | {"data.window_frames": 8, "data.window_step": 3, "data.classes": CLASSES})


def pose(n_frames, invalid=()):
    valid_F = np.ones(n_frames, bool)
    valid_F[list(invalid)] = False
    angles = np.random.default_rng(n_frames).random((n_frames, 25), np.float32)
    return Frames(np.where(valid_F[:, None], angles, np.float32(0)), None, valid_F)


@pytest.mark.parametrize(
    ("n_frames", "expected"),
    [(5, [0]), (24, [0]), (25, [0, 1]), (31, [0, 3, 6, 7])],
)
def test_windows_cover_a_recording(n_frames, expected):
    assert window_firsts(n_frames, 24).tolist() == expected


def test_the_middle_of_a_window_counts_most():
    weights = window_weights(24)
    assert weights.argmax() in (11, 12)
    np.testing.assert_allclose(weights, weights[::-1])
    assert 0.05 < weights[0] < 0.1 and weights.max() < 1


def test_merge_by_hand():
    """Two windows of two frames, three apart: 0..5 and 3..8."""
    merge = Merge(2, 2, 3)
    merge.add(np.array([0, 3]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.0, 0.6], [1.0, 1.0]]))
    merged = merge.timeline(("a", "no-exercise"), Frames(np.zeros((9, 25)), None, np.ones(9, bool)))
    weights = window_weights(6)
    np.testing.assert_allclose(merged.signal_F[:3], [0.0, 0.2, 0.4], atol=1e-6)
    np.testing.assert_allclose(merged.signal_F[6:], 1.0)
    expected = (0.6 * weights[3] + weights[0]) / (weights[3] + weights[0])
    np.testing.assert_allclose(merged.signal_F[3], expected, rtol=1e-6)
    np.testing.assert_allclose(
        merged.probabilities_FxC[4, 1], weights[1] / (weights[1] + weights[4]), rtol=1e-6
    )
    np.testing.assert_allclose(merged.probabilities_FxC.sum(1), 1, rtol=1e-6)


def test_a_window_beyond_the_end_is_not_real(options):
    windows = cut(options, pose(10, invalid=(3,)), np.array([0, -6]))
    assert windows["mask_BxT"].tolist() == [
        [True, False, True, True, False, False, False, False],
        [False, False, True, False, True, True, False, False],
    ]
    assert windows["angles_BxTxJ"].shape == (2, 8, 25)


def test_a_window_cut_on_the_host_is_the_one_gathered_on_the_device(options):
    frames, firsts = pose(60, invalid=(3, 20)), np.array([0, 7, 36], np.int32)
    sequences = {
        "angles_FxJ": frames.angles_FxJ, "real_F": frames.valid_F, "counted_F": frames.valid_F,
        "targets_F": np.zeros(60, np.float32), "classes_F": np.zeros(60, np.int8),
    }  # fmt: skip
    gathered = gather({name: jnp.asarray(x) for name, x in sequences.items()}, firsts, 8, 3)
    for name, windows in cut(options, frames, firsts).items():
        np.testing.assert_array_equal(windows, gathered[name])


@pytest.mark.optimized
def test_a_timeline_is_the_networks_own_words(options):
    """A recording of one window: the same numbers as the model's, at the window's frames."""
    params = init_params(options)
    one = pose(24)
    (timeline,) = make_timelines(options)(params, [one])
    window = one.angles_FxJ[None, ::3]
    logits_BxC, logits_BxT = make_model(options).apply({"params": params}, window, np.ones((1, 8), bool))
    np.testing.assert_allclose(
        timeline.probabilities_FxC, jax.nn.softmax(logits_BxC).repeat(24, 0), rtol=1e-5
    )
    np.testing.assert_allclose(timeline.signal_F[::3], jax.nn.sigmoid(logits_BxT)[0], rtol=1e-5)


@pytest.mark.optimized
def test_recordings_of_all_lengths_together_are_as_alone(options):
    """And frames where nobody is seen are 0. 200 windows in batches of 64, one of them across recordings."""
    params, timelines = init_params(options), make_timelines(options)
    poses = [pose(7), pose(300, invalid=range(100, 140)), pose(25), pose(310)]
    together = timelines(params, poses)
    for one, merged in zip(poses, together, strict=True):
        (alone,) = timelines(params, [one])
        np.testing.assert_allclose(merged.signal_F, alone.signal_F, rtol=1e-5, atol=1e-7)
        assert merged.signal_F.shape == (len(one.valid_F),)
        assert merged.probabilities_FxC.shape == (len(one.valid_F), 3)
    assert (together[1].signal_F[100:140] == 0).all() and (together[1].probabilities_FxC[100:140] == 0).all()
    np.testing.assert_allclose(together[1].probabilities_FxC[:100].sum(1), 1, rtol=1e-5)


def test_a_model_of_landmarks_says_that_it_needs_them(options):
    flat = config.flatten(options) | {"data.inputs": ("angles", "orientation")}
    with pytest.raises(
        ValueError, match="the model needs landmarks, and these frames hold joint angles alone"
    ):
        cut(config.unflatten(flat), pose(30), np.zeros(1, int))


def test_windows_added_together_or_one_by_one_are_the_same_sums():
    """To the last bit: what a stream adds one by one is what predict adds in batches. Also before frame 0."""
    rng = np.random.default_rng(0)
    firsts_N = np.array([-9, -6, -3, 0, 3, 6, 7])
    probabilities_NxC, starts_NxT = rng.random((7, 3), np.float32), rng.random((7, 8), np.float32)
    together, one_by_one, positions = Merge(3, 8, 3), Merge(3, 8, 3), np.arange(8) * 3
    together.add(firsts_N, probabilities_NxC, starts_NxT)
    for i in range(7):
        one_by_one.add(firsts_N[i : i + 1], probabilities_NxC[i : i + 1], starts_NxT[i : i + 1])
    a, b = (merge.timeline(CLASSES, pose(31)) for merge in (together, one_by_one))
    np.testing.assert_array_equal(a.signal_F, b.signal_F)
    np.testing.assert_array_equal(a.probabilities_FxC, b.probabilities_FxC)
    signal_F, weight_F = np.zeros(31), np.zeros(31)
    for first, starts_T in zip(firsts_N, starts_NxT, strict=True):  # in plain words
        for frame in range(max(first, 0), first + 24):
            weight = window_weights(24)[frame - first]
            signal_F[frame] += weight * np.interp(frame - first, positions, starts_T)
            weight_F[frame] += weight
    np.testing.assert_array_equal(a.signal_F, (signal_F / weight_F).astype(np.float32))


def test_no_more_programs_than_batch_sizes(options, monkeypatch):
    """Recordings of many lengths, alone and together, on a device with two sizes: two programs."""
    monkeypatch.setattr("wt_jax.inference.sliding_window.SMALL_BATCH", 4)
    monkeypatch.setattr("wt_jax.inference.sliding_window.forward_batch", lambda platform: 16)
    params, timelines = init_params(options), make_timelines(options)
    timelines(params, [pose(200)])  # both sizes, and whatever NumPy's arrays need once
    with compilations() as events:
        for n_frames in (1, 5, 24, 40, 63, 64, 65, 180, 333):
            timelines(params, [pose(n_frames)])
        timelines(params, [pose(n) for n in (3, 100, 37, 240)])
    assert events == []


@pytest.mark.optimized
def test_batch_sizes_change_nothing(options, monkeypatch):
    params, poses = init_params(options), [pose(7), pose(300), pose(1)]
    expected = make_timelines(options)(params, poses)
    monkeypatch.setattr("wt_jax.inference.sliding_window.SMALL_BATCH", 4)
    monkeypatch.setattr("wt_jax.inference.sliding_window.forward_batch", lambda platform: 16)
    for one, other in zip(expected, make_timelines(options)(params, poses), strict=True):
        np.testing.assert_allclose(one.signal_F, other.signal_F, rtol=1e-5)
