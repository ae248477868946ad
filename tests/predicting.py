"""The predict command with somebody in every picture, and what it leaves."""

from runs import Walker

from wt_jax import predict
from wt_jax.pose import extraction, poses


def predict_command(run, tmp_path, monkeypatch):
    """command(*arguments) -> status, with somebody in every picture that is not black, and an empty cache."""
    monkeypatch.setattr(extraction, "PoseEstimator", Walker)
    monkeypatch.setattr(poses, "PoseEstimator", Walker)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "model.task").write_bytes(b"model")
    common = ["--checkpoint", str(run), "--pose_model", str(tmp_path / "model.task")]

    def call(*arguments, output=tmp_path / "out"):
        return predict.main([*map(str, arguments), *common, "--output", str(output)])

    return call


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
