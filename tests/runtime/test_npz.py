import io
import os
import pickle
import random
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest

from wt_jax.runtime.npz import SMALL_BYTES, Unreadable, open_npz

COMPRESSIONS = {"stored": zipfile.ZIP_STORED, "deflated": zipfile.ZIP_DEFLATED}
OTHERS = {"bzip2": zipfile.ZIP_BZIP2, "lzma": zipfile.ZIP_LZMA}
ARRAYS = {
    "floats": np.random.default_rng(0).random((300, 33), np.float32),
    "columns": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big_endian": np.arange(5, dtype=">i4"),
    "mask": np.arange(7) % 2 == 0,
    "number": np.float64(29.97),
    "word": np.str_("anna"),
    "no_word": np.str_(""),
    "none": np.zeros((0, 33, 4), np.float32),
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def header(shape, descr="<f4", version=(1, 0)):
    file = io.BytesIO()
    write = (
        np.lib.format.write_array_header_1_0 if version == (1, 0) else np.lib.format.write_array_header_2_0
    )
    write(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def archive(path, compression=zipfile.ZIP_DEFLATED, **members):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return path


def read(path, name="a", most_bytes=2**20):
    with open_npz(path) as file:
        return file.read(name, most_bytes)


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_arrays_are_read_as_numpy_reads_them(tmp_path, compression):
    path = archive(tmp_path / "a.npz", compression, **{name: npy(array) for name, array in ARRAYS.items()})
    with open_npz(path) as file, np.load(path) as expected:
        assert file.names == tuple(expected.files) == tuple(ARRAYS)
        for name in ARRAYS:
            array = file.read(name)
            np.testing.assert_array_equal(array, expected[name])
            assert (array.shape, array.flags.writeable) == (expected[name].shape, True)
            assert file.header(name).shape == array.shape and file.header(name).dtype == array.dtype
        assert (file.text("word"), file.text("no_word")) == ("anna", "")
        with pytest.raises(Unreadable, match=r"number of shape \(\), type float64: must be text"):
            file.text("number")


@pytest.mark.parametrize("compression", [*COMPRESSIONS.values(), *OTHERS.values()])
def test_damage_is_never_anything_but_unreadable(tmp_path, compression):
    """Bytes changed and bytes missing, 300 times: what is read all the same is what was written."""
    members = {name: npy(ARRAYS[name][:40] if name == "floats" else ARRAYS[name]) for name in ARRAYS}
    whole = archive(tmp_path / "a.npz", compression, **members).read_bytes()
    path, draw, n_refused = tmp_path / "b.npz", random.Random(0), 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(draw.choice([1, 1, 30])):
            data[draw.randrange(4, len(data))] = draw.randrange(256)
        path.write_bytes(data[: draw.choice([len(data), draw.randrange(len(data))])])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                with open_npz(path) as file:
                    for name in file.names:
                        file.header(name)
                        array = file.read(name)
                        assert name not in members or npy(array) == members[name]
            except Unreadable as error:
                assert "\n" not in str(error) and len(str(error)) < 400
                n_refused += 1
    assert n_refused > 200


BAD_MEMBERS = {
    "no npy": (b"frame,label\n0,1\n", r"unreadable or cut short \(the magic string is not correct"),
    "empty": (b"", r"unreadable or cut short \(.*EOF"),
    "objects": (npy(np.array([{"a": 1}])), "a holds pickled objects, refused"),
    "a pickle": (pickle.dumps({"a": 1}), "unreadable or cut short"),
    "records": (npy(np.zeros(2, "f4,i8")), r"a of shape \(2,\), type .*: must hold numbers, or text"),
    "complex": (npy(np.zeros(2, complex)), "type complex128: must hold numbers"),
    "less": (header((50,)) + bytes(16), r"a of 144 bytes, where its header promises 328"),
    "more": (header((2,)) + bytes(16), r"a of 144 bytes, where its header promises 136"),
    "many": (header((3_000_000, 33, 4)), r"a of 128 bytes, where its header promises 1,584,000,128"),
    "beyond": (header((10**30, 10**30), version=(2, 0)), "where its header promises"),
    "below 0": (header((-2, -2)) + bytes(16), r"a of shape \(-2, -2\)"),
    "nothing, often": (header((10**12,), "<U0"), r"a of shape \(1000000000000,\), type <U0"),
    "version": (b"\x93NUMPY\x03\x00" + bytes(20), r"a in version \(3, 0\) of the npy format"),
    "no header": (b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 16, "unreadable or cut short"),
    "endless header": (b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + b" " * 10**5, "unreadable or cut short"),
    "nested header": (b"\x93NUMPY\x01\x00\x00\x20" + b"(" * 2**13, "unreadable or cut short"),
    "odd type": (header((2,), "<f3") + bytes(6), "unreadable or cut short"),
}


@pytest.mark.parametrize(("content", "message"), BAD_MEMBERS.values(), ids=BAD_MEMBERS)
def test_bad_members(tmp_path, content, message):
    path = archive(tmp_path / "a.npz", a=content)
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for look in (lambda: read(path), lambda: open_header(path)):
                with pytest.raises(Unreadable, match=message):
                    look()
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()


def open_header(path):
    with open_npz(path) as file:
        return file.header("a")


def test_what_python_2_wrote_is_read_without_a_warning(tmp_path):
    content = npy(np.arange(3.0)).replace(b"(3,), } ", b"(3L,), }")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(archive(tmp_path / "a.npz", a=content)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("compression", COMPRESSIONS.values(), ids=COMPRESSIONS)
def test_more_than_was_asked_for_takes_no_memory(tmp_path, compression):
    """Zeros: some ten thousand bytes of an archive's, 40 MB of an array's."""
    path = archive(tmp_path / "a.npz", compression, a=npy(np.zeros((10, 10**6), np.float32)))
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match=r"a of shape .*: 40,000,000 bytes, where 65,536 are the most"):
            read(path, most_bytes=SMALL_BYTES)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("compression", "message"),
    [
        (zipfile.ZIP_DEFLATED, "Bad CRC-32"),
        (zipfile.ZIP_BZIP2, "a is packed in another way than np.savez_compressed"),
        (zipfile.ZIP_LZMA, "a is packed in another way than np.savez_compressed"),
    ],
)
def test_a_member_that_the_archive_calls_small(tmp_path, compression, message):
    """The size in the archive is changed to that of the header: what is behind is not unpacked."""
    content = npy(np.float64(30.0)) + bytes(20 * 2**20)
    path = archive(tmp_path / "a.npz", compression, a=content)
    data = path.read_bytes().replace(len(content).to_bytes(4, "little"), (136).to_bytes(4, "little"))
    path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(Unreadable, match=message):
            read(path)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_a_locked_archive(tmp_path):
    data = bytearray(archive(tmp_path / "a.npz", a=npy(np.zeros(3))).read_bytes())
    for signature, at in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        data[data.index(signature) + at] |= 1
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(Unreadable, match=r"unreadable or cut short \(.*encrypted"):
        read(tmp_path / "a.npz")


def test_files_that_are_no_archives(tmp_path):
    path = tmp_path / "a.npz"
    with pytest.raises(Unreadable, match="no such file"):
        read(path)
    os.mkfifo(path)  # nobody writes to it: it would be waited for
    with pytest.raises(Unreadable, match="no such file"):
        read(path)
    path.unlink()
    for content in (b"", b"PK", npy(np.zeros(10)), b"%PDF-1.7"):
        path.write_bytes(content)
        with pytest.raises(Unreadable, match=r"^no npz archive$"):
            read(path)
    path.write_bytes(b"PK\3\4" + bytes(100))
    with pytest.raises(Unreadable, match="unreadable or cut short"):
        read(path)
    archive(path, a=npy(np.zeros(3)))
    with pytest.raises(Unreadable, match=r"^no b$"):
        read(path, "b")
