"""A path means the same in another process, and in a list it is taken from the folder of the list."""

from pathlib import Path
from typing import Any

import pytest

from modelscope_handkp.batch.paths import absolute, join
from modelscope_handkp.errors import InputError


@pytest.mark.parametrize("path", [["a.jpg"], None, 7, object()])
def test_what_is_no_path_is_refused(path: Any) -> None:
    with pytest.raises(InputError, match="is no path; give one path, pattern or list"):
        absolute(path)


def test_absolute_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("a/../b/") == f"{tmp_path}/b"
    assert absolute(f"file://{tmp_path}/b") == f"{tmp_path}/b"
    assert absolute("s3://bucket/b/") == "s3://bucket/b"
    assert absolute("s3://bucket/b//c") == "s3://bucket/b//c"


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        ("/a", "b.jpg", "/a/b.jpg"),
        ("/a/", "b.jpg", "/a/b.jpg"),
        ("/a", "/b.jpg", "/b.jpg"),
        ("/a", "s3://c/b.jpg", "s3://c/b.jpg"),
        ("s3://c/a", "b.jpg", "s3://c/a/b.jpg"),
        ("s3://c/a/", "b/c.jpg", "s3://c/a/b/c.jpg"),
        ("s3://c/a", "/data/b.jpg", "/data/b.jpg"),
    ],
)
def test_paths_in_a_list_are_taken_from_its_folder(folder: str, name: str, path: str) -> None:
    assert join(folder, name) == path
