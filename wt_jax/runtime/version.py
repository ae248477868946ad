"""Which wt_jax this is."""

import importlib.metadata
import tomllib
from pathlib import Path


def find_version() -> str:
    """That of the installed package, else that of the checkout, which `+checkout` says."""
    try:
        return importlib.metadata.version("wt_jax")
    except importlib.metadata.PackageNotFoundError:
        pyproject = Path(__file__).parents[2] / "pyproject.toml"
        if not pyproject.is_file():  # a copy of the package alone
            return "unknown"
        return tomllib.loads(pyproject.read_text())["project"]["version"] + "+checkout"


__version__ = find_version()
