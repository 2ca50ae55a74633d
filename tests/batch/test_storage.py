"""Folders on disks and object stores look the same: listed, read, written whole; what fails is one sentence."""

import importlib.util
import io
import os
import socket
import time
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow
import pyarrow.parquet
from video_files import number_of, numbered, write_video

from modelscope_handkp.batch.inputs import IMAGE, ROWS, VIDEO, Item, list_items
from modelscope_handkp.batch.parts import Written, write_part, written_parts
from modelscope_handkp.batch.paths import join
from modelscope_handkp.batch.plan import PlanReader, begin, read_plan, write_plan
from modelscope_handkp.batch.reading import load
from modelscope_handkp.batch.storage import UnreachableError, read_bytes, storage_of, walk
from modelscope_handkp.errors import HandkpError, InputError, MissingFileError, MissingPackageError
from modelscope_handkp.hands import Result
from modelscope_handkp.results.image_rows import image_row

ODD_KEYS = ["a b.jpg", "50%.jpg", "%20.jpg", "q?x.jpg", "h#.jpg", "p+q.jpg", "手.jpg", "[1].jpg", "a&b=c.jpg", "~.jpg"]


def encoded(number: int) -> bytes:
    file = io.BytesIO()
    PIL.Image.fromarray(numbered(number)).save(file, "png")
    return file.getvalue()


@pytest.fixture(params=["disk", "memory", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new folder on a disk, in memory by fsspec, or in a bucket."""
    if request.param == "disk":
        return str(tmp_path)
    if request.param == "memory":
        return f"memory://{tmp_path.name}"
    return str(request.getfixturevalue("bucket").url)


# --- every storage


def test_what_is_written_is_listed_and_read(root: str) -> None:
    storage = storage_of(root)
    for name in [*ODD_KEYS, "deep/er/b.jpg", "deep/a.jpg", ".hidden.jpg", ".job/x", "@eaDir/y.jpg"]:
        storage.write(join(root, name), name.encode())
    walked = list(walk(root))
    assert walked == [*sorted(join(root, name) for name in ODD_KEYS), f"{root}/deep/a.jpg", f"{root}/deep/er/b.jpg"]
    for path in walked:
        assert read_bytes(path, 100) == path.removeprefix(f"{root}/").encode()
        assert (storage.is_file(path), storage.is_folder(path)) == (True, False)
    assert (storage.is_file(f"{root}/deep"), storage.is_folder(f"{root}/deep")) == (False, True)
    assert storage.entries(f"{root}/deep") == ([f"{root}/deep/a.jpg"], [f"{root}/deep/er"])
    assert storage.entries(f"{root}/.job")[0] == [f"{root}/.job/x"]


def test_a_file_is_replaced_and_deleted(root: str) -> None:
    storage, path = storage_of(root), f"{root}/out/a.bin"
    storage.write(path, b"old")
    storage.write(path, b"newer")
    assert read_bytes(path, 5) == b"newer"
    storage.delete(path)
    storage.delete(path)
    assert not storage.is_file(path)
    storage.delete(f"{root}/never/there")


def test_what_is_not_there(root: str) -> None:
    storage = storage_of(root)
    assert storage.entries(f"{root}/nothing") == ([], [])
    assert (storage.is_file(f"{root}/nothing"), storage.is_folder(f"{root}/nothing")) == (False, False)
    with pytest.raises(MissingFileError, match="nothing does not exist or is not a file"):
        storage.open(f"{root}/nothing")
    with pytest.raises(MissingFileError, match="nothing does not exist"):
        list_items(f"{root}/nothing")


def test_reading_is_bounded(root: str) -> None:
    storage_of(root).write(f"{root}/a.bin", bytes(100))
    assert len(read_bytes(f"{root}/a.bin", 100)) == 100
    with pytest.raises(InputError, match=r"a\.bin is larger than 99 bytes"):
        read_bytes(f"{root}/a.bin", 99)
    with storage_of(root).open(f"{root}/a.bin") as file:
        assert (file.seek(0, os.SEEK_END), file.tell(), file.seek(90), len(file.read())) == (100, 100, 90, 10)
    assert file.closed


def test_patterns(root: str) -> None:
    for name in ("a1.jpg", "a2.jpg", "b.png", "deep/a3.jpg", "deep/er/a4.jpg"):
        storage_of(root).write(f"{root}/{name}", b"")

    def names(pattern: str) -> list[str]:
        return sorted(os.fsdecode(item.path).removeprefix(f"{root}/") for item in list_items(f"{root}/{pattern}"))

    assert names("a?.jpg") == ["a1.jpg", "a2.jpg"]
    assert names("[!a]*") == ["b.png"]
    assert names("*/*.jpg") == ["deep/a3.jpg"]
    assert names("**/*.jpg") == ["a1.jpg", "a2.jpg", "deep/a3.jpg", "deep/er/a4.jpg"]
    with pytest.raises(MissingFileError, match="nothing matches"):
        list(list_items(f"{root}/*.gif"))


def test_images_of_a_folder_and_of_lists(root: str) -> None:
    storage = storage_of(root)
    for number, name in enumerate(ODD_KEYS):
        storage.write(f"{root}/in/{name}", encoded(number))
    storage.write(f"{root}/in/zz.jpg", b"no image")
    storage.write(f"{root}/list.txt", "\n".join(f"in/{name}" for name in [*ODD_KEYS, "missing.jpg"]).encode())
    table = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"file": [f"{root}/in/{name}" for name in ODD_KEYS]}), table)
    storage.write(f"{root}/list.parquet", table.getvalue())

    def shown(source: str) -> dict[str, int | None]:
        results = list(load(list_items(f"{root}/{source}"), None, 2, 3))
        return {
            loaded.path.rpartition("/")[2]: None if loaded.image is None else number_of(loaded.image)
            for loaded in results
        }

    numbers = {name: number for number, name in enumerate(ODD_KEYS)}
    assert shown("in") == {**numbers, "zz.jpg": None}
    assert shown("list.txt") == {**numbers, "missing.jpg": None}
    assert shown("list.parquet") == numbers


def test_encoded_images_and_a_video(root: str, tmp_path: Path) -> None:
    pytest.importorskip("av", reason="PyAV is not installed")
    storage, table = storage_of(root), io.BytesIO()
    cells = [encoded(number) for number in range(7)]
    pyarrow.parquet.write_table(pyarrow.table({"image": cells}), table, row_group_size=3)
    storage.write(f"{root}/tables/a.parquet", table.getvalue())
    storage.write(f"{root}/clips/手 1.mp4", write_video(tmp_path / "clip.mp4", count=8).read_bytes())
    rows = list(list_items(f"{root}/tables", at_once=2))
    assert [(item.kind, item.start, item.end) for item in rows] == [
        (ROWS, 0, 2),
        (ROWS, 2, 3),
        (ROWS, 3, 5),
        (ROWS, 5, 6),
        (ROWS, 6, 7),
    ]
    assert [number_of(loaded.image) for loaded in load(rows, None, 2, 3)] == list(range(7))
    videos = list(list_items(f"{root}/clips"))
    assert {item.kind for item in videos} == {VIDEO}
    assert [(loaded.frame, number_of(loaded.image)) for loaded in load(videos, None, 2, 3)] == [
        (n, n) for n in range(8)
    ]


def test_an_output_folder(root: str) -> None:
    output = f"{root}/out"
    assert (read_plan(output), storage_of(output).entries(output)) == (None, ([], []))
    items = [Item(IMAGE, b"/%d.jpg" % number, count=1) for number in range(70)]
    plan = write_plan(output, items, {"track": False})
    begin(plan)
    assert read_plan(output) == plan
    assert PlanReader(plan).items(1) == items[64:]
    assert written_parts(plan) == []
    rows = [image_row("a.jpg", Result(None, error=InputError("x.")))]
    assert write_part(plan, 1, iter(rows)) == Written(1, 1, 1)
    storage_of(root).write(plan.path(0), b"cut off")
    assert written_parts(plan) == [Written(1, 1, 1)]
    assert write_part(plan, 0, iter([])) == Written(0, 0, 0)
    assert written_parts(plan) == [Written(0, 0, 0), Written(1, 1, 1)]
    assert storage_of(root).entries(output)[0] == [plan.path(0), plan.path(1)]


# --- object stores


def test_folder_markers_are_no_files(bucket: Any) -> None:
    """Some programs write an empty object whose key ends in / where a folder is."""
    bucket.put(**{"in/": b"", "in/deep/": b"", "in/a.jpg": b"1", "in/deep/b.jpg": b"2"})
    assert list(walk(f"{bucket.url}/in")) == [f"{bucket.url}/in/a.jpg", f"{bucket.url}/in/deep/b.jpg"]


def test_nothing_but_what_is_written_is_left(bucket: Any) -> None:
    storage_of(bucket.url).write(f"{bucket.url}/out/.job/a", b"1")
    assert bucket.keys() == ["out/.job/a"]


@pytest.mark.slow
def test_many_keys(bucket: Any) -> None:
    """A server lists a thousand at a time."""
    bucket.put(**{f"in/{number:04d}.jpg": b"" for number in range(1100)})
    assert [path[-8:] for path in walk(f"{bucket.url}/in")] == [f"{number:04d}.jpg" for number in range(1100)]


def test_a_bucket_that_is_not_there(bucket: Any) -> None:
    url = f"{bucket.url}-of-nobody/in"
    with pytest.raises(MissingFileError, match=r"in does not exist\.$"):
        list_items(url)
    with pytest.raises(InputError, match=r"a\.bin cannot be reached: .*bucket"):
        storage_of(url).write(f"{url}/a.bin", b"1")


def assert_one_sentence(error: BaseException) -> None:
    assert "\n" not in str(error) and len(str(error)) < 500


def test_wrong_credentials(bucket: Any) -> None:
    bucket.put(**{"in/a.jpg": encoded(3)})
    bucket.is_strict(True)
    path = f"{bucket.url}/in/a.jpg"
    for ask in (
        lambda: list(walk(f"{bucket.url}/in")),
        lambda: storage_of(path).write(path, b""),
        lambda: list_items(path),
    ):
        with pytest.raises(InputError, match=r"ACCESS_KEY|ACCESS_DENIED") as caught:
            ask()
        assert_one_sentence(caught.value)
    (loaded,) = load([Item(IMAGE, path.encode(), count=1)], None, 1, 1)
    assert "is kept back by its store; check the credentials" in str(loaded.error)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [IMAGE, VIDEO, ROWS])
def test_a_store_that_does_not_answer(kind: str, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its images are not broken: what asks for them ends, so that a job that is resumed reads them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free.getsockname()[1]}")
    path = f"{bucket.url}-away/in/a"
    begun = time.monotonic()
    with pytest.raises(UnreachableError, match="a cannot be reached: ") as caught:
        list(load([Item(kind, path.encode(), 0, 3)], None, 1, 1))
    assert time.monotonic() - begun < 30
    assert_one_sentence(caught.value)


# --- schemes


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("foo://bucket/a", InputError, r"^foo://bucket: the scheme 'foo' is not known; it is a path, or one of s3, "),
        ("oss://bucket/a", MissingPackageError, r"^oss://bucket needs a package: pip install ossfs\.$"),
        (
            "hdfs://host:9000/a",
            InputError,
            r"^hdfs://host:9000 cannot be reached: .*hdfs needs Java and Hadoop's libhdfs",
        ),
        ("dbfs://host/a", InputError, r"^dbfs://host cannot be reached: "),
        ("://a", InputError, "cannot be reached"),
    ],
)
def test_a_scheme_that_cannot_be_used(path: str, kind: type[HandkpError], message: str) -> None:
    if path.startswith("oss") and importlib.util.find_spec("ossfs"):
        pytest.skip("ossfs is installed")
    if path.startswith("hdfs") and os.environ.get("HADOOP_HOME"):
        pytest.skip("Hadoop is installed")
    for ask in (storage_of, list_items):
        with pytest.raises(kind, match=message) as caught:
            ask(path)
        assert_one_sentence(caught.value)
