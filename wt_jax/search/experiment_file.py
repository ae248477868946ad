"""A config as an experiment file: Python that anybody can read, change and train."""

import dataclasses
from pathlib import Path

from wt_jax import config
from wt_jax.options import Section
from wt_jax.runtime.files import written_beside


def write_experiment(path: Path, options: config.Config, about: str) -> None:
    """Writes the file, whole or not at all; `about` is its header. What is as by default is left out."""
    sections, lines = set(), []
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if not isinstance(value, Section):
            lines.append(f"        {field.name}={value!r},")
            continue
        kind, default = type(value), type(value)()
        changed = [
            f"            {of.name}={getattr(value, of.name)!r},"
            for of in dataclasses.fields(value)  # type: ignore[arg-type]
            if getattr(value, of.name) != getattr(default, of.name)
        ]
        if changed:
            sections.add(kind.__name__)
            lines += [f"        {field.name}={kind.__name__}(", *changed, "        ),"]
    imported = ", ".join(sorted({"Config", *sections}))
    words = about.replace("\\", "\\\\").replace('"""', "'''")
    text = [
        f'"""{words}"""', "", f"from wt_jax.config import {imported}", "", "",
        "def get_config() -> Config:", "    return Config(", *lines, "    )",
    ]  # fmt: skip
    with written_beside(path) as beside:
        beside.write_text("\n".join(text) + "\n")
