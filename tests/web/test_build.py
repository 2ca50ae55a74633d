"""Building the page."""

import runpy
import sys
from pathlib import Path

import pytest
from node import WEB

from modelscope_handkp.errors import HandkpError


@pytest.mark.slow
def test_a_model_that_is_refused_leaves_the_page_as_it_was(built: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    out, sizes = built
    script = runpy.run_path(str(WEB / "build.py"))
    packages = Path(script["HERE"]).parents[1] / "build" / "web-npm"
    with pytest.raises(HandkpError, match="nosuch"):
        script["build"](out, packages, str(tmp_path / "nosuch"))
    assert all((out / name).stat().st_size == size for name, size in sizes.items())


@pytest.mark.parametrize(
    ("kept", "out", "words"),
    [
        ("note", "note", "note is a file"),
        ("note", "note/page", "note is a file"),
        ("files.json", ".", "is not empty and holds no page"),
        ("src/mine.py", ".", "is not empty and holds no page"),
    ],
)
def test_a_place_that_is_something_elses_is_refused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kept: str, out: str, words: str
) -> None:
    root = tmp_path / "root"
    (root / kept).parent.mkdir(parents=True, exist_ok=True)
    (root / kept).write_text('{"mine": 1}')
    monkeypatch.setattr(sys, "argv", ["build.py", "--out", str(root / out)])
    with pytest.raises(SystemExit):
        runpy.run_path(str(WEB / "build.py"), run_name="__main__")
    assert words in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [root / kept]
    assert (root / kept).read_text() == '{"mine": 1}'
