"""Files, folders, patterns and URLs."""

from pathlib import Path
from typing import Any

import pytest

from modelscope_handkp.sources.listing import list_sources


def test_folders_patterns_and_what_matches_nothing(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "c.txt", "d.jpeg"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "e.png").touch()
    (tmp_path / "empty").mkdir()
    (tmp_path / "[x].png").touch()
    root = str(tmp_path)
    listed = list(
        list_sources([root, f"{root}/*.png", f"{root}/[x].png", f"{root}/empty", f"{root}/no*", "http://a/*.png"])
    )
    assert listed == [
        *(f"{root}/{name}" for name in ("[x].png", "a.JPG", "b.png", "d.jpeg")),
        *(f"{root}/{name}" for name in ("[x].png", "b.png")),
        f"{root}/[x].png", f"{root}/empty", f"{root}/no*", "http://a/*.png",
    ]  # fmt: skip
    assert list(list_sources(["x" * 5000, "a\0b", ""])) == ["x" * 5000, "a\0b", ""]


def test_a_folder_that_may_not_be_looked_into_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> Any:
        raise PermissionError(f"[Errno 13] Permission denied: {folder}")

    monkeypatch.setattr(Path, "iterdir", refused)  # the permission itself does not hold for root
    assert list(list_sources([str(tmp_path), "a.png"])) == [str(tmp_path), "a.png"]
