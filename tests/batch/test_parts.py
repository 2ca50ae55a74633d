"""A part of the result is written whole or not at all, and nothing else is taken for one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from result_entries import seeded_hands

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow
import pyarrow.parquet

from modelscope_handkp.batch.parts import Written, first_errors, look_at, write_part, written_parts
from modelscope_handkp.batch.plan import Plan
from modelscope_handkp.errors import InputError
from modelscope_handkp.hands import Result
from modelscope_handkp.results.image_rows import image_row, image_schema

HANDS = Result(None, np.zeros((4, 5, 3), np.uint8), seeded_hands(0))
BROKEN = Result(None, error=InputError("it is empty."))


def rows(kinds: str) -> Iterator[dict[str, Any]]:
    """A row a letter, of an image with hands (h) or an error (e)."""
    return (image_row(f"{number}.jpg", HANDS if kind == "h" else BROKEN) for number, kind in enumerate(kinds))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(str(tmp_path / "out"), 10, 100, {})


@pytest.mark.parametrize("kinds", ["", "h", "e", "hehe", "eeee", "h" * 1500 + "e" * 1000], ids=lambda kinds: kinds[:4])
def test_rows_and_errors_are_counted(kinds: str, plan: Plan) -> None:
    written = write_part(plan, 3, rows(kinds))
    assert written == Written(3, len(kinds), kinds.count("e")) == look_at(plan.path(3), 3)
    assert written_parts(plan) == [written]
    table = pyarrow.parquet.read_table(plan.path(3))
    assert table.schema.equals(image_schema())
    assert table.column("path").to_pylist() == [f"{number}.jpg" for number in range(len(kinds))]


def test_a_long_part_has_several_groups(plan: Plan) -> None:
    write_part(plan, 0, rows("h" * 1500))
    file = pyarrow.parquet.ParquetFile(plan.path(0))
    assert [file.metadata.row_group(group).num_rows for group in range(2)] == [1024, 476]


def test_a_part_that_is_there_is_left(plan: Plan) -> None:
    write_part(plan, 0, rows("he"))

    def never() -> Iterator[dict[str, Any]]:
        raise AssertionError("it is not made again")
        yield

    before = Path(plan.path(0)).stat().st_mtime_ns
    assert write_part(plan, 0, never()) == Written(0, 2, 1)
    assert Path(plan.path(0)).stat().st_mtime_ns == before


def test_rows_that_break_off_leave_nothing(plan: Plan) -> None:
    def broken() -> Iterator[dict[str, Any]]:
        yield from rows("h" * 1100)
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        write_part(plan, 0, broken())
    assert written_parts(plan) == []
    assert not Path(plan.output).exists() or not list(Path(plan.output).iterdir())


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "half", "columns", "types", "folder"])
def test_what_is_no_whole_part_is_written_anew(damage: str, plan: Plan) -> None:
    path = Path(plan.path(2))
    write_part(plan, 2, rows("he"))
    content = path.read_bytes()
    table = pyarrow.parquet.read_table(path)
    path.unlink()
    contents = {"empty": b"", "text": b"path\n", "cut": content[:-1], "half": content[: len(content) // 2]}
    if damage == "columns":
        pyarrow.parquet.write_table(table.drop_columns(["time"]), path)
    elif damage == "types":
        pyarrow.parquet.write_table(table.set_column(0, "path", pyarrow.array([1, 2])), path)
    elif damage == "folder":
        path.mkdir()
    else:
        path.write_bytes(contents[damage])
    assert look_at(str(path), 2) is None
    assert written_parts(plan) == []
    if damage != "folder":
        assert write_part(plan, 2, rows("ehh")) == Written(2, 3, 1) == look_at(str(path), 2)


def test_a_part_without_counts_of_errors_is_written_anew(plan: Plan) -> None:
    write_part(plan, 0, rows("he"))
    table = pyarrow.parquet.read_table(plan.path(0))
    pyarrow.parquet.write_table(table, plan.path(0), write_statistics=False)
    assert look_at(plan.path(0), 0) is None


def test_files_of_others_are_not_parts(plan: Plan) -> None:
    for part in (0, 9):
        write_part(plan, part, rows("h"))
    folder = Path(plan.output)
    content = (folder / "part-0000000.parquet").read_bytes()
    for name in ("part-0000010.parquet", "part-1.parquet", "x.parquet", ".part-0000001.parquet.7.partial", "a.txt"):
        (folder / name).write_bytes(content)
    assert written_parts(plan) == [Written(0, 1, 0), Written(9, 1, 0)]


def test_a_folder_that_is_not_there_has_no_parts(plan: Plan) -> None:
    assert written_parts(plan) == []
    assert look_at(plan.path(0), 0) is None


def test_the_first_errors_are_named_in_the_order_of_the_parts(plan: Plan) -> None:
    written = [write_part(plan, part, rows(kinds)) for part, kinds in ((5, "ee"), (2, "hheh"), (1, "hh"), (3, "ehe"))]
    said = first_errors(plan, written, 3)
    assert said == ["2.jpg: it is empty.", "0.jpg: it is empty.", "2.jpg: it is empty."]
    assert len(first_errors(plan, written, 9)) == 5
    assert first_errors(plan, [], 9) == []


def test_an_error_names_its_file_once_and_the_frame(plan: Plan) -> None:
    error = Result(None, error=InputError("/in/a.mp4 is damaged."))
    errors = [image_row("/in/a.mp4", error, 7, 0.5), image_row("s3.parquet#3", BROKEN, None), image_row("b", BROKEN, 0)]
    said = first_errors(plan, [write_part(plan, 0, iter(errors))], 5)
    assert said == ["/in/a.mp4 is damaged.", "s3.parquet#3: it is empty.", "b, frame 0: it is empty."]


def test_errors_of_a_part_that_is_gone_are_not_named(plan: Plan) -> None:
    written = [write_part(plan, part, rows("e")) for part in range(2)]
    Path(plan.path(0)).unlink()
    assert first_errors(plan, written, 5) == ["0.jpg: it is empty."]
