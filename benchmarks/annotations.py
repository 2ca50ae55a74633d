"""Reading an annotation file of COCO-WholeBody's size: processor time and peak memory, against json.load.

    python benchmarks/annotations.py [--images 118287] [--keep FILE] [--json-load]

Writes a file like coco_wholebody_train_v1.0.json (118,287 images, 262,465 people, over 1 GB) with made-up numbers,
reads it in a process of its own and prints what that took. --json-load measures json.load, too; it needs several GB.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

PEOPLE_PER_IMAGE = 262_465 / 118_287
HAND_IS_VALID = 0.4
TEMPLATES = 64  # different people; the rest of the file repeats them
READERS = {
    "ours": "from modelscope_handkp.data.annotations import read_annotations as r; print(len(r({path!r})), 'hands')",
    "json.load": "import json; print(len(json.load(open({path!r}))['annotations']), 'people')",
}


def write(path: Path, count: int) -> None:
    """Write an annotation file of ``count`` images."""
    rng = np.random.default_rng(0)
    people = [_person(rng) for _ in range(TEMPLATES)]
    owners = np.sort(rng.integers(0, count, round(count * PEOPLE_PER_IMAGE)))
    with path.open("w") as file:
        file.write('{"info": {"description": "made up"}, "licenses": [], "images": [')
        images = (
            {"id": i, "file_name": f"{i:012d}.jpg", "width": 640, "height": 480, "coco_url": "x" * 56}
            for i in range(count)
        )
        file.write(", ".join(map(json.dumps, images)))
        file.write('], "annotations": [')
        for number, owner in enumerate(owners):
            file.write(", " if number else "")
            file.write(f'{{"id": {number}, "image_id": {owner}, {people[number % TEMPLATES]}')
        file.write('], "categories": [{"id": 1, "name": "person"}]}')


def _person(rng: np.random.Generator) -> str:
    """The JSON of one person, without the ids."""
    entry: dict[str, object] = {"iscrowd": 0, "category_id": 1, "area": 1234.5, "bbox": [1.5, 2.5, 300.25, 400.75]}
    entry["segmentation"] = [rng.uniform(0, 640, 60).round(2).tolist()]
    entry["keypoints"] = rng.integers(0, 640, 51).tolist()
    for name, count in (("face", 68), ("lefthand", 21), ("righthand", 21), ("foot", 6)):
        valid = bool(rng.random() < HAND_IS_VALID)
        entry[f"{name}_valid"] = valid
        entry[f"{name}_kpts"] = rng.uniform(0, 640, 3 * count).tolist() if valid else [0.0] * (3 * count)
        entry[f"{name}_box"] = rng.uniform(1, 300, 4).tolist() if valid else [0.0] * 4
    return json.dumps(entry)[1:]


def measure(code: str) -> str:
    """What a process prints that runs ``code``, then its seconds of processor time and its peak memory."""
    done = subprocess.run([sys.executable, "-c", code + MEASURE], capture_output=True, text=True, check=True)
    return done.stdout.strip().replace("\n", ", ")


MEASURE = """
import resource
used = resource.getrusage(resource.RUSAGE_SELF)
print(f"{used.ru_utime + used.ru_stime:.1f} s of processor time")
print("peak", used.ru_maxrss // 1024, "MB")
"""


def main() -> None:
    """Write the file, read it, and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=118_287)
    parser.add_argument("--keep", type=Path, help="write the file here and leave it")
    parser.add_argument("--json-load", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.keep or Path(folder) / "annotations.json"
        if not path.exists():
            write(path, arguments.images)
        print(f"{path.stat().st_size / 1e6:.0f} MB, {arguments.images} images")
        print("importing the package alone:", measure("import modelscope_handkp.data.annotations"))
        for name, code in READERS.items():
            if name == "ours" or arguments.json_load:
                print(f"{name}:", measure(code.format(path=str(path))))


if __name__ == "__main__":
    main()
