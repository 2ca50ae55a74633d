"""The images of ``predict``: hands are found, drawn and listed in one file."""

import sys
from pathlib import Path

from tqdm import tqdm

from ..errors import HandkpError
from ..estimator import HandEstimator
from ..hands import Result
from ..results.formats import open_results
from ..results.json_report import Entry, entry_of
from ..results.style import DrawingStyle


def predict_images(
    estimator: HandEstimator, images: list[str], drawings: list[Path], listed: Path, format: str, style: DrawingStyle
) -> int:
    """Draw the hands of each image in its file of ``drawings`` and list all in ``listed``; returns how many failed."""
    found, failed = 0, 0
    results = tqdm(estimator.stream(images), total=len(images), unit="image", disable=len(images) < 2)
    with open_results(listed, format) as add:
        for result, drawing in zip(results, drawings):
            entry = _entry(result, drawing, style)
            add(entry)
            found += len(entry.get("hands", ()))
            if "error" in entry:
                failed += 1
                tqdm.write(f"failed: {entry['error']}", file=sys.stderr)
    print(f"{found} hands in {len(images) - failed} images: drawn in {drawings[0].parent}, listed in {listed}")
    return failed


def _entry(result: Result, drawing: Path, style: DrawingStyle) -> Entry:
    """The entry of a result, whose drawing is written."""
    entry = entry_of(result)
    if result.hands is None or result.image is None:
        return entry
    try:
        result.hands.save(drawing, result.image, style)
        return {**entry, "drawn": str(drawing)}
    except (HandkpError, OSError) as error:
        return {**entry, "error": str(error)}
