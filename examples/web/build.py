"""Build the page: networks, rules of the gestures, ONNX Runtime and sources in one folder for any static server.

python examples/web/build.py [--model DIR_OR_ID] [--out build/web]

`make web` runs it. npm fetches ONNX Runtime's package for browsers, at the version of package-lock.json.
"""

import argparse
import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2

from modelscope_handkp.errors import HandkpError
from modelscope_handkp.export.writer import export_model
from modelscope_handkp.gestures import gesture_rules
from modelscope_handkp.gestures.stream import END_SECONDS, KEPT_SHARE, START_SECONDS
from modelscope_handkp.synthetic import render_image

HERE = Path(__file__).resolve().parent
SOURCES = ("index.html", "style.css", "isolation.js", "icon.svg", "src", "game")
EXAMPLE = {"seed": 102, "hands": 2, "level": "easy", "gesture": "open_palm"}  # an image to click, rendered
PACKAGE = "onnxruntime-web"
RUNTIMES = {  # backend -> its script and its WebAssembly
    "wasm": ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"),
    "webgpu": ("ort.webgpu.bundle.min.mjs", "ort-wasm-simd-threaded.asyncify.wasm"),
}
LISTED = ("model", "vendor")  # whose sizes the page knows, to show how far loading is


def build(out, packages, model=None):
    """Write the page to the folder `out`, with what npm keeps in the folder `packages`. Returns each file's bytes."""
    runtime = fetch_runtime(packages)
    export_model(model, out / "model", precision="float16", decode=True, tta="none")  # first: it may refuse the model
    for name in (*SOURCES, "vendor"):
        remove(out / name)
    (out / "model" / "gestures.json").write_text(json.dumps(rules(), indent=2))
    (out / "vendor").mkdir()
    for backend, (script, binary) in RUNTIMES.items():
        # .js, as some servers do not know .mjs; compressed here, as most servers do not compress
        shutil.copyfile(runtime / "dist" / script, out / "vendor" / f"ort.{backend}.js")
        packed = gzip.compress((runtime / "dist" / binary).read_bytes(), mtime=0)
        (out / "vendor" / f"ort.{backend}.wasm.gz").write_bytes(packed)
    for name in SOURCES:
        if (HERE / name).is_dir():
            shutil.copytree(HERE / name, out / name, ignore=shutil.ignore_patterns(".*", "*.md"))
        else:
            shutil.copyfile(HERE / name, out / name)
    cv2.imwrite(str(out / "example.jpg"), render_image(**EXAMPLE)[0])
    sizes = {path.relative_to(out).as_posix(): path.stat().st_size for path in sorted(out.rglob("*")) if path.is_file()}
    sizes.pop("files.json", None)
    listed = {name: size for name, size in sizes.items() if name.split("/")[0] in LISTED}
    (out / "files.json").write_text(json.dumps(listed, indent=2))
    return sizes


def rules():
    """What the page must know to name gestures, one by one and over time."""
    stream = {"start_seconds": START_SECONDS, "end_seconds": END_SECONDS, "kept_share": KEPT_SHARE}
    return {**gesture_rules(), "stream": stream}


def fetch_runtime(folder):
    """ONNX Runtime's package for browsers, from npm; kept in a folder for the next time."""
    package = folder / "node_modules" / PACKAGE
    wanted = json.loads((HERE / "package-lock.json").read_text())["packages"][f"node_modules/{PACKAGE}"]["version"]
    about = package / "package.json"
    if about.is_file() and json.loads(about.read_text())["version"] == wanted:
        return package
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("npm is not installed: install Node.js 18 or newer (apt-get install nodejs npm).")
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copyfile(HERE / name, folder / name)
    command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    if subprocess.run(command, cwd=folder, check=False).returncode:
        raise SystemExit(f"npm cannot fetch {PACKAGE} {wanted}.")
    return package


def is_page(folder):
    """Whether an earlier build wrote the folder, so that it may be built anew."""
    try:
        listed = json.loads((folder / "files.json").read_text())
    except (OSError, ValueError):
        return False
    return isinstance(listed, dict) and "model/export.json" in listed


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def show(sizes):
    """Print what a visitor loads."""

    def megabytes(*beginnings):
        return sum(size for name, size in sizes.items() if name.startswith(beginnings)) / 1e6

    weights = sum(size for name, size in sizes.items() if name.endswith(".onnx")) / 1e6
    own = sum(sizes.values()) / 1e6 - weights - megabytes("vendor/")
    print(f"weights {weights:.1f} MB, page and game {own:.1f} MB")
    for backend in RUNTIMES:
        runtime = megabytes(f"vendor/ort.{backend}.")
        print(f"with {backend}: ONNX Runtime {runtime:.1f} MB; all but weights {own + runtime:.1f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="a model directory or hub id (default: the embedded model)")
    parser.add_argument("--out", type=Path, default=Path("build/web"), help="folder of the page (%(default)s)")
    arguments = parser.parse_args()
    out = arguments.out.resolve()
    blocked = next((place for place in (out, *out.parents) if place.exists() and not place.is_dir()), None)
    if blocked:
        parser.error(f"{blocked} is a file; name a folder")
    if out.is_dir() and any(out.iterdir()) and not is_page(out):
        parser.error(f"{arguments.out} is not empty and holds no page; name another folder")
    try:
        sizes = build(out, out.with_name(f"{out.name}-npm"), arguments.model)
    except HandkpError as error:
        sys.exit(f"error: {error}")
    show(sizes)
    print(f"python -m http.server --directory {arguments.out}   # then open http://localhost:8000")


if __name__ == "__main__":
    main()
