"""Stores of a cloud, emulated on loopback by what pip brings: moto for S3."""

import functools
import itertools
import logging
from contextlib import contextmanager

import pytest
from faulty_proxy import FaultyProxy

from wt_jax.storage import bucket
from wt_jax.storage.bucket import Bucket

_names = map("bucket{}".format, itertools.count())
S3_KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def s3_server():
    """The address of an S3 server in this process."""
    moto = pytest.importorskip("moto.server", reason="needs moto[s3], flask and flask-cors")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line for each request
    server = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="session")
def s3_endpoint():
    """The address of an S3 server, for as long as tests run."""
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def s3(s3_endpoint, monkeypatch, tmp_path):
    """The URL of an empty bucket; an empty cache, and no credentials but those for it."""
    s3fs = pytest.importorskip("s3fs", reason="needs s3fs")
    for name, value in {"AWS_ENDPOINT_URL": s3_endpoint, **S3_KEYS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WT_JAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(bucket, "_file_system", functools.cache(bucket._file_system))  # 0.2 s of botocore
    name = next(_names)
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}"


@pytest.fixture
def faulty_s3(s3, s3_endpoint, monkeypatch):
    """The URL of an empty bucket, and the proxy that all requests to it go through."""
    with FaultyProxy(int(s3_endpoint.rpartition(":")[2])).running() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield s3, proxy


@pytest.fixture
def gcs(monkeypatch, tmp_path):
    """The URL of an empty bucket of Google's."""
    emulator = pytest.importorskip("gcp_storage_emulator.server", reason="needs gcp-storage-emulator")
    pytest.importorskip("gcsfs", reason="needs gcsfs")
    server = emulator.create_server("127.0.0.1", 0, in_memory=True, default_bucket="bucket")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_port}")
    monkeypatch.setenv("WT_JAX_CACHE", str(tmp_path / "cache"))
    yield "gs://bucket"
    server.stop()


def put(folder, url):
    """The files of a folder, as objects; returns the URL."""
    for path in folder.rglob("*"):
        if path.is_file():
            Bucket(url).send(path, path.relative_to(folder).as_posix())
    return url


def objects(url):
    """The names of all that is below a URL, but what is hidden."""
    return sorted(Bucket(url).listing())
