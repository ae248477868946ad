import pytest

from wt_jax.runtime import host_memory
from wt_jax.runtime.host_memory import available_bytes


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        (None, None, 2_048_000),
        ("max", "5", 2_048_000),
        ("900000", "400000", 530_000),
        ("9000000", "0", 2_048_000),
    ],
)
def test_what_is_left_of_the_machine_or_of_its_container(tmp_path, monkeypatch, limit, used, expected):
    """Pages of files that nobody is reading are in `used`, and are given up when asked for: 30,000 bytes."""
    (tmp_path / "meminfo").write_text("MemTotal:  8000 kB\nMemFree:  10 kB\nMemAvailable:    2000 kB\n")
    monkeypatch.setattr(host_memory, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(host_memory, "_CONTAINER", tmp_path)
    if limit:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text("anon 7\ninactive_file 30000\nactive_file 9\n")
    assert available_bytes() == expected


def test_a_system_that_does_not_say(tmp_path, monkeypatch):
    there = available_bytes()
    monkeypatch.setattr(host_memory, "_MEMINFO", tmp_path / "none")
    assert there / 100 < available_bytes() < 100 * there
