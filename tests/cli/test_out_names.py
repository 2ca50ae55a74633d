"""Files that a command writes have names of their own."""

from pathlib import Path

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
