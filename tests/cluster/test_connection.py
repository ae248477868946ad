import sys

import pytest

from wt_jax.cluster import connection
from wt_jax.cluster.connection import connected


def test_without_ray_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r"needs Ray .*: pip install -e '\.\[cluster\]'"), connected("auto"):
        raise AssertionError


@pytest.mark.parametrize("where", ["file", "variable", "nowhere"])
def test_a_token_that_is_there_is_shown(where, monkeypatch, tmp_path):
    """Ray's client does not look for it by itself."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_TOKEN_PATH", raising=False)
    monkeypatch.setenv("RAY_AUTH_MODE", "")
    monkeypatch.delenv("RAY_AUTH_MODE")
    if where == "file":
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text("token")
    elif where == "variable":
        monkeypatch.setenv("RAY_AUTH_TOKEN", "token")
    connection._show_token()
    assert connection.os.environ.get("RAY_AUTH_MODE") == (None if where == "nowhere" else "token")
