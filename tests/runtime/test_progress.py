"""What a log says of long work, and that a terminal has its bar instead."""

import io
import sys

import pytest

from wt_jax.runtime import progress
from wt_jax.runtime.progress import Progress, track


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A list whose last number is the time."""
    times_s = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: times_s[-1])
    return times_s


def test_a_log_has_a_line_every_half_minute_and_none_of_short_work(clock, capsys):
    with Progress("extraction", "frames", 5000) as bar:
        for second in range(1, 86):
            clock.append(1000.0 + second)
            bar.update(20 if second <= 60 else 0)
        bar.total = 1200
        clock.append(1090.0)
        bar.update(0)  # nothing new, and still alive
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "extraction: 600 of 5,000 frames, 20 a second, about 4 min left",
        "extraction: 1,200 of 5,000 frames, 20 a second, about 3 min left",
        "extraction: 1,200 of 1,200 frames, 13 a second, less than a minute left",
    ]


def test_nobody_knows_how_many(clock, capsys):
    with Progress("finding poses in a.mp4", "frames") as bar:
        clock.append(1031.0)
        bar.update(0)
        clock.append(1062.0)
        bar.update(31)
    assert capsys.readouterr().err.splitlines() == [
        "finding poses in a.mp4: 0 frames, 0 a second",
        "finding poses in a.mp4: 31 frames, 0.5 a second",
    ]


def test_items_are_handed_on_and_counted(clock, capsys):
    names = []
    for name in track(["a", "b", "c"], "building", "recordings"):
        names.append(name)
        clock.append(clock[-1] + 40)
    assert names == ["a", "b", "c"]
    assert (
        capsys.readouterr().err.splitlines()[0]
        == "building: 1 of 3 recordings, 0.025 a second, about 1 min left"
    )
    list(track(["a"] * 9, "building", "recordings", is_shown=False))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("is_shown", [True, False])
def test_a_terminal_has_a_bar_and_no_lines(clock, monkeypatch, is_shown):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Progress("extraction", "frames", 10, is_shown=is_shown) as bar:
        clock.append(1100.0)
        bar.update(10)
        shown = sys.stderr.getvalue()
    assert "\n" not in shown
    assert ("extraction" in shown and "10" in shown) is is_shown
