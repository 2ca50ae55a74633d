"""OpenVINO's own files, which may be anybody's: a graph in XML and its weights, read once and checked."""

import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ..errors import CheckpointError, MissingFileError
from .onnx_model import MAX_BYTES, MAX_VALUES

MAX_XML_BYTES = 16 << 20  # HRNetV2-W18 has 1 MB
MAX_DEPTH = 32  # of elements; a model has about seven
STANDARD_OPERATORS = re.compile(r"opset\d+")  # the version of a layer that is OpenVINO's own
BODIES = ("loop", "tensoriterator", "if")  # whose work no shape bounds; OpenVINO takes any case
WHOLE, SIDE = re.compile(r"\d{1,18}"), re.compile(r"-?\d{1,18}")


@dataclass(frozen=True)
class OpenVINOModel:
    """A graph of OpenVINO's own operators. name: what errors call it. xml, weights: the content of its two files."""

    name: str
    xml: bytes = field(repr=False)
    weights: bytes = field(repr=False)

    @classmethod
    def read(cls, path: str | Path) -> "OpenVINOModel":
        """``NAME.xml`` with ``NAME.bin`` beside it, checked.

        Raises:
            MissingFileError, CheckpointError: a file, named, with what keeps it from being run.
        """
        path = Path(path)
        for file, most in ((path, MAX_XML_BYTES), (path.with_suffix(".bin"), MAX_BYTES)):
            if not file.is_file():
                raise MissingFileError(f"{file} is not there or is no file.")
            if file.stat().st_size > most:
                raise CheckpointError(f"{file} has {file.stat().st_size} bytes; more than {most} are not read.")
        xml, weights = path.read_bytes(), path.with_suffix(".bin").read_bytes()
        _check(xml, len(weights), str(path))
        return cls(str(path), xml, weights)


class _Plain(ElementTree.TreeBuilder):
    """Builds what an OpenVINO model may have: no definitions of its own, and few levels."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._depth = name, 0

    def doctype(self, *_: object) -> None:
        raise CheckpointError(f"{self._name} has definitions of its own (DOCTYPE), as no OpenVINO model has.")

    def start(self, tag: str, attributes: dict[str, str]) -> ElementTree.Element:  # type: ignore[override]
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise CheckpointError(f"{self._name} is nested deeper than {MAX_DEPTH}, as no OpenVINO model is.")
        return super().start(tag, attributes)

    def end(self, tag: str) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def _check(xml: bytes, weights: int, name: str) -> None:
    """Refuse operators that are not OpenVINO's own, loops and branches, and constants beyond the ``weights``, bytes."""
    parser = ElementTree.XMLParser(target=_Plain(name))
    try:
        root = ElementTree.fromstring(xml, parser)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise CheckpointError(f"{name} is no OpenVINO model: {error}.") from None
    layers = list(root.iter("layer"))
    if root.tag != "net" or not layers:
        raise CheckpointError(f"{name} is no OpenVINO model: it has no layers.")
    if len(layers) != len(root.findall("./layers/layer")):
        raise CheckpointError(f"{name} has layers within layers, whose work has no bound; it is not run.")
    for layer in layers:
        kind, version = layer.get("type", ""), layer.get("version", "")
        if not STANDARD_OPERATORS.fullmatch(version):
            raise CheckpointError(
                f"{name} has the operator {kind!r:.80} of {version!r:.80}; only OpenVINO's own are run."
            )
        if kind.lower() in BODIES:
            raise CheckpointError(f"{name} has a {kind:.80}, whose work has no bound; it is not run.")
    for port in root.iter("port"):
        _check_shape([(dim.text or "").strip() for dim in port.findall("dim")], name)
    for data in root.iter("data"):
        _check_shape([side.strip() for side in data.get("shape", "").split(",") if side.strip()], name)
        places = [data.get(key, "0") for key in ("offset", "size")]
        if data.get("offset") is not None and not (
            all(map(WHOLE.fullmatch, places)) and sum(map(int, places)) <= weights
        ):
            raise CheckpointError(f"{name} has a constant at {places!s:.80}, but its .bin has {weights} bytes.")


def _check_shape(sides: list[str], name: str) -> None:
    """Refuse the shape of a tensor that would fill the memory; a side that is not known has a number below 1, or ?."""
    known = [max(int(side), 1) if SIDE.fullmatch(side) else MAX_VALUES + 1 for side in sides if side != "?"]
    if math.prod(known) > MAX_VALUES:
        shape = ", ".join(sides)
        raise CheckpointError(f"{name} makes a tensor of shape {shape:.80}; at most {MAX_VALUES} values are computed.")
