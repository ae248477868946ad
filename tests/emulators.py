"""Stores of a cloud, emulated on loopback by what pip brings: moto for S3."""

import itertools

import pytest

_names = map("bucket{}".format, itertools.count())
_KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}


@pytest.fixture(scope="session")
def s3_endpoint():
    """The address of an S3 server in this process, for as long as tests run."""
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(s3_endpoint, monkeypatch, tmp_path):
    """The URL of an empty bucket; an empty cache, and no credentials but those for it."""
    s3fs = pytest.importorskip("s3fs", reason="needs s3fs")
    for name, value in {"AWS_ENDPOINT_URL": s3_endpoint, **_KEYS}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WT_JAX_CACHE", str(tmp_path / "cache"))
    name = next(_names)
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(name)
    return f"s3://{name}"
