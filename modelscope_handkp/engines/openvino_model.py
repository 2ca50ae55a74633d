"""OpenVINO's own files, which may be anybody's: a graph in XML and its weights, read once and checked."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree

from ..errors import CheckpointError, MissingFileError
from .onnx_model import MAX_BYTES, MAX_VALUES

MAX_XML_BYTES = 64 << 20
STANDARD_OPERATORS = re.compile(r"opset\d+")  # the version of a layer that is OpenVINO's own
LOOPS = ("Loop", "TensorIterator")  # whose work no shape bounds


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
        xml = path.read_bytes()
        _check(xml, str(path))
        return cls(str(path), xml, path.with_suffix(".bin").read_bytes())


def _check(xml: bytes, name: str) -> None:
    """Refuse operators that are not OpenVINO's own, loops, and tensors that would fill the memory."""
    if b"<!DOCTYPE" in xml or b"<!ENTITY" in xml:
        raise CheckpointError(f"{name} has definitions of its own (DOCTYPE), as no OpenVINO model has.")
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError as error:
        raise CheckpointError(f"{name} is no OpenVINO model: {error}.") from None
    layers = list(root.iter("layer"))
    if root.tag != "net" or not layers:
        raise CheckpointError(f"{name} is no OpenVINO model: it has no layers.")
    for layer in layers:
        kind, version = layer.get("type", ""), layer.get("version", "")
        if not STANDARD_OPERATORS.fullmatch(version):
            raise CheckpointError(
                f"{name} has the operator {kind!r:.80} of {version!r:.80}; only OpenVINO's own are run."
            )
        if kind in LOOPS:
            raise CheckpointError(f"{name} has a {kind}, whose work has no bound; it is not run.")
    for port in root.iter("port"):
        count, sides = 1, [(dim.text or "").strip() for dim in port.findall("dim")]
        for side in sides:
            count *= max(int(side), 1) if re.fullmatch(r"-?\d{1,18}", side) else MAX_VALUES + 1
        if count > MAX_VALUES:
            raise CheckpointError(
                f"{name} makes a tensor of shape {', '.join(sides)!s:.80}; at most {MAX_VALUES} are computed."
            )
