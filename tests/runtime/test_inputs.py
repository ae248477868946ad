import os
import socket

import pytest

from wt_jax.runtime.inputs import check_file, why_no_file


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


KINDS = {
    "a folder": lambda path: path.mkdir(),
    "a pipe": os.mkfifo,
    "a socket": make_socket,
    "a device": lambda path: path.symlink_to("/dev/zero"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_named(tmp_path, kind):
    path = tmp_path / "a.mp4"
    KINDS[kind](path)
    assert why_no_file(path, "a video") == f"{kind}, not a video"
    with pytest.raises(ValueError, match=rf"^{path}: {kind}, not a file$"):
        check_file(path)


def test_files_and_what_is_not_there(tmp_path):
    path = tmp_path / "a.mp4"
    path.touch()
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "circle").symlink_to("circle")
    assert why_no_file(path) == why_no_file(str(tmp_path / "link")) == ""
    check_file(path)
    assert why_no_file(tmp_path / "b.mp4") == why_no_file(path / "b.mp4") == "no such file"
    assert why_no_file(tmp_path / "circle") == "Too many levels of symbolic links"
    assert why_no_file(tmp_path / ("x" * 300)) == "File name too long"
