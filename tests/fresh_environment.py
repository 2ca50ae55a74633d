"""The package as it is released, and environments without it.

A fresh environment has every package of the one that runs the tests, through links, but not this one: sharing the
folder itself would also share the editable install's metadata, by which pip takes this package as installed.
"""

import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "README_zh.md", "CHANGELOG.md", "LICENSE",
           "NOTICE", "configuration.json")  # fmt: skip
OWN = ("modelscope_handkp", "__editable__")  # how the names of this package's own install start


SETUPTOOLS = 77  # the oldest that pyproject.toml asks for


def can_build() -> bool:
    """Whether the setuptools of this environment builds the package; a release is built with a newer one of its own."""
    return int(importlib.metadata.version("setuptools").split(".")[0]) >= SETUPTOOLS


def build_sdist(folder: Path) -> Path:
    """The source distribution, built from a copy of the sources below ``folder``."""
    source = folder / "source"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "modelscope_handkp", source / "modelscope_handkp", ignore=ignore)
    for name in SOURCES:
        shutil.copy(ROOT / name, source / name)
    code = f"from setuptools import build_meta; print(build_meta.build_sdist({str(folder)!r}))"
    run([sys.executable, "-c", code], cwd=source)
    (found,) = folder.glob("*.tar.gz")
    return found


def build_wheel(folder: Path) -> Path:
    """The wheel that pip builds from the source distribution, in ``folder / "wheels"`` and alone there."""
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    run([sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder / "wheels"), str(build_sdist(folder))])
    (found,) = (folder / "wheels").glob("*.whl")
    return found


def new_environment(folder: Path) -> Path:
    """The Python of a new virtual environment in ``folder``, with everything but this package."""
    shared = folder.with_name(f"{folder.name}-shared")
    shared.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith(OWN):
            (shared / entry.name).symlink_to(entry)
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    python = folder / "bin" / "python"
    own = run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]).strip()
    (Path(own) / "shared.pth").write_text(f"{shared}\n")
    return python


def run(command: list[str], cwd: Path | None = None, timeout: float = 300, **environment: str) -> str:
    """The output of a command that must succeed; ``environment`` is added to this process's, without its PYTHONPATH."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    env.pop("PYTHONPATH", None)
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    said = f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{said}"
    return done.stdout
