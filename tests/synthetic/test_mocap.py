from pathlib import Path

import numpy as np
import pytest

from wt_jax.data.synthetic_recordings import mocap_recordings
from wt_jax.pose.joint_angles import joint_angles
from wt_jax.skeleton import ANGLE_NAMES, CLASSES, LANDMARKS, NO_EXERCISE
from wt_jax.synthetic.bodies import ELBOWS, PELVIS, WRISTS, Body
from wt_jax.synthetic.joint_tracks import JOINTS, JointTrack, knee_bend_starts, load_track
from wt_jax.synthetic.mocap import film_track, landmarks_of
from wt_jax.synthetic.postures import stand

MOCAP = Path(__file__).parents[3] / "shared" / "mocap"
CUTS, WAIT, BEND, PERIOD = np.array([0, 90, 180]), 15, 50, 90  # of the squats below, frames
SAME = {"nose": "nose", "toe": "foot_index", "hand": "index"}  # landmarks under another name than the joint


def landmark(joint: str) -> int:
    side, _, name = joint.rpartition("_")
    name = SAME.get(name, name)
    return LANDMARKS.index(f"{ {'l': 'left_', 'r': 'right_'}[side] }{name}" if side else name)


def squatting(seconds: float = 9.0) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (F, 33, 3) and joints (F, 24, 3) of a synthetic person: standing until WAIT after a cut, then
    down and up in BEND frames; the left hand held out."""
    rng = np.random.default_rng(0)
    body = Body(rng)
    frame = np.arange(int(30 * seconds))
    depth = np.sin(np.pi * np.clip((frame % PERIOD - WAIT) / BEND, 0, 1)) ** 2
    pose = np.repeat(stand(rng, body)[None], len(frame), 0)
    pose[:, PELVIS, 2] -= 0.45 * depth
    pose[:, WRISTS, 2] -= 0.45 * depth[:, None]
    pose[:, WRISTS.start] += [0.4, 0.1, 0.4]
    pose[:, ELBOWS.start, 2] = -1
    points = body.points(pose)
    pelvis, shoulders, ears = (points[:, i : i + 2].mean(1) for i in (23, 11, 7))
    middle = {"pelvis": pelvis, "neck": shoulders, "head": ears}
    joints = [middle[name] if name in middle else points[:, landmark(name)] for name in JOINTS]
    return points, np.stack(joints, 1).astype(np.float32)


def save(path: Path, **changed) -> Path:
    """A file of squats; a key that is None is left out."""
    joints = squatting()[1]
    given = {
        "points": (joints - joints[:, :1]).astype(np.float16), "pelvis": joints[:, 0],
        "joints": np.array(JOINTS), "fps": np.float32(30), "person": np.str_("anna"), "starts": CUTS,
    } | changed  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **{key: value for key, value in given.items() if value is not None})
    return path


def faces_ahead(points_FxLx3: np.ndarray) -> bool:
    """Left is left of where the toes point, the nose is before the ears, the feet below."""
    left = points_FxLx3[:, 23] - points_FxLx3[:, 24]
    ahead = points_FxLx3[:, 31:33].mean(1) - points_FxLx3[:, 29:31].mean(1)
    nose = points_FxLx3[:, 0] - points_FxLx3[:, 7:9].mean(1)
    eyes = points_FxLx3[:, 2] - points_FxLx3[:, 5]
    agree = [np.cross(ahead, left)[:, 2], (nose * ahead).sum(-1), (eyes * left).sum(-1)]
    return bool((np.array(agree) > 0).all())


def knees_deg(points_FxLx3: np.ndarray) -> np.ndarray:
    a, b = (points_FxLx3[:, end : end + 2] - points_FxLx3[:, 25:27] for end in (23, 27))
    cos = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return np.degrees(np.arccos(np.clip(cos, -1, 1))).mean(-1)


def test_joints_become_the_landmarks_that_they_were():
    """There and back: eyes, mouth, heels and the fingers of an arm that hangs are as in bodies.py."""
    points, joints = squatting()
    away_m = np.linalg.norm(landmarks_of(joints) - points, axis=-1).max(0)
    fingers = {name: LANDMARKS.index(name) for name in LANDMARKS if "pinky" in name or "thumb" in name}
    assert away_m[[fingers["right_pinky"], fingers["right_thumb"]]].max() < 0.015
    assert np.delete(away_m, list(fingers.values())).max() < 1e-3


def test_thumbs_are_turned_inwards_by_pronation():
    joints = squatting()[1]
    thumbs = np.stack([landmarks_of(joints, turn)[:, 21:23] for turn in (0.0, 0.5)])
    apart_m = np.abs(thumbs[:, :, 1, 1] - thumbs[:, :, 0, 1])
    assert (apart_m[1] < apart_m[0] - 0.005).all()


def test_the_head_is_as_wide_as_the_joints_say():
    joints = squatting()[1]
    joints[:, JOINTS.index("l_ear"), 1] += 0.02
    ears = [JOINTS.index("l_ear"), JOINTS.index("r_ear")]
    assert np.array_equal(landmarks_of(joints)[:, 7:9], joints[:, ears])


def test_the_heel_lies_beneath_its_marker():
    points, joints = squatting()
    heels = [JOINTS.index("l_heel"), JOINTS.index("r_heel")]
    joints[:, heels, 2] += 0.03
    assert np.abs(landmarks_of(joints)[:, 29:31] - points[:, 29:31]).max() < 0.01


def test_a_straight_knee_and_elbow_are_near_one():
    joints = squatting()[1]
    points = landmarks_of(joints)[:, :, [1, 2, 2, 2]] * [1, -1, 0, 0] + 3  # seen from ahead, upright
    angles = joint_angles(points, 1, 1)
    standing = angles[0, [ANGLE_NAMES.index(name) for name in ("knee_left", "knee_right", "elbow_right")]]
    assert (standing > 0.93).all()


@pytest.mark.parametrize("seed", range(6))
def test_left_stays_left_whoever_is_filmed(seed):
    points, joints = squatting()
    film = film_track(np.random.default_rng(seed), JointTrack(joints, CUTS, "anna"))
    assert faces_ahead(points) and faces_ahead(film.points_FxLx3)


def test_people_differ_in_limbs_hand_pace_and_view():
    points, joints = squatting()
    films = [film_track(np.random.default_rng(seed), JointTrack(joints, CUTS, "anna")) for seed in range(12)]
    held_out = [f.points_FxLx3[0, 15, 2] > f.points_FxLx3[0, 16, 2] for f in films]
    assert points[0, 15, 2] > points[0, 16, 2] and 2 < sum(held_out) < 10  # mirrored, half of them
    thigh_m, shank_m = (
        np.array([np.linalg.norm(np.subtract(*f.points_FxLx3[0, [a, b]])) for f in films])
        for a, b in ((23, 25), (25, 27))
    )
    assert 0.02 < thigh_m.std() / thigh_m.mean() < 0.1 and (thigh_m / shank_m).std() > 0.01
    assert np.ptp([len(f.points_FxLx3) / f.fps for f in films]) > 1
    for film in films:  # the feet that carry stay put
        assert np.ptp(film.points_FxLx3[:, 27:29], axis=0).max() < 0.012


def test_starts_move_from_the_cut_to_where_the_knees_begin_to_bend():
    track = knee_bend_starts(JointTrack(squatting()[1], CUTS, "anna"))
    assert np.abs(track.starts - CUTS - WAIT).max() <= 7  # 8 % of the way down


def test_a_repetition_that_is_under_way_when_the_track_begins_has_no_start():
    joints = squatting()[1][WAIT + 12 :]
    cuts = np.array([0, *CUTS[1:] - WAIT - 12])
    moved = knee_bend_starts(JointTrack(joints, cuts, "anna"))
    assert len(moved.starts) == 2 and np.abs(moved.starts - cuts[1:] - WAIT).max() <= 7


@pytest.mark.parametrize("seed", range(6))
def test_starts_are_filmed_where_they_are(seed):
    track = knee_bend_starts(JointTrack(squatting()[1], CUTS, "anna"))
    film = film_track(np.random.default_rng(seed), track)
    angle_deg, quarter = knees_deg(film.points_FxLx3), round(0.25 * film.fps)
    assert len(film.starts) == 3
    assert (angle_deg[film.starts] > angle_deg.max() - 15).all()
    assert (angle_deg[film.starts + quarter] < angle_deg[film.starts] - 15).all()


def test_of_a_long_track_another_piece_is_filmed_each_time():
    track = JointTrack(squatting(60)[1], np.arange(0, 1800, PERIOD), "anna")
    films = [film_track(np.random.default_rng(seed), track) for seed in range(3)]
    for film in films:
        assert 19.9 < len(film.points_FxLx3) / film.fps < 20.1
        assert (film.starts >= 0).all() and (film.starts < len(film.points_FxLx3)).all()
        assert 5 <= len(film.starts) <= 8
    assert len({film.starts[0] / film.fps for film in films}) == 3


def test_the_folder_says_the_class(tmp_path):
    for motion in ("deep-squat", "side-lunge", "pull-ups", "walking", "no_exercise"):
        save(tmp_path / "lab" / motion / "anna-1.npz")
    classes = {r.name: r.class_name for r in mocap_recordings(tmp_path, CLASSES, 0)}
    assert classes == {
        "squats/lab-deep-squat-anna-1-view0": "squats", "pull-ups/lab-pull-ups-anna-1-view0": "pull-ups",
        "no-exercise/lab-side-lunge-anna-1-view0": NO_EXERCISE,
        "no-exercise/lab-walking-anna-1-view0": NO_EXERCISE,
        "no-exercise/lab-no_exercise-anna-1-view0": NO_EXERCISE,
    }  # fmt: skip
    lunges = mocap_recordings(tmp_path, ["lunges", "deep-squat"], 0)
    assert [r.class_name for r in lunges] == ["deep-squat", "lunges"]
    given, moved = lunges[0].starts, lunges[1].starts
    assert given[0] == 0 and moved[0] >= 12  # the starts of a class of one's own stay where they are


def test_recordings_are_for_training_grouped_by_person_and_the_same_again(tmp_path):
    save(tmp_path / "deep-squat" / "a.npz")
    save(tmp_path / "walking" / "b.npz", person=np.str_("ben"), starts=np.array([], np.int64))
    one = mocap_recordings(tmp_path, CLASSES, 7, views=2)
    assert {(r.split, r.source) for r in one} == {("train", "mocap")}
    assert [r.group for r in one] == ["mocap-anna"] * 2 + ["mocap-ben"] * 2
    assert [len(r.starts) for r in one] == [3, 3, 0, 0] and len({r.content for r in one}) == 4
    save(tmp_path / "jumping" / "c.npz")  # one more file changes no other
    again = [r for r in mocap_recordings(tmp_path, CLASSES, 7, views=2) if "jumping" not in r.name]
    assert [(r.name, r.content, r.digest) for r in one] == [(r.name, r.content, r.digest) for r in again]
    assert not {r.content for r in one} & {r.content for r in mocap_recordings(tmp_path, CLASSES, 8, views=2)}


NAN = np.where(np.arange(270)[:, None] == 40, np.nan, np.zeros((270, 3), np.float32))


@pytest.mark.parametrize(
    "changed, reason",
    [
        ({"pelvis": None}, r"no pelvis: data/README.md says"),
        ({"points": np.zeros((270, 23, 3))}, r"points of shape \(270, 23, 3\).*must be .*\(270, 24, 3\)"),
        ({"points": np.float32(3)}, r"points of shape \(\)"),
        ({"pelvis": np.zeros((269, 3))}, r"pelvis of shape \(269, 3\)"),
        ({"pelvis": np.zeros((270, 3), int)}, r"pelvis of .*int64"),
        ({"pelvis": NAN}, r"pelvis without a place in frame 40 \(NaN"),
        ({"points": np.full((270, 24, 3), 5000.0)}, r"points without a place in frame 0"),
        ({"points": np.zeros((29, 24, 3)), "pelvis": np.zeros((29, 3))}, r"29 frames: must be from 30 to"),
        ({"joints": np.array([*JOINTS[:23], "elbow"])}, r"no joint r_toe: "),
        ({"joints": np.arange(24)}, r"no joint pelvis, neck, "),
        ({"joints": np.array(JOINTS, object)}, r"joints holds pickled objects, refused"),
        ({"fps": np.float32(120)}, r"fps=120.*must be 30: resample it"),
        ({"person": np.array(3)}, r"person of .*must be text"),
        ({"starts": np.array([0, 90, 90])}, r"starts that are not sorted frames below 270"),
        ({"starts": np.array([0, 270])}, r"starts that are not sorted frames below 270"),
        ({"starts": np.array([0.5])}, r"starts of shape \(1,\), type float64: must be whole numbers"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path, changed, reason):
    path = save(tmp_path / "walking" / "x.npz", **changed)
    with pytest.raises(ValueError, match=rf"^{path}: {reason}"):
        mocap_recordings(tmp_path, CLASSES, 0)


def test_what_is_no_archive_is_named(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK\3\4 cut short")
    with pytest.raises(ValueError, match=r"x\.npz: unreadable or cut short"):
        load_track(tmp_path / "x.npz")


def test_a_folder_without_tracks_and_an_exercise_without_starts_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no joint tracks there: data/README.md"):
        mocap_recordings(tmp_path, CLASSES, 0)
    save(tmp_path / "squats" / "x.npz", starts=np.array([], int))
    with pytest.raises(ValueError, match=r"x\.npz: no starts, in a folder of squats"):
        mocap_recordings(tmp_path, CLASSES, 0)


def test_the_order_of_joints_is_free_and_others_are_ignored(tmp_path):
    joints = squatting()[1]
    turned = np.concatenate([joints[:, ::-1], joints[:, :1] + 1], 1) - joints[:, :1]
    path = save(tmp_path / "x.npz", points=turned, joints=np.array([*JOINTS[::-1], "hat"]))
    assert np.abs(load_track(path).joints_FxKx3 - joints).max() < 1e-3


@pytest.mark.skipif(not MOCAP.is_dir(), reason="needs ../shared/mocap beside the checkout")
def test_people_of_shared_mocap():
    for motion in ("uiprmd/deep-squat", "uiprmd/sit-to-stand", "cmu/walking", "cmu/jumping"):
        track = load_track(min((MOCAP / motion).glob("*.npz")))
        assert faces_ahead(landmarks_of(track.joints_FxKx3))
    after_s: list[float] = []
    for path in (MOCAP / "uiprmd" / "deep-squat").glob("correct-*.npz"):
        squat = load_track(path)
        starts = knee_bend_starts(squat).starts
        cuts = squat.starts[np.searchsorted(squat.starts, starts, side="right") - 1]
        after_s.extend((starts - cuts) / 30)
    assert 90 < len(after_s) < 100  # six of the ten are on the way down when their set begins
    assert 0.25 < np.median(after_s) < 0.5  # its README: the extended position is left 0.43 s after the cut
