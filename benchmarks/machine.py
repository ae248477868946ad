"""What every benchmark says first: where, with what, when and how it ran."""

import argparse
import contextlib
import datetime
import importlib.metadata
import os
import platform
import shlex
import sys
from pathlib import Path

from wt_jax.runtime import cli


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next(
        (line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    return f"{cpu}, {os.cpu_count()} cores, load at start {load}, {platform.system()} {platform.machine()}"


def _versions() -> str:
    found = [f"python {platform.python_version()}"]
    for package in ("jax", "jaxlib", "flax", "keras", "tensorflow", "tensorflow-cpu", "torch"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{package} {importlib.metadata.version(package)}")
    return ", ".join(found)


def heading() -> str:
    """Lines for machine, versions, date and command."""
    return (
        f"machine: {_machine()}\nversions: {_versions()}\n"
        f"date: {datetime.datetime.now():%Y-%m-%d %H:%M}\ncommand: python {shlex.join(sys.argv)}"
    )


def positive(text: str) -> float:
    """A number of the command line, as argparse takes its types: finite, and above 0."""
    try:
        return cli.positive_number("is", text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
