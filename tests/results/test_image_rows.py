"""What a batch job writes: a row an image, whose hands are a list. Other tools and `results.read` read it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_entries import assert_equal, seeded_hands

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow
import pyarrow.parquet

from modelscope_handkp import Hands
from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.hands import Result
from modelscope_handkp.results import read
from modelscope_handkp.results.image_rows import image_row, image_table

IMAGE = np.zeros((480, 640, 3), np.uint8)
HANDS = [seeded_hands(0), Hands.empty((640, 480)), seeded_hands(1, ids=[4, 7])]
ERROR = Result(None, error=InputError("b.jpg is empty."))


def rows() -> list[dict[str, Any]]:
    return [
        image_row("a.jpg", Result(None, IMAGE, HANDS[0])),
        image_row("b.jpg", ERROR),
        image_row("empty.jpg", Result(None, IMAGE, HANDS[1])),
        image_row("clip.mp4", Result(None, IMAGE, HANDS[2]), frame=7, time=0.28),
    ]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    pyarrow.parquet.write_table(image_table(rows), path)
    return path


def job(folder: Path) -> Path:
    """As a job leaves a folder: two parts, and its own files, hidden."""
    write(folder / "part-0000001.parquet", rows()[2:])
    write(folder / "part-0000000.parquet", rows()[:2])
    (folder / ".job").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"kind": ["image"]}), folder / ".job" / "plan-00000.parquet")
    return folder


def test_a_folder_of_parts_is_read_in_their_order(tmp_path: Path) -> None:
    records = list(read(job(tmp_path)))
    assert [record[:3] for record in records] == [
        ("a.jpg", None, None),
        ("b.jpg", None, None),
        ("empty.jpg", None, None),
        ("clip.mp4", 7, 0.28),
    ]
    assert [record.error for record in records] == [None, "b.jpg is empty.", None, None]
    assert records[1].hands is None
    for record, hands in zip((records[0], *records[2:]), HANDS):
        assert_equal(record.hands, hands)
        assert record.hands.image_size == (640, 480)
        np.testing.assert_array_equal(record.hands.scores, hands.scores)
        np.testing.assert_array_equal(record.hands.confidence, hands.confidence)


def test_one_part_is_read(tmp_path: Path) -> None:
    assert [record.source for record in read(str(job(tmp_path) / "part-0000001.parquet"))] == ["empty.jpg", "clip.mp4"]


def test_columns_in_another_order_and_more_of_them(tmp_path: Path) -> None:
    table = image_table(rows())
    table = table.select(table.column_names[::-1]).append_column("more", pyarrow.array(range(4)))
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    read_back = list(read(tmp_path / "a.parquet"))
    assert [record.source for record in read_back] == ["a.jpg", "b.jpg", "empty.jpg", "clip.mp4"]
    assert_equal(read_back[0].hands, HANDS[0])


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="is a folder without a Parquet file of results"):
        read(tmp_path)


def test_the_error_names_the_part(tmp_path: Path) -> None:
    part = job(tmp_path) / "part-0000001.parquet"
    part.write_bytes(part.read_bytes()[:-20])
    records = read(tmp_path)
    assert [next(records).source, next(records).source] == ["a.jpg", "b.jpg"]
    with pytest.raises(InputError, match=r"part-0000001\.parquet holds no results") as caught:
        next(records)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("hands", ["a", "b", "c", "d"]),
        ("hands", [[{"box": [1.0]}]] * 4),
        ("frame", ["x"] * 4),
        ("width", [1 << 40] * 4),
    ],
    ids=["texts", "less of a hand", "no number", "too large"],
)
def test_other_types_and_values_are_refused_in_one_sentence(column: str, values: list[Any], tmp_path: Path) -> None:
    table = image_table(rows())
    table = table.set_column(table.column_names.index(column), column, pyarrow.array(values))
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet holds no results") as caught:
        list(read(tmp_path / "a.parquet"))
    assert "\n" not in str(caught.value)


def test_a_parquet_file_of_something_else_is_refused(tmp_path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"path": ["a.jpg"]}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"a\.parquet holds no results that can be read: there is no column 'source'"):
        read(tmp_path / "a.parquet")


def test_names_that_are_no_utf_8_are_escaped(tmp_path: Path) -> None:
    """Python has such bytes as lone surrogates, which Parquet does not take."""
    name = b"\xca\xd6.jpg".decode("utf-8", "surrogateescape")
    row = image_row(name, Result(None, error=InputError(f"{name} is empty.")))
    assert (row["path"], row["error"]) == ("\\xca\\xd6.jpg", "\\xca\\xd6.jpg is empty.")
    image_table([row])


def test_pandas_reads_a_folder(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    table = pandas.read_parquet(job(tmp_path))
    assert table["path"].tolist() == ["a.jpg", "b.jpg", "empty.jpg", "clip.mp4"]
    assert table["error"].notna().tolist() == [False, True, False, False]
    hand = table["hands"][3][1]
    assert hand["id"] == 7
    np.testing.assert_array_equal(np.stack(hand["keypoints"]), HANDS[2].keypoints[1])
    np.testing.assert_array_equal(hand["box"], HANDS[2].boxes[1])


def test_datasets_reads_a_folder(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    (tmp_path / "out").mkdir()
    loaded = datasets.load_dataset(
        "parquet", data_dir=str(job(tmp_path / "out")), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert loaded["path"][:] == ["a.jpg", "b.jpg", "empty.jpg", "clip.mp4"]
    np.testing.assert_array_equal(np.array(loaded[0]["hands"][1]["keypoints"], np.float32), HANDS[0].keypoints[1])


def test_duckdb_reads_a_folder(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="DuckDB is not installed")
    query = f"select path, len(hands) from '{job(tmp_path)}/*.parquet' order by path"
    assert duckdb.sql(query).fetchall() == [("a.jpg", 2), ("b.jpg", None), ("clip.mp4", 2), ("empty.jpg", 0)]
