"""Writes docs/config.md, the table of all keys: python docs/write_config.py."""

from pathlib import Path

from wt_jax.runtime.config_flags import markdown
from wt_jax.runtime.files import written_beside

if __name__ == "__main__":
    with written_beside(Path(__file__).with_name("config.md")) as beside:
        beside.write_text(markdown())
