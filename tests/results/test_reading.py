"""Files of results are read back."""

import json
import random
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_entries import assert_equal, frame, image, seeded_hands

from modelscope_handkp import Hands
from modelscope_handkp.errors import HandkpError, InputError, MissingFileError, MissingPackageError
from modelscope_handkp.results import open_results, read

FORMATS = ("json", "jsonl", "coco", "csv", "parquet")
HANDS = [seeded_hands(seed) for seed in range(3)]


def written(path: Path, format: str, count: int = 3) -> Path:
    with open_results(path, format) as add:
        for index in range(count):
            add(frame(index, HANDS[index % 3]))
    return path


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("ending", [".json", ".csv", ".dat"])
def test_the_content_says_the_format(format: str, ending: str, tmp_path: Path) -> None:
    assert len(list(read(str(written(tmp_path / f"a{ending}", format))))) == 3


@pytest.mark.parametrize("format", ["json", "jsonl", "coco"])
def test_white_space_and_the_order_of_keys_do_not_matter(format: str, tmp_path: Path) -> None:
    text = written(tmp_path / "a", format).read_text()
    values = [json.loads(line) for line in text.splitlines()] if format == "jsonl" else [json.loads(text)]
    path = tmp_path / "b"
    path.write_text("\ufeff\n" + "".join(json.dumps(value, indent=2, sort_keys=True) for value in values), "utf-8")
    for record, expected in zip(read(path), HANDS):
        assert_equal(record.hands, expected, keypoints=6e-5, boxes=1e-5)
    assert len(list(read(path))) == 3


def test_tables_of_pandas(tmp_path: Path) -> None:
    """With columns in another order, one more of them, and floats for whole numbers of which some are missing."""
    pandas = pytest.importorskip("pandas")
    with open_results(tmp_path / "a", "parquet") as add:
        add(image("one.jpg", seeded_hands(0, ids=[2, 3], is_left=[True, False])))
        add(frame(4, seeded_hands(1)))
    table = pandas.read_parquet(tmp_path / "a")
    table = table[["source", *reversed(table.columns[1:])]].assign(more="x")
    table.to_csv(tmp_path / "b", index=False)
    table.to_parquet(tmp_path / "c")
    for name in "bc":
        one, two = read(tmp_path / name)
        assert (one[:3], two[:3]) == (("one.jpg", None, None), ("clip.mp4", 4, 4 / 30))
        assert_equal(one.hands, seeded_hands(0, ids=[2, 3], is_left=[True, False]))
        assert_equal(two.hands, seeded_hands(1))


def test_other_tools_coco_results(tmp_path: Path) -> None:
    """Without a box, which then lies around the keypoints, and with text for an image_id."""
    points = np.arange(63, dtype=float).reshape(21, 3)
    (tmp_path / "a").write_text(json.dumps([{"image_id": "x", "keypoints": points.ravel().tolist(), "score": 1}]))
    (record,) = read(tmp_path / "a")
    assert record.source == "x"
    np.testing.assert_array_equal(record.hands.boxes, [[0, 1, 60, 61]])


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_is_cut_off_is_refused(format: str, tmp_path: Path) -> None:
    content = written(tmp_path / "a", format).read_bytes()
    for share in (0.2, 0.5, 0.9):
        (tmp_path / "cut").write_bytes(content[: int(share * len(content))])
        with pytest.raises(InputError, match=r"cut holds no results that can be read: "):
            list(read(tmp_path / "cut"))
    (tmp_path / "cut").write_bytes(content[:-2])
    if format != "jsonl":  # whose last line is whole
        with pytest.raises(InputError):
            list(read(tmp_path / "cut"))


def test_what_is_before_the_cut_is_given(tmp_path: Path) -> None:
    for format in ("json", "jsonl", "csv"):
        content = written(tmp_path / "a", format).read_bytes()
        (tmp_path / "cut").write_bytes(content[: int(0.8 * len(content))])
        records = read(tmp_path / "cut")
        assert_equal(next(records).hands, HANDS[0])
        with pytest.raises(InputError):
            list(records)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "a PNG image"),
        (b"PK\x03\x04" + bytes(100), "a zip archive: unpack it"),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(40), "a video"),
        (b"<!DOCTYPE html><html></html>", "an HTML page"),
        ("[]".encode("utf-16"), "UTF-16"),
        (bytes(range(128, 256)) * 4, "of no kind that is known"),
        (b"hello", "the middle of a row"),
        (b"hello\n", "no column 'source'; the columns are 'hello'"),
        (b"source;index;time\n1;2;3\n", "no column 'source'"),
        (b"source,index,time\n1,2,3\n", "no column 'width'"),
        (b'{"a": 1}', "'source'"),
        (b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}', "'source'"),
        (b'{"images": 3}', "'source'"),
        (b'[{"a": 1}]', "'image_id'"),
        (b"[1, 2]", "'image_id'"),
        (b'[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]', "'keypoints'"),
        (b'[{"image_id": 1, "keypoints": [1, 2, 3], "score": 1}]', "63 numbers"),
        (b'{"source": "a", "hands": [{"box": [1]}]}', "Hands.to_dict"),
        (b'{"source": "a", "hands": {}}', "Hands"),
        (b'{"source": "a"}', "Hands.to_dict"),
        (b'{"source": "a", "hands": [], "time": "now"}', "'time'"),
        (b'{"source": "a", "hands": [], "index": 1.5}', "'index'"),
        (b'{"source": "a", "hands": [], "width": -1.5, "height": 2}', "image_size"),
        (b'{"source": "a", "error": 3}', "'error'"),
        (b'{"source": "a", "hands": []} x', "an object"),
        (b'{"images": []} {}', "follows"),
        (b"[] []", "follows"),
        (b"[" * 100_000, "JSON|recursion"),
        (b"{" + b",".join(b'"%d": 1' % i for i in range(100)) + b"}", "members"),
        (b'{"source": "a", "hands": [], "index": ' + b"9" * 5000 + b"}", "digits|index"),
        (b"PAR1" + bytes(200) + b"PAR1", "a holds"),
        (b"PAR1", "a holds"),
    ],
)
def test_another_kind_of_file_is_refused_in_one_sentence(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        list(read(tmp_path / "a"))
    assert "a holds no results" in str(caught.value) and "\n" not in str(caught.value)


def test_no_file_at_the_path(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing", tmp_path / ("x" * 3000)):
        with pytest.raises(MissingFileError, match="does not exist or is not a file"):
            read(path)


def csv_with(tmp_path: Path, **cells: str) -> Path:
    """A file with one row, in which some cells are other ones."""
    header, row = written(tmp_path / "a", "csv", 1).read_text().splitlines()[:2]
    values = dict(zip(header.split(","), row.split(",")), **cells)
    path = tmp_path / "b.csv"
    path.write_text(f"{header}\n{','.join(values.values())}\n")
    return path


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"id": "two"}, "could not convert"),
        ({"id": "2.5"}, "whole number, got '2.5'"),
        ({"is_left": "left"}, "'is_left' must be True, False or empty"),
        ({"wrist_x": "1,2"}, "139|cells"),
        ({"x1": "one"}, "line 2"),
        ({"index": "1e400"}, "whole number"),
    ],
)
def test_a_cell_that_cannot_be_is_named_with_its_line(cells: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        list(read(csv_with(tmp_path, **cells)))


def test_a_parquet_file_with_other_types(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    written(tmp_path / "a", "parquet")
    table = pandas.read_parquet(tmp_path / "a")
    table.assign(wrist_x="left").to_parquet(tmp_path / "b")
    with pytest.raises(InputError, match="b holds no results that can be read"):
        list(read(tmp_path / "b"))
    table.drop(columns="score").to_parquet(tmp_path / "b")
    with pytest.raises(InputError, match="no column 'score'"):
        list(read(tmp_path / "b"))


def test_reading_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path / "a", "parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackageError, match="tables"):
        read(path)


@pytest.mark.parametrize(("format", "first"), [("json", 2), ("jsonl", 0), ("coco", 1), ("csv", 1)])
def test_memory_does_not_grow_with_the_file(format: str, first: int, tmp_path: Path) -> None:
    """The lines of 40 MB are those of a small file, again and again."""
    lines = written(tmp_path / "a", format, 6).read_bytes().splitlines(keepends=True)
    block = b"".join(lines[first : first + 4])
    content = b"".join(lines[:first]) + block * (40_000_000 // len(block)) + b"".join(lines[first:])
    (tmp_path / "b").write_bytes(content)
    del content
    tracemalloc.start()
    records = read(tmp_path / "b")
    for _ in range(20):
        assert len(next(records).hands) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_memory_is_bounded_for_what_is_one_image_without_end(tmp_path: Path) -> None:
    header, row = written(tmp_path / "a", "csv", 1).read_text().splitlines()[:2]
    with (tmp_path / "b").open("w") as file:
        file.write(header + "\n" + (row + "\n") * 10_001)
    with pytest.raises(InputError, match="more than 10000 hands"):
        list(read(tmp_path / "b"))
    with (tmp_path / "c").open("w") as file:
        file.write(header + "\n" + '"' + "x" * 200_000 + '"\n')
    with pytest.raises(InputError, match="more than"):
        list(read(tmp_path / "c"))


@pytest.mark.parametrize("format", FORMATS)
def test_damaged_files_raise_nothing_but_errors_of_this_package(format: str, tmp_path: Path) -> None:
    content = written(tmp_path / "a", format, 2).read_bytes()
    chance = random.Random(0)
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 3, 20])):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        (tmp_path / "b").write_bytes(damaged)
        try:
            for record in read(tmp_path / "b"):
                assert isinstance(record.hands, Hands)
        except HandkpError:
            pass


def test_hands_that_were_read_are_drawn_and_written_again(tmp_path: Path) -> None:
    drawn: list[Any] = []
    for format in FORMATS:
        with open_results(tmp_path / format, format) as add:
            add(image("5.jpg", seeded_hands(1, ids=[1, 2])))
        (record,) = read(tmp_path / format)
        drawn.append(record.hands.draw(np.zeros((120, 120, 3), np.uint8)))
        assert len(record.hands.to_coco(5)) == 2
    assert all(np.abs(other.astype(int) - drawn[0]).max() < 255 for other in drawn)
