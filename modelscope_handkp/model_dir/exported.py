"""A model directory whose networks were exported: ``export.json`` beside ``configuration.json`` says how."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .config import require, require_number

EXPORT_FILE = "export.json"
FILE_NAME = re.compile(r"\w[\w.-]*")  # of a graph beside it
MAX_EXPORT_BYTES = 1 << 20
FORMATS = {"onnx": ".onnx", "openvino": ".xml", "torch-export": ".pt2"}
MAX_SIDE = 4096  # pixels of a detector's input
MIN_STD = 1e-4  # of a channel
LETTERBOX, STRETCH = "letterbox", "stretch"


@dataclass(frozen=True)
class ExportedDetector:
    """The detector of an exported model.

    file: its graph, images -> boxes (N, A, 4) xyxy in input pixels and scores (N, A). size: pixels of the longer side
    of its input. resize: "letterbox" keeps the ratio of the sides, pads to multiples of ``step`` pixels; "stretch"
    fills a square. rgb: channels are RGB, not BGR. mean, std: of those channels, 0..255. score_threshold,
    iou_threshold, at_most: of the suppression.
    """

    file: str
    size: int
    resize: str
    step: int
    rgb: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    score_threshold: float
    iou_threshold: float
    at_most: int

    @classmethod
    def parse(cls, block: Any) -> "ExportedDetector":
        """``detector`` of an ``export.json``.

        Raises:
            ConfigError: a missing key or a value out of range, named.
        """
        resize, colours = require(block, "input.resize"), require(block, "input.colours")
        if resize not in (LETTERBOX, STRETCH) or colours not in ("RGB", "BGR"):
            raise ConfigError(f"{EXPORT_FILE}: detector.input is not known: {resize!r:.40}, {colours!r:.40}.")
        mean, std = (_three(block, f"input.{key}") for key in ("mean", "std"))
        if min(std) < MIN_STD:
            raise ConfigError(f"{EXPORT_FILE}: detector.input.std must be at least {MIN_STD:g}, got {list(std)!s:.80}.")
        return cls(
            require(block, "file"),
            _whole(block, "input.size", MAX_SIDE),
            resize,
            _whole(block, "input.step", MAX_SIDE),
            colours == "RGB",
            mean,
            std,
            require_number(block, "score_threshold", 0, 1),
            require_number(block, "iou_threshold", 0, 1),
            _whole(block, "at_most", 10_000),
        )


@dataclass(frozen=True)
class ExportedModel:
    """What an ``export.json`` says to this package; what else is in it is for callers in other languages.

    folder: the directory. format: of the graphs, one of `FORMATS`. keypoints: the file of the keypoint network.
    decoded: it gives keypoints (N, 21, 3) in crop pixels, all views and the decoding done; else heatmaps.
    """

    folder: Path
    format: str
    keypoints: str
    decoded: bool
    detector: ExportedDetector | None

    @classmethod
    def find(cls, folder: Path) -> "ExportedModel | None":
        """The exported model in a directory; None where the directory has no ``export.json``.

        Raises:
            ConfigError: one that does not say what it should.
        """
        path = folder / EXPORT_FILE
        if not path.is_file():
            return None
        if path.stat().st_size > MAX_EXPORT_BYTES:
            raise ConfigError(f"{path} has {path.stat().st_size} bytes; more than {MAX_EXPORT_BYTES} are not read.")
        try:
            content = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{path} is not valid JSON: {error}.") from None
        kind, output = require(content, "format"), require(content, "keypoints.output.name")
        if not isinstance(kind, str) or kind not in FORMATS:
            raise ConfigError(f"{path}: the format {kind!r:.40} is not known; known are {', '.join(FORMATS)}.")
        if output not in ("heatmaps", "keypoints"):
            raise ConfigError(f"{path}: the output {output!r:.40} is not known; known are heatmaps and keypoints.")
        detector = ExportedDetector.parse(content["detector"]) if content.get("detector") else None
        return cls(folder, kind, require(content, "keypoints.file"), output == "keypoints", detector)

    def path(self, name: object) -> Path:
        """A file of the directory.

        Raises:
            ConfigError: no name, or one that reaches outside the directory.
        """
        plain = isinstance(name, str) and FILE_NAME.fullmatch(name)
        if not plain or not str(name).endswith(FORMATS[self.format]):
            raise ConfigError(f"{EXPORT_FILE} names {name!r:.80}, which is no {FORMATS[self.format]} file beside it.")
        return self.folder / str(name)


def _whole(block: Any, key: str, most: int) -> int:
    value = require_number(block, key, 1, most)
    if value != int(value):
        raise ConfigError(f"{EXPORT_FILE}: {key} must be a whole number, got {value!r}.")
    return int(value)


def _three(block: Any, key: str) -> tuple[float, ...]:
    values = require(block, key)
    if not isinstance(values, list) or len(values) != 3 or not all(_is_number(value) for value in values):
        raise ConfigError(f"{EXPORT_FILE}: {key} must be three numbers, got {values!r:.80}.")
    return tuple(float(value) for value in values)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6
