"""Files that a command writes have names of their own."""

import os
from pathlib import Path

import pytest

from modelscope_handkp.cli.out_names import OutNames


def test_many_sources_of_one_name_are_named_at_once(tmp_path: Path) -> None:
    """In seconds; as the square of their number it would be minutes."""
    names = OutNames(tmp_path, [])
    found = [names.of(f"{i}/frame.png", "jpg")[0] for i in range(5_000)]
    assert len(set(found)) == 5_000
    assert [path.name for path in found[:2]] == ["frame.jpg", "frame-2.jpg"]


def test_no_file_of_a_source_is_one_that_is_taken(tmp_path: Path) -> None:
    names = OutNames(tmp_path, [tmp_path / "a.jsonl", tmp_path / "b.mp4"])
    assert names.of("in/a.mov", "mp4", "jsonl") == [tmp_path / "a-2.mp4", tmp_path / "a-2.jsonl"]
    assert names.of("in/b.mov", "mp4", "jsonl") == [tmp_path / "b-2.mp4", tmp_path / "b-2.jsonl"]
    assert names.of("in/c.mov", "mp4", "jsonl") == [tmp_path / "c.mp4", tmp_path / "c.jsonl"]
    assert names.of("data:image/png;base64,AAAA", "jpg") == [tmp_path / "image.jpg"]
    assert names.of("http://a/d.png?size=2", "jpg") == [tmp_path / "d.jpg"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("rtsp://admin:secret@10.0.0.5", "10.0.0.5"),
        ("rtsp://admin:secret@10.0.0.5:554/", "10.0.0.5-554"),
        ("rtsp://admin:secret@camera/door.sdp?key=secret", "door"),
        ("http://a/v.mp4#t=10", "v"),
        ("in/what?.mp4", "what?"),
        ("in/a#2.mp4", "a#2"),
    ],
)
def test_files_are_named_by_the_source_without_what_is_secret(tmp_path: Path, source: str, name: str) -> None:
    assert OutNames(tmp_path, []).of(source, "mp4") == [tmp_path / f"{name}.mp4"]


@pytest.mark.parametrize("letter", ["a", "\u6c49", "\udcff"])  # of 1 and 3 bytes, and one that is no text
def test_long_names_leave_room_for_what_is_written(tmp_path: Path, letter: str) -> None:
    names = OutNames(tmp_path, [])
    long = letter * (250 // len(os.fsencode(letter)))
    found = [path for _ in range(2) for path in names.of(f"{long}.mp4", "mp4", "parquet")]
    assert len(set(found)) == 4
    for path in found:
        path.with_name(f".{path.name}.1234567.fragments.partial").touch()
