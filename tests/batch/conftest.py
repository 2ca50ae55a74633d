"""An S3 server on this machine, which pyarrow's own client talks to."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest


class Bucket(NamedTuple):
    """A new bucket: its URL, boto3's client, and whether the server refuses access keys that it does not know."""

    url: str
    client: Any
    is_strict: Callable[[bool], None]

    def put(self, **contents: bytes) -> None:
        """Objects by their keys."""
        for key, content in contents.items():
            self.client.put_object(Bucket=self.url.removeprefix("s3://"), Key=key, Body=content)

    def keys(self) -> list[str]:
        listed = self.client.list_objects_v2(Bucket=self.url.removeprefix("s3://"))
        return [entry["Key"] for entry in listed.get("Contents", ())]


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Its address. The environment names it, as users name one that is not Amazon's."""
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    reason = "moto, which plays an S3 server, is not installed"
    server = pytest.importorskip("moto.server", reason=reason).ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    import boto3
    import requests

    values = {"ENDPOINT_URL": s3_server, "ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "DEFAULT_REGION": "us-east-1"}
    for name, value in {**values, "EC2_METADATA_DISABLED": "true"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)

    def is_strict(wanted: bool) -> None:
        allowed = b"0" if wanted else b"inf"  # requests with a key that is not known
        requests.post(f"{s3_server}/moto-api/reset-auth", allowed, timeout=10).raise_for_status()

    client = boto3.client("s3")
    name = f"bucket-{next(NUMBERS)}"  # storages are kept by their names
    client.create_bucket(Bucket=name)
    yield Bucket(f"s3://{name}", client, is_strict)
    is_strict(False)


NUMBERS = itertools.count()
