"""Results in every format."""

import csv
import io
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_entries import assert_equal, frame, image, seeded_hands

from modelscope_handkp import KEYPOINT_NAMES, Hands
from modelscope_handkp.errors import InputError, MissingPackageError
from modelscope_handkp.results import open_results, read

FORMATS = ("json", "jsonl", "coco", "csv", "parquet")
TEXTS = ("json", "jsonl", "coco", "csv")


@pytest.mark.parametrize("format", FORMATS)
def test_frames_are_read_back_with_the_same_numbers(format: str, tmp_path: Path) -> None:
    hands = [seeded_hands(i, ids=[i, 7], is_left=[True, None]) for i in range(4)]
    with open_results(tmp_path / "a", format) as add:
        for index, found in enumerate(hands):
            add(frame(2 * index, found, '片,段"1".mp4'))
    records = list(read(tmp_path / "a"))
    assert len(records) == 4
    for index, (record, written) in enumerate(zip(records, hands)):
        if format == "coco":  # rounded, and it names images by a number
            assert record[:3] == (str(2 * index), None, None)
            assert_equal(record.hands, written, keypoints=6e-5, boxes=1e-5)
            continue
        assert record[:3] == ('片,段"1".mp4', 2 * index, 2 * index / 30)
        assert record.error is None
        assert_equal(record.hands, written)
        assert record.hands.image_size == (640, 480)
        np.testing.assert_array_equal(record.hands.scores, written.scores)
        np.testing.assert_array_equal(record.hands.confidence, written.confidence)


@pytest.mark.parametrize("format", FORMATS)
def test_images_have_neither_index_nor_time(format: str, tmp_path: Path) -> None:
    with open_results(tmp_path / "a", format) as add:
        add(image("one.jpg", seeded_hands(1)))
        add(image("two.jpg", seeded_hands(2, 3)))
    one, two = read(tmp_path / "a")
    assert [one[:3], two[:3]] == [("one.jpg", None, None), ("two.jpg", None, None)]
    assert (len(one.hands), len(two.hands)) == (2, 3)
    assert one.hands.ids is None and one.hands.is_left is None


@pytest.mark.parametrize("format", FORMATS)
def test_what_has_no_hands_is_kept_where_the_format_can_say_so(format: str, tmp_path: Path) -> None:
    with open_results(tmp_path / "a", format) as add:
        add({"source": "broken.jpg", "error": "broken.jpg is no image."})
        add(image("empty.jpg", Hands.empty()))
        add(image("hands.jpg", seeded_hands(0)))
    records = list(read(tmp_path / "a"))
    assert records[-1].source == "hands.jpg" and len(records[-1].hands) == 2
    if format in ("json", "jsonl"):
        assert records[0] == ("broken.jpg", None, None, None, "broken.jpg is no image.")
        assert records[1].source == "empty.jpg" and len(records[1].hands) == 0
        assert records[1].hands.image_size == (640, 480)
    else:
        assert len(records) == 1


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_entries_is_whole(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{format}"
    with open_results(path, format):
        assert not path.exists()  # it appears whole
    assert path.is_file()
    assert list(read(path)) == []


@pytest.mark.parametrize("format", FORMATS)
def test_what_ends_the_block_keeps_the_entries_before(format: str, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_results(tmp_path / "a", format) as add:
        add(image("one.jpg", seeded_hands(0)))
        raise KeyboardInterrupt
    assert [record.source for record in read(tmp_path / "a")] == ["one.jpg"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("format", FORMATS)
def test_an_entry_that_cannot_be_written_costs_no_other(format: str, tmp_path: Path) -> None:
    with open_results(tmp_path / "a", format) as add:
        add(image("one.jpg", seeded_hands(0)))
        with pytest.raises((InputError, TypeError)):
            add({"source": "two.jpg", "hands": [{"box": object()}]})
        add(image("three.jpg", seeded_hands(1)))
    assert [record.source for record in read(tmp_path / "a")] == ["one.jpg", "three.jpg"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_full_disk_keeps_the_entries_before(format: str, tmp_path: Path, disk_of: Any) -> None:
    written, entries = 0, [frame(0, hands) for hands in HANDS]
    size = 850_000 if format == "parquet" else 300_000
    full = pytest.raises(OSError, match=r"too large.*results")
    with disk_of(size), full, open_results(tmp_path / "results", format) as add:
        for index in range(20_000):
            add({**entries[index % 4], "index": index})
            written += 1
    records = list(read(tmp_path / "results"))
    lost = 1100 if format == "parquet" else 0  # a group of rows
    assert written - lost <= len(records) <= written
    assert len(records) > 50
    for index, record in enumerate(records):
        assert_equal(record.hands, HANDS[index % 4], keypoints=6e-5, boxes=1e-5)


HANDS = [seeded_hands(seed) for seed in range(4)]


@pytest.mark.parametrize("format", TEXTS)
def test_what_is_on_the_disk_is_whole_at_every_moment(format: str, tmp_path: Path) -> None:
    """A process that is killed leaves a file that can be read."""
    with open_results(tmp_path / "a", format) as add:
        for count in (1, 2, 3):
            add(frame(count, HANDS[0]))
            (partial,) = tmp_path.glob(".a.*.partial")
            copy = tmp_path / "copy"
            copy.write_bytes(partial.read_bytes())
            assert len(list(read(copy))) == count


@pytest.mark.parametrize("format", TEXTS)
def test_an_interruption_in_the_middle_of_an_entry_leaves_the_entries_before(
    format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(io.FileIO):
        is_stopped = False

        def write(self, content: Any) -> int:
            if self.is_stopped and len(content) > 100:
                super().write(content[: len(content) // 2])
                raise KeyboardInterrupt
            return super().write(content)

    monkeypatch.setattr("modelscope_handkp.results.growing_file.io.FileIO", Interrupted)
    with pytest.raises(KeyboardInterrupt), open_results(tmp_path / "a", format) as add:
        add(image("1.jpg", seeded_hands(0)))
        monkeypatch.setattr(Interrupted, "is_stopped", True)
        add(image("2.jpg", seeded_hands(1)))
    assert len(list(read(tmp_path / "a"))) == 1


@pytest.mark.parametrize("format", FORMATS)
def test_an_old_file_stays_until_the_new_one_is_whole(format: str, tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    with open_results(path, format) as add:
        add(image("one.jpg", seeded_hands(0)))
        assert path.read_text() == "old"
    assert [record.source for record in read(path)] == ["one.jpg"]


def test_json_lines_are_a_line_an_entry(tmp_path: Path) -> None:
    entries = [frame(0, HANDS[0]), {"source": "b\nc.jpg", "error": "行"}]
    with open_results(tmp_path / "a.jsonl", "jsonl") as add:
        for entry in entries:
            add(entry)
    lines = (tmp_path / "a.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == entries
    assert (tmp_path / "a.jsonl").read_bytes().endswith(b"\n")


@pytest.mark.parametrize("format", ["json", "jsonl", "coco"])
def test_json_holds_nothing_that_json_does_not_know(format: str, tmp_path: Path) -> None:
    entry = image("one.jpg", HANDS[0])
    entry["hands"][0]["box"][0] = float("nan")
    entry["hands"][0]["keypoints"][3][1] = float("inf")
    with open_results(tmp_path / "a", format) as add:
        add(entry)

    def refuse(name: str) -> None:
        raise AssertionError(name)

    for line in (tmp_path / "a").read_text().splitlines() if format == "jsonl" else [(tmp_path / "a").read_text()]:
        json.loads(line, parse_constant=refuse)
    if format != "coco":
        (record,) = read(tmp_path / "a")
        assert np.isnan(record.hands.boxes[0, 0]) and np.isnan(record.hands.keypoints[0, 3, 1])


def test_the_keypoint_threshold_comes_back(tmp_path: Path) -> None:
    hands = seeded_hands(5, keypoint_threshold=0.5)
    entry = {**image("one.jpg", hands), "keypoint_threshold": 0.5}
    for format in FORMATS:
        with open_results(tmp_path / format, format) as add:
            add(entry)
        (record,) = read(tmp_path / format)
        np.testing.assert_array_equal(record.hands.visible, hands.visible)
        assert 0 < hands.visible.sum() < 42
        seen = hands.visible
        if format in ("csv", "parquet"):  # which have no places of the others
            assert (record.hands.keypoints[~seen][:, :2] == 0).all()
        np.testing.assert_allclose(record.hands.keypoints[seen], hands.keypoints[seen], atol=6e-5)


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_row_a_hand_in_the_columns_of_to_dataframe(format: str, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    hands = seeded_hands(3, ids=[4, 2**40], is_left=[False, True], keypoint_threshold=0.3)
    with open_results(tmp_path / "a", format) as add:
        add({**frame(9, hands), "keypoint_threshold": 0.3})
    table = pandas.read_csv(tmp_path / "a") if format == "csv" else pandas.read_parquet(tmp_path / "a")
    expected = hands.to_dataframe()
    assert list(table.columns) == ["source", "index", "time", "width", "height", *expected.columns]
    assert table.iloc[:, :5].to_numpy().tolist() == [["clip.mp4", 9, 0.3, 640, 480]] * 2
    assert table["id"].tolist() == [4, 2**40]
    assert table["is_left"].tolist() == [False, True]
    numbers = list(expected.columns[2:])
    np.testing.assert_array_equal(table[numbers].to_numpy(np.float32), expected[numbers].to_numpy(np.float32))


def test_csv_is_rfc_4180_in_utf_8(tmp_path: Path) -> None:
    names = ["a,b.jpg", 'a"b.jpg', "a\nb.jpg", "=1+2.jpg", "手.jpg"]
    with open_results(tmp_path / "a.csv", "csv") as add:
        for name in names:
            add(image(name, seeded_hands(0, 1)))
    content = (tmp_path / "a.csv").read_bytes()
    assert content.startswith(b"source,index,time,width,height,id,is_left,score,confidence,x1,y1,x2,y2,wrist_x,")
    assert content.count(b"\r\n") == 6
    assert b'"a,b.jpg",,,640,480,,,' in content and b'"a""b.jpg",' in content and b"\r\n=1+2.jpg," in content
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert [row["source"] for row in csv.DictReader(file)] == names
    assert [record.source for record in read(tmp_path / "a.csv")] == names


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_a_name_that_is_no_utf_8_becomes_legible(format: str, tmp_path: Path) -> None:
    with open_results(tmp_path / "a", format) as add:
        add(image(os.fsdecode(b"a\xff.jpg"), seeded_hands(0, 1)))
    assert [record.source for record in read(tmp_path / "a")] == ["a\\udcff.jpg"]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_whose_own_name_is_no_utf_8(format: str, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xff")
    with open_results(path, format) as add:
        add(image("1.png", seeded_hands(0)))
    assert len(list(read(path))) == 1


def test_parquet_has_types_and_groups_of_rows(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with open_results(tmp_path / "a", "parquet") as add:
        entry = frame(0, HANDS[0])
        for index in range(1100):
            add({**entry, "index": index})
    file = parquet.ParquetFile(tmp_path / "a")
    types = {field.name: str(field.type) for field in file.schema_arrow}
    assert types["source"] == "string" and types["index"] == types["id"] == "int64" and types["time"] == "double"
    assert types["is_left"] == "bool" and types["pinky_finger4_score"] == "float"
    assert [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)] == [2048, 152]


def test_pycocotools_loads_the_results(tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco").COCO()
    coco.dataset = {"images": [{"id": 397133}, {"id": 5}], "annotations": [], "categories": [{"id": 1}]}
    coco.createIndex()
    with open_results(tmp_path / "a.json", "coco") as add:
        add(image("val/000000397133.jpg", HANDS[0]))
        add(image("COCO_val2014_000000000005.jpg", HANDS[1]))
    loaded = coco.loadRes(str(tmp_path / "a.json"))
    assert sorted(loaded.getImgIds()) == [5, 397133]
    assert len(loaded.loadAnns(loaded.getAnnIds(imgIds=[397133]))) == 2
    found = loaded.loadAnns(loaded.getAnnIds(imgIds=[5]))[0]
    np.testing.assert_allclose(found["keypoints"], HANDS[1].keypoints[0].ravel(), atol=6e-5)
    assert found["score"] == pytest.approx(HANDS[1].confidence[0])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"source": "000000397133.jpg"}, 397133),
        ({"source": "C:\\coco\\000000397133.JPG"}, 397133),
        ({"source": "https://x.y/val2017/000000397133.jpg?size=1"}, 397133),
        ({"source": "COCO_train2014_000000000009.jpg"}, 9),
        ({"source": "/a/b/IMG_1234.jpg"}, "IMG_1234.jpg"),
        ({"source": "12.5.jpg"}, "12.5.jpg"),
        ({"source": "1" * 30 + ".jpg"}, "1" * 30 + ".jpg"),
        ({"source": "٣.jpg"}, "٣.jpg"),
        ({"source": "000000397133.mp4", "index": 12, "time": 0.4}, 12),
    ],
)
def test_the_image_id_of_coco_results(entry: dict, expected: int | str, tmp_path: Path) -> None:
    with open_results(tmp_path / "a", "coco") as add:
        add({**image("", HANDS[0]), **entry})
    assert [result["image_id"] for result in json.loads((tmp_path / "a").read_text())] == [expected] * 2


@pytest.mark.parametrize("format", ["xml", None, ["json"]])
def test_an_unknown_format_is_named_with_those_that_are_there(format: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=re.escape(f"json, jsonl, coco, csv, parquet, got {format!r}")):
        open_results(tmp_path / "a", format)


def test_parquet_needs_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with (
        pytest.raises(MissingPackageError, match=r"pip install 'modelscope-handkp\[tables\]'"),
        open_results(tmp_path / "a", "parquet"),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_the_names_of_keypoints_are_in_the_json(tmp_path: Path) -> None:
    with open_results(tmp_path / "a", "json") as add:
        add(image("one.jpg", HANDS[0]))
    content = json.loads((tmp_path / "a").read_text())
    assert content == {"keypoint_names": list(KEYPOINT_NAMES), "images": [image("one.jpg", HANDS[0])]}
