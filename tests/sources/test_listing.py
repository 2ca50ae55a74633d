"""Files, folders, patterns and URLs."""

from pathlib import Path
from typing import Any

import pytest

from modelscope_handkp.errors import MissingFileError
from modelscope_handkp.sources.images import load_image
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


@pytest.mark.parametrize(
    "name",
    [
        "jpe",
        "JFIF",
        "mpo",
        "apng",
        "dib",
        "ppm",
        "pgm",
        "pbm",
        "pnm",
        "jp2",
        "j2k",
        "avif",
        "heic",
        "HEIF",
        "hif",
        "bmp",
    ],
)
def test_what_can_be_read_by_name_is_listed(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"a.{name}"
    path.touch()
    assert list(list_sources([str(tmp_path)])) == [str(path)]


def test_files_that_are_left_out_are_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.png", "b.psd", "c.cr2", "IMG_1", ".DS_Store", "._a.png.txt", "Thumbs.db", "desktop.ini"):
        (tmp_path / name).touch()
    (tmp_path / "deeper").mkdir()
    assert list(list_sources([str(tmp_path)])) == [str(tmp_path / "a.png")]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith(f"{tmp_path}: ")
    assert "3 files ('IMG_1', 'b.psd', 'c.cr2')" in record.getMessage()


def test_what_belongs_to_the_system_is_no_image(tmp_path: Path) -> None:
    for name in ("x.jpg", "._x.jpg", ".hidden.png", "._y.HEIC"):
        (tmp_path / name).touch()
    assert list(list_sources([str(tmp_path)])) == [str(tmp_path / "x.jpg")]


def test_folders_of_images_that_are_left_out_are_counted_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.png", "b/c.png", "d/e/f.jpg", "g/notes.txt", "h/._x.jpg", ".i/j.png", "__MACOSX/k.png", "l/m.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "b" / "circle").symlink_to(tmp_path)
    assert len(list(list_sources([str(tmp_path), str(tmp_path / "l")]))) == 2
    (message,) = caplog.messages
    assert message.startswith(f"{tmp_path}: left out") and "2 folders of images ('b', 'd')" in message
    (tmp_path / "a.png").unlink()
    with pytest.raises(MissingFileError, match=r"without an image, but with 3 folders of images \('b', 'd', 'l'\)\."):
        load_image(tmp_path)


def test_many_files_that_are_left_out_make_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.png").touch()
    for number in range(50):
        (tmp_path / f"{number:02}.txt").touch()
    list(list_sources([str(tmp_path)]))
    (message,) = caplog.messages
    assert "50 files ('00.txt', " in message and message.count(".txt") == 10 and "..." in message


def test_nothing_is_said_where_nothing_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("a.png", ".hidden", "Thumbs.db"):
        (tmp_path / name).touch()
    list(list_sources([str(tmp_path), str(tmp_path / "a.png"), f"{tmp_path}/*", "data:image/png;base64,AA*"]))
    assert caplog.messages == []


def test_a_folder_that_may_not_be_looked_into_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(folder: Path) -> Any:
        raise PermissionError(f"[Errno 13] Permission denied: {folder}")

    monkeypatch.setattr(Path, "iterdir", refused)  # the permission itself does not hold for root
    assert list(list_sources([str(tmp_path), "a.png"])) == [str(tmp_path), "a.png"]
