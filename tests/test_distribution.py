"""The release: source distribution and wheel, and the package as a user installs it."""

import json
import re
import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from fresh_environment import ROOT, build_wheel, can_build, new_environment, run

from modelscope_handkp.version import __version__

PACKAGE = ROOT / "modelscope_handkp"
DATA = ("py.typed", "app/page.css", "app/page.js", "embedded/README.md", "embedded/configuration.json",
        "embedded/pytorch_model.pt", "embedded/detection/detection_model.pth")  # fmt: skip


def test_the_version_is_in_one_place() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()
    assert (ROOT / "CHANGELOG.md").read_text().count(f"## {__version__}") == 1
    places = [path for path in PACKAGE.rglob("*.py") if f'"{__version__}"' in path.read_text()]
    assert places == [PACKAGE / "version.py"]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source distribution, and with the wheel built from it in ``wheels``."""
    if not can_build():
        pytest.skip("the installed setuptools is older than pyproject.toml asks for")
    folder = tmp_path_factory.mktemp("dist")
    build_wheel(folder)
    return folder


@pytest.mark.slow
def test_the_wheel_has_the_whole_package_and_nothing_else(built: Path) -> None:
    (wheel,) = (built / "wheels").glob("*.whl")
    assert wheel.name == f"modelscope_handkp-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel) as file:
        names = {name for name in file.namelist() if not name.endswith("/")}
        top_level = file.read(f"modelscope_handkp-{__version__}.dist-info/top_level.txt").decode().split()
        metadata = file.read(f"modelscope_handkp-{__version__}.dist-info/METADATA").decode()
    code = {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts}
    own = {name for name in names if not name.startswith(f"modelscope_handkp-{__version__}.dist-info/")}
    assert own == code | {f"modelscope_handkp/{name}" for name in DATA}
    assert top_level == ["modelscope_handkp"]  # by which ModelScope's plugin loader finds what to import
    assert {"LICENSE", "NOTICE"} <= {name.rpartition("/")[2] for name in names}
    assert f"\nVersion: {__version__}\n" in metadata


@pytest.mark.slow
def test_the_source_distribution_holds_no_tests(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert not {name for name in names if name.startswith("tests")}
    assert {"pyproject.toml", "README.md", "README_zh.md", "LICENSE", "NOTICE", "CHANGELOG.md"} <= names


@pytest.mark.slow
@pytest.mark.parametrize("tool", ["twine", "check-wheel-contents"])
def test_the_tools_of_a_release_find_no_fault(built: Path, tool: str) -> None:
    if not (Path(sys.prefix) / "bin" / tool).is_file():
        pytest.skip(f'{tool} is not installed: pip install -e ".[dev]"')
    files = [str(path) for path in (*built.glob("*.tar.gz"), *built.glob("wheels/*.whl"))]
    arguments = ["check", "--strict", *files] if tool == "twine" else files[1:]
    run([str(Path(sys.prefix) / "bin" / tool), *arguments])


@pytest.mark.slow
def test_the_installed_wheel_runs_in_an_empty_folder(built: Path, tmp_path: Path) -> None:
    python = new_environment(tmp_path / "env")
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copy(ROOT / "examples" / "hands.jpg", empty)
    find = "import importlib.util; print(importlib.util.find_spec('modelscope_handkp'))"
    assert run([str(python), "-c", find], cwd=empty).strip() == "None"
    (wheel,) = (built / "wheels").glob("*.whl")
    run([str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", str(wheel)], cwd=empty)
    command = str(python.with_name("modelscope-handkp"))
    run([command, "predict", "hands.jpg", "--out", "out", "--device", "cpu"], cwd=empty)
    (report,) = (empty / "out").glob("*.json")
    assert len(json.loads(report.read_text())["images"][0]["hands"]) == 3
    where = "import modelscope_handkp as package, importlib.metadata as metadata"
    where += "; print(package.__file__, metadata.version('modelscope-handkp'))"
    file, version = run([str(python), "-c", where], cwd=empty).split()
    assert Path(file).is_relative_to(tmp_path / "env")
    assert version == __version__
