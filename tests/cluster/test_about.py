import os

import pytest

from wt_jax.cluster.about import About, check, explain
from wt_jax.runtime.version import __version__


def test_another_wt_jax_is_refused_and_another_folder_said(capsys):
    check(About("10.0.0.2", __version__, os.getcwd()))
    assert capsys.readouterr().err == ""
    check(About("10.0.0.2", __version__, "/root"))
    assert (
        f"note: 10.0.0.2 has no folder {os.getcwd()}: relative paths begin at /root"
        in capsys.readouterr().err
    )
    with pytest.raises(ValueError, match=r"10\.0\.0\.2 has wt_jax 0\.0\.1, and this machine"):
        check(About("10.0.0.2", "0.0.1", os.getcwd()))


def test_what_ray_says_is_one_line():
    assert explain(RuntimeError("ray::Worker()\n  File x\n\nThe actor died.\n")) == "The actor died."
    assert explain(RuntimeError()) == "RuntimeError"
    with pytest.raises(ValueError, match=r"no wt_jax.*No module named 'wt_jax'"):
        explain(RuntimeError("Traceback\nModuleNotFoundError: No module named 'wt_jax'"))
