"""What a worker says of itself when it is there, and whether a command can be done with it."""

import os
from typing import NamedTuple

from wt_jax.runtime.printable import tell
from wt_jax.runtime.version import __version__


class About(NamedTuple):
    """A worker's machine, its wt_jax, and the folder where its relative paths begin."""

    node: str  # address
    version: str
    folder: str

    @classmethod
    def this(cls) -> "About":
        """Of the worker that asks."""
        import ray  # an extra; what else is here needs none

        return cls(ray.util.get_node_ip_address(), __version__, os.getcwd())


def check(about: About) -> None:
    """Raises ValueError where a worker has another wt_jax; says so where it lacks the driver's folder."""
    if about.version != __version__:
        raise ValueError(
            f"{about.node} has wt_jax {about.version}, and this machine {__version__}: install the same one "
            "on all machines of the cluster"
        )
    if about.folder != os.getcwd():
        tell(f"note: {about.node} has no folder {os.getcwd()}: relative paths begin at {about.folder} there")


def explain(error: Exception) -> str:
    """The last line of what Ray says. Raises ValueError where it is that a machine has no wt_jax."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if any("No module named" in line for line in lines):
        raise ValueError(
            f"a machine of the cluster has no wt_jax, or not all that it needs ({lines[-1]}): install the "
            "same one on all of them, in the Python that ray start is of"
        ) from error
    return lines[-1] if lines else type(error).__name__
