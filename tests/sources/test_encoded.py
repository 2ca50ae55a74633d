"""Encoded images that are no files on disk: bytes, file objects, data URLs."""

import base64
import io
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import quote

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.sources import encoded
from modelscope_handkp.sources.images import load_image

BGR = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
PNG = cv2.imencode(".png", BGR)[1].tobytes()
BASE64 = base64.b64encode(PNG).decode()


@pytest.mark.parametrize(
    "content", [PNG, bytearray(PNG), memoryview(PNG), memoryview(PNG).cast("b"), np.frombuffer(PNG, np.uint8)]
)
def test_bytes_are_the_content_of_a_file(content: Any) -> None:
    np.testing.assert_array_equal(load_image(content), BGR)
    with pytest.raises(InputError, match="32 x 24 pixels, but 24 x 32"):
        load_image(content, (24, 32))


def test_what_torchvision_and_opencv_read_from_a_file_is_its_content() -> None:
    np.testing.assert_array_equal(load_image(torch.frombuffer(bytearray(PNG), dtype=torch.uint8)), BGR)
    np.testing.assert_array_equal(load_image(cv2.imencode(".png", BGR)[1].ravel()), BGR)


@pytest.mark.parametrize("content", [b"", bytearray(), np.zeros(0, np.uint8), io.BytesIO()])
def test_no_bytes_are_named(content: Any) -> None:
    with pytest.raises(InputError, match="empty"):
        load_image(content)


# --- file objects


class Pipe(io.RawIOBase):
    """Cannot seek, and gives a few bytes at a time, as a socket does."""

    def __init__(self, content: bytes) -> None:
        self.rest = content

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk, self.rest = self.rest[: min(len(buffer), 100)], self.rest[min(len(buffer), 100) :]
        buffer[: len(chunk)] = chunk
        return len(chunk)


class Duck:
    """Nothing but read(), as the bodies of some web libraries."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def read(self, size: int = -1) -> Any:
        content, self.content = self.content, b""
        if isinstance(content, Exception):
            raise content
        return content


def test_file_objects_of_every_kind(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", PNG)
    with (
        (tmp_path / "a.png").open("rb") as file,
        zipfile.ZipFile(tmp_path / "a.zip").open("a.png") as member,
        tempfile.SpooledTemporaryFile() as spooled,
    ):
        spooled.write(PNG)
        spooled.seek(0)
        for source in (file, member, spooled, io.BytesIO(PNG), Pipe(PNG), io.BufferedReader(Pipe(PNG)), Duck(PNG)):
            np.testing.assert_array_equal(load_image(source), BGR)
        assert not file.closed


def test_a_file_object_is_read_from_where_it_stands_and_left_there() -> None:
    file = io.BytesIO(b"header" + PNG)
    file.seek(6)
    for _ in range(2):
        np.testing.assert_array_equal(load_image(file), BGR)
        assert file.tell() == 6


def test_a_file_object_at_its_end_says_to_go_back() -> None:
    file = io.BytesIO()
    Image.fromarray(BGR).save(file, "PNG")
    with pytest.raises(InputError, match=r"end.*seek\(0\)"):
        load_image(file)


@pytest.mark.parametrize(
    ("file", "named"),
    [
        (io.StringIO("text"), "StringIO.*binary"),
        (Duck("text"), "Duck.*str"),
        (Duck((True, BGR)), "Duck.*tuple"),
        (Duck(OSError("the line is cut")), "Duck.*the line is cut"),
        (Duck(b"no image at all"), "Duck.*no image at all"),
    ],
)
def test_file_objects_that_give_no_image_are_named(file: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        load_image(file)


def test_a_closed_file_and_one_open_as_text_are_named_by_their_path(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    with (tmp_path / "a.png").open(encoding="latin-1") as file, pytest.raises(InputError, match=r"a\.png.*binary"):
        load_image(file)
    with (tmp_path / "a.png").open("rb") as file:
        pass
    with pytest.raises(InputError, match=r"a\.png.*closed"):
        load_image(file)


def test_endless_file_objects_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        given = 0

        def read(self, size: int) -> bytes:
            self.given += size
            return bytes(size)

    monkeypatch.setattr(encoded, "MAX_ENCODED_BYTES", 10_000_000)
    with pytest.raises(InputError, match="more than 10000000 bytes"):
        load_image(Endless())
    endless = Endless()
    with pytest.raises(InputError):
        load_image(endless)
    assert endless.given <= 10_000_001


# --- data URLs


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{BASE64}",
        f"DATA:image/png;name=a.png;BASE64,{BASE64}",
        f"data:;base64,{BASE64}",
        f"data:image/png;base64,{BASE64.rstrip('=')}",
        f"data:image/png;base64,{BASE64[:40]}\r\n {BASE64[40:]}\n",
        f"data:image/png;base64,{quote(BASE64, safe='')}",
        f"data:image/png;base64,{base64.urlsafe_b64encode(PNG).decode()}",
        f"data:image/jpeg;base64,{BASE64}",  # which it is not
        f"data:image/png,{quote(PNG)}",
    ],
)
def test_data_urls(url: str) -> None:
    np.testing.assert_array_equal(load_image(url), BGR)


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("data:image/png;base64", "comma"),
        ("data:image/png;base64,", "empty"),
        (f"data:image/png;base64,{BASE64[:41]}", "broken base64"),
        (f"data:image/png;base64,{BASE64[:99]}!{BASE64[99:]}", "broken base64"),
        (f"data:image/png;base64,{BASE64}é", "broken base64"),
        (f"data:image/png;base64,{BASE64[: len(BASE64) // 8 * 4]}", "broken"),
        (f"data:text/html;base64,{base64.b64encode(b'<html>no</html>').decode()}", "HTML"),
    ],
)
def test_broken_data_urls_are_named_without_their_content(url: str, named: str) -> None:
    with pytest.raises(InputError, match=named) as caught:
        load_image(url)
    assert url[:20] in str(caught.value)
    assert len(str(caught.value)) < 200


def test_data_urls_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoded, "MAX_DOWNLOAD_BYTES", len(PNG) - 3)
    with pytest.raises(InputError, match=f"more than {len(PNG) - 3} bytes"):
        load_image(f"data:image/png;base64,{BASE64}")


@pytest.mark.parametrize("prefix", ["", "b64:"])
def test_base64_alone_is_no_path_and_says_how_it_is_passed(prefix: str) -> None:
    with pytest.raises(MissingFileError, match="does not exist") as caught:
        load_image(prefix + BASE64)
    assert ("data:image/jpeg;base64" in str(caught.value)) == (not prefix)
    assert len(str(caught.value)) < 400
    with pytest.raises(InputError, match="base64"):
        load_image(BASE64.encode())


# --- paths


def test_anything_that_is_a_path_is_one(tmp_path: Path) -> None:
    class Entry(os.PathLike[Any]):
        def __init__(self, path: Any) -> None:
            self.path = path

        def __fspath__(self) -> Any:
            return self.path

    path = tmp_path / "手 é.png"
    path.write_bytes(PNG)
    (entry,) = os.scandir(tmp_path)
    for source in (path, str(path), entry, Entry(str(path)), Entry(os.fsencode(path))):
        np.testing.assert_array_equal(load_image(source), BGR)
    with pytest.raises(MissingFileError, match=r"nothing\.png"):
        load_image(Entry(b"nothing.png"))
