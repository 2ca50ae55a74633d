"""Which items are in which part is decided once, and is the same for whoever reads it."""

import json
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")

from modelscope_handkp.batch.inputs import IMAGE, ROWS, VIDEO, Item
from modelscope_handkp.batch.plan import (
    Plan,
    PlanReader,
    begin,
    forget_plan,
    groups,
    items_of,
    items_table,
    read_plan,
    write_plan,
)
from modelscope_handkp.errors import InputError


def images(count: int, first: int = 0) -> Iterator[Item]:
    return (Item(IMAGE, b"/data/%07d.jpg" % number, count=1) for number in range(first, first + count))


def begun(folder: Path, items: Iterable[Item], settings: dict[str, Any] | None = None) -> Plan:
    """The plan of a job that was begun."""
    plan = write_plan(str(folder), items, settings or {})
    begin(plan)
    return plan


ODD = [
    Item(IMAGE, "手套.jpg".encode("gbk"), count=1),
    Item(IMAGE, b"/a\nb.jpg", count=1),
    Item(VIDEO, b"/a.mp4", None, 0.1 + 0.2, 5),
    Item(VIDEO, b"/a.mp4", 0.1 + 0.2, None, 3),
    Item(VIDEO, b"/broken.mp4"),
    Item(ROWS, b"/a.parquet", 0, 512, 512),
]


def test_items_are_written_and_read_with_the_same_numbers() -> None:
    """The end of one part of a video is the beginning of the next, to the last bit."""
    assert items_of(items_table(ODD)) == ODD
    assert items_of(items_table([])) == []


def test_parts_hold_all_items_once_and_in_order(tmp_path: Path) -> None:
    items = [*images(150), *ODD, *images(2, 1000)]
    plan = begun(tmp_path, items, {"track": False})
    reader = PlanReader(plan)
    parts = [reader.items(part) for part in range(plan.parts)]
    assert [item for part in parts for item in part] == items
    assert [len(part) for part in parts] == [64, 64, 27, 1, 2]
    assert plan.images == 150 + 2 + 5 + 3 + 512 + 2
    assert read_plan(str(tmp_path)) == plan == Plan(str(tmp_path), 5, 674, {"track": False})
    assert plan.path(4) == f"{tmp_path}/part-0000004.parquet"


def test_videos_and_rows_share_parts_as_images_do() -> None:
    """By how many images they have; a video of unknown length is taken for a long one."""
    clips = [Item(VIDEO, b"/a.mp4", count=30)] * 7
    assert [len(group) for group in groups(clips)] == [3, 3, 1]
    assert [len(group) for group in groups([Item(VIDEO, b"s3://b/a.mp4")] * 3)] == [1, 1, 1]
    rows = [Item(ROWS, b"/a.parquet", 0, 512, 512)] * 20_000
    sizes = [len(group) for group in groups(rows)]
    assert (sum(sizes), max(sizes), len(sizes) < 6000) == (20_000, 8, True)


def test_more_parts_than_a_file_of_the_plan_holds(tmp_path: Path) -> None:
    items = [Item(VIDEO, b"/%d.mp4" % number, count=5000) for number in range(2003)]
    plan = write_plan(str(tmp_path), items, {})
    reader = PlanReader(plan)
    for part in (2002, 0, 999, 1000, 2000, 1999):
        assert reader.items(part) == [items[part]]
    assert len(list((tmp_path / ".job").glob("*.parquet"))) == 3


def test_a_thousand_parts_fill_one_file_of_the_plan(tmp_path: Path) -> None:
    plan = begun(tmp_path, (Item(VIDEO, b"/a.mp4") for _ in range(1000)))
    assert (plan.parts, len(list((tmp_path / ".job").glob("*.parquet")))) == (1000, 1)
    assert read_plan(str(tmp_path)) == plan


def test_parts_grow_with_the_list() -> None:
    sizes = [len(group) for group in groups(images(400_000))]
    assert sum(sizes) == 400_000
    assert sizes[:900] == [64] * 900
    assert sizes[:-1] == sorted(sizes[:-1])
    assert 350 < sizes[-2] <= 400


@pytest.mark.slow
@pytest.mark.one_stack
def test_five_million_items_take_seconds_and_no_memory() -> None:
    begun, largest, parts = time.process_time(), 0, 0
    for group in groups(images(5_000_000)):
        largest, parts = max(largest, len(group)), parts + 1
    assert (largest, time.process_time() - begun < 60) == (4096, True)
    assert parts < 6000


def test_writing_a_plan_holds_little_of_it(tmp_path: Path) -> None:
    tracemalloc.start()
    write_plan(str(tmp_path), images(60_000), {})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6_000_000  # of items alone 60,000 take 12 MB


def test_where_no_job_was_begun_there_is_no_plan(tmp_path: Path) -> None:
    assert read_plan(str(tmp_path)) is None
    assert read_plan(str(tmp_path / "nothing")) is None


def test_a_listing_that_breaks_off_leaves_no_plan(tmp_path: Path) -> None:
    def items() -> Iterator[Item]:
        yield from images(70_000)
        raise InputError("list.txt is no list of paths.")

    with pytest.raises(InputError, match="no list"):
        write_plan(str(tmp_path), items(), {})
    assert read_plan(str(tmp_path)) is None


def test_a_plan_that_is_not_begun_is_none_and_can_be_forgotten(tmp_path: Path) -> None:
    plan = write_plan(str(tmp_path), [Item(VIDEO, b"/a.mp4")] * 1001, {})
    (tmp_path / ".job" / "notes.txt").write_text("mine")
    assert read_plan(str(tmp_path)) is None
    assert forget_plan(str(tmp_path))
    assert [path.name for path in (tmp_path / ".job").iterdir()] == ["notes.txt"]
    plan = begun(tmp_path, images(3))
    assert not forget_plan(str(tmp_path))
    assert read_plan(str(tmp_path)) == plan


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"x"',
        b"\xff\xfe",
        b"[" * 500_000,
        b"{" * 500_000,
        b"1" * 10_000,
        b'{"version": 1}',
        b'{"version": 1, "parts": "9", "images": 1, "settings": {}}',
        b'{"version": 1, "parts": 1.5, "images": 1, "settings": {}}',
        b'{"version": 1, "parts": true, "images": 1, "settings": {}}',
        b'{"version": 1, "parts": -1, "images": 1, "settings": {}}',
        b'{"version": 1, "parts": 1, "images": null, "settings": {}}',
        b'{"version": 1, "parts": 1, "images": 1, "settings": []}',
        b'{"version": 1, "parts": 1, "images": 1, "settings": "x"}',
    ],
    ids=lambda content: repr(content[:60]),
)
def test_what_is_no_plan_is_refused(content: bytes, tmp_path: Path) -> None:
    begun(tmp_path, images(3))
    (tmp_path / ".job" / "job.json").write_bytes(content)
    with pytest.raises(InputError, match=r"job\.json is not what a job wrote") as caught:
        read_plan(str(tmp_path))
    assert len(str(caught.value)) < 300


def test_a_file_without_end_is_not_read(tmp_path: Path) -> None:
    (tmp_path / ".job").mkdir()
    with (tmp_path / ".job" / "job.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InputError, match=r"job\.json is larger than"):
        read_plan(str(tmp_path))


def edit(folder: Path, **values: Any) -> None:
    path = folder / ".job" / "job.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_plan_of_another_release_is_refused(tmp_path: Path) -> None:
    begun(tmp_path, images(3))
    edit(tmp_path, version=99)
    with pytest.raises(InputError, match=r"job\.json was written by another release"):
        read_plan(str(tmp_path))


def test_a_plan_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    begun(tmp_path, images(3))
    edit(tmp_path, parts=10**15)
    with pytest.raises(InputError, match=r"states 1000000000000000 parts, which are not all in the 1 files"):
        read_plan(str(tmp_path))
    edit(tmp_path, parts=1)
    (tmp_path / ".job" / "plan-00000.parquet").unlink()
    with pytest.raises(InputError, match=r"states 1 parts, which are not all in the 0 files"):
        read_plan(str(tmp_path))
