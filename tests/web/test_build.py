"""Building the page."""

import runpy
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
