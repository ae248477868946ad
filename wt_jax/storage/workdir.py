"""The workdir of a run, wherever it is: one writer, and all processes of the run see what is in it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import filelock
import jax

from wt_jax.runtime.coordination import check_same, exchange, is_first
from wt_jax.runtime.files import only_writer
from wt_jax.runtime.printable import tell
from wt_jax.storage.lease import Lease, LostError, interrupt
from wt_jax.storage.mirror import Mirror
from wt_jax.storage.places import is_remote, run_folder

_open: dict[str, Mirror] = {}


@contextmanager
def opened(place: str) -> Iterator[Path]:
    """The folder to write to; keeps other runs out of it. All processes of a run must come here.

    For a bucket it is a copy, of what is there at first; what is written into it follows, and all is there
    in the end. Raises ValueError where it cannot be written, or another process has it.
    """
    folder = run_folder(place)
    check_same({"workdir": place if is_remote(place) else "a folder"})
    if not is_first():
        share(place)
        yield folder
        return
    with only_writer(folder):
        if not is_remote(place):
            yield folder
            return
        with held(place) as lease, _followed(Mirror(folder, place, lease), place):
            yield folder


@contextmanager
def held(place: Path | str) -> Iterator[Lease | None]:
    """Keeps others out of a place in a bucket that ask the same way; of a folder there is no lease.

    Raises ValueError where it cannot be written, or another process has it, or has taken it over.
    """
    if not is_remote(place):
        yield None
        return
    lease = Lease(str(place), on_lost=interrupt)
    lease.acquire()
    try:
        yield lease
        lease.check()
    except KeyboardInterrupt:
        lease.check()  # why it was interrupted
        raise
    finally:
        with suppress(ValueError):  # it runs out by itself
            lease.release()


def share(place: str) -> None:
    """What process 0 has written into the workdir is there for the others; all must call this, or none."""
    if not is_remote(place) or jax.process_count() == 1:
        return
    if mirror := _open.get(place):
        mirror.flush()
    folder = run_folder(place)
    mark = folder / f".first-{uuid.uuid4().hex}"
    if is_first():
        mark.touch()
    mark = folder / exchange(mark.name)[0]
    if not mark.exists():  # where it does, this is the folder of process 0, on its machine or a shared disk
        folder.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(folder / ".fetched.lock"):
            Mirror(folder, place).fetch()
    exchange("")
    if is_first():
        mark.unlink()


@contextmanager
def _followed(mirror: Mirror, place: str) -> Iterator[None]:
    mirror.fetch()
    mirror.start()
    _open[place] = mirror
    try:
        share(place)
        yield
    except BaseException:
        try:
            mirror.close()
        except LostError:  # why the run was interrupted
            raise
        except (ValueError, OSError) as failed:  # beside what ends the run already
            tell(f"warning: {failed}")
        raise
    else:
        mirror.close()
    finally:
        del _open[place]
