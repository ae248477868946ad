"""Archives of arrays (.npz), anybody's: what an array's header promises is known before the array is read."""

import io
import math
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

SMALL_BYTES = 2**16  # more than any number or word takes
_KINDS = "biufU"  # bool, whole numbers, floats, text
_HEAD_BYTES = 2**14  # with a header in them: NumPy reads none of more than 10,000
_STEP_BYTES = 2**20
# NumPy writes no other. zipfile does not bound what a piece of bzip2 or LZMA becomes: gigabytes, of zeros.
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class Unreadable(ValueError):
    """What is wrong with an archive, without its name."""


class Header(NamedTuple):
    """What an array's header promises."""

    shape: tuple[int, ...]
    dtype: np.dtype
    is_fortran: bool
    n_bytes: int


class Npz:
    """An archive open for reading. Nothing in it is ever unpickled.

    All raise Unreadable for an array that is not there or damaged, or is packed in another way than NumPy
    does it, and for a header that is none, or promises objects, or another size than the archive has of it.
    """

    def __init__(self, archive: zipfile.ZipFile):
        self._archive = archive
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    @property
    def names(self) -> tuple[str, ...]:
        """Of the arrays, in order."""
        return tuple(self._members)

    def header(self, name: str) -> Header:
        """What there is to read."""
        with _damage_said(), self._open(name) as member:
            return _read_header(name, member, self._members[name].file_size)[0]

    def read(self, name: str, most_bytes: int = SMALL_BYTES) -> np.ndarray:
        """One array. Raises Unreadable for one of more than `most_bytes`, before memory is taken for it."""
        with _damage_said(), self._open(name) as member:
            header, data = _read_header(name, member, self._members[name].file_size)
            if header.n_bytes > most_bytes:
                raise Unreadable(
                    f"{name} of shape {header.shape}, type {header.dtype}: {header.n_bytes:,} bytes, where "
                    f"{most_bytes:,} are the most"
                )
            if not header.n_bytes:
                return np.zeros(header.shape, header.dtype)
            bytes_N, done = np.empty(header.n_bytes, np.uint8), 0
            while done < header.n_bytes:
                if not (data := data or member.read(min(_STEP_BYTES, header.n_bytes - done))):
                    raise EOFError(f"{name} ends after {done} of {header.n_bytes} bytes")
                bytes_N[done : done + len(data)] = np.frombuffer(data, np.uint8)
                done, data = done + len(data), b""
            return bytes_N.view(header.dtype).reshape(header.shape, order="F" if header.is_fortran else "C")

    def text(self, name: str) -> str:
        """An array that is one piece of text. Raises Unreadable for another."""
        value = self.read(name)
        if value.size != 1 or value.dtype.kind != "U":
            raise Unreadable(f"{name} of shape {value.shape}, type {value.dtype}: must be text")
        with _damage_said():
            return str(value.item())

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._members:
            raise Unreadable(f"no {name}")
        if self._members[name].compress_type not in _PACKED:
            raise Unreadable(f"{name} is packed in another way than np.savez_compressed does it")
        return self._archive.open(self._members[name])


@contextmanager
def open_npz(path: Path | str) -> Iterator[Npz]:
    """Raises Unreadable for a file that is no archive of arrays, OSError for one that cannot be opened."""
    if not Path(path).is_file():  # a pipe would keep its reader waiting
        raise Unreadable("no such file")
    with Path(path).open("rb") as file:
        if file.read(4) != b"PK\3\4":
            raise Unreadable("no npz archive")
        with _damage_said():
            archive = zipfile.ZipFile(file)
        with archive:
            yield Npz(archive)


def _read_header(name: str, member: IO[bytes], n_bytes: int) -> tuple[Header, bytes]:
    """The header of a member of `n_bytes`, and what has been read of the data behind it."""
    file = io.BytesIO(member.read(_HEAD_BYTES))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what Python 2 wrote, and of what a damaged header says
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(file)
        elif version == (2, 0):
            shape, is_fortran, dtype = np.lib.format.read_array_header_2_0(file)
        else:
            raise Unreadable(f"{name} in version {version} of the npy format")
    if dtype.hasobject:
        raise Unreadable(f"{name} holds pickled objects, refused")
    is_odd = min(shape, default=0) < 0 or (not dtype.itemsize and math.prod(shape) > 1)
    if dtype.kind not in _KINDS or dtype.itemsize > SMALL_BYTES or is_odd:
        raise Unreadable(f"{name} of shape {shape}, type {dtype}: must hold numbers, or text")
    promised = math.prod(shape) * dtype.itemsize
    if n_bytes != file.tell() + promised:
        raise Unreadable(f"{name} of {n_bytes:,} bytes, where its header promises {file.tell() + promised:,}")
    return Header(shape, dtype, is_fortran, promised), file.read()


@contextmanager
def _damage_said() -> Iterator[None]:
    try:
        yield
    except Unreadable:
        raise
    except MemoryError as error:
        raise Unreadable(f"not enough memory ({error})") from None
    except Exception as error:  # some twenty types for damaged bytes: of zipfile, its decompressors and NumPy
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Unreadable(f"unreadable or cut short ({reason})") from None
