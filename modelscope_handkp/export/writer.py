"""A model directory -> a directory of graphs that run without torch: `export_model`."""

import io
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from ..detection.ssdlite import read_ssdlite
from ..detection.yolox import read_yolox
from ..engines import open_graph
from ..engines.base import Engine
from ..engines.eager import EagerEngine, fold_batch_norms
from ..engines.onnx_export import TOLERANCE, export_onnx, largest_difference
from ..engines.openvino import import_openvino, shared_core
from ..engines.precision import FLOAT16, FLOAT32, INT8
from ..errors import CheckpointError, InputError
from ..files import TEMPORARY
from ..geometry.boxes import BOX_PADDING
from ..model_dir.checkpoint import load_weights
from ..model_dir.config import CONFIGURATION_FILE, read_configuration
from ..model_dir.exported import EXPORT_FILE, FORMATS
from ..model_dir.hub import find_model_dir
from ..model_dir.settings import DetectionSettings, ModelSettings
from ..networks.topdown import load_topdown
from ..pose.codec import HeatmapCodec
from ..version import __version__
from .calibration import COMPARED, Samples
from .describe import describe_keypoints, describe_refinement, describe_ssdlite, describe_yolox
from .graphs import KeypointGraph, SSDLiteGraph, YOLOXGraph
from .half import halved
from .quantise import quantised

ONNX, OPENVINO, TORCH_EXPORT = FORMATS
KEYPOINTS, DETECTOR = "keypoints", "detector"  # the networks' names
YOLOX = "YOLOX"  # of `DETECTION.type`; `Samples` has refused types that are not known
FULL = "full"  # all views
EXPORT_PRECISIONS = (FLOAT32, FLOAT16, INT8)


@dataclass(frozen=True)
class Part:
    """One network of a model: its name, the graph in evaluation mode, the size of its inputs (width, height in pixels,
    None for any), the names of its outputs, and what `export.json` says of it."""

    name: str
    graph: nn.Module
    size: tuple[int, int] | None
    outputs: tuple[str, ...]
    description: dict[str, Any]


def export_model(
    model_dir: str | Path | None,
    out: str | Path,
    format: str = ONNX,
    precision: str = FLOAT32,
    decode: bool = False,
    calibration: str | Path | None = None,
    weights: dict[str, torch.Tensor] | None = None,
    tta: str = FULL,
) -> dict[str, float]:
    """Write the networks of a model as graphs, run them, and compare them with torch on rendered images.

    Args:
        model_dir: as in `HandEstimator.from_pretrained`.
        out: a folder that is not there, or is empty, or was exported to before.
        format: "onnx", "openvino" (``NAME.xml`` and ``NAME.bin``) or "torch-export" (``torch.export.load`` reads it).
        precision: "float32"; "float16" stores the weights in half the bytes and computes in float32; "int8" of the
            keypoint network, which is calibrated.
        decode: views, DARK and coordinates are in the graph of the keypoint network.
        calibration: a folder of images for int8; None: rendered hands.
        weights: of the keypoint network, in place of the directory's.
        tta: which views are in a graph that decodes, as in `HandEstimator.from_pretrained`.
    Returns:
        the largest difference of each network from torch, as a share of the largest value.
    Raises:
        InputError: what cannot be combined, or ``out`` is something else's. MissingPackageError: a package, with the
            pip command. CheckpointError: in float32, a difference above `TOLERANCE`. ``out`` is then as it was before.
        MissingFileError, ConfigError: the model directory does not make a model that can be exported.
    """
    _check(format, precision, calibration, decode, tta)
    folder, out = find_model_dir(model_dir), Path(out)
    _check_out(out)
    settings = ModelSettings.parse(read_configuration(folder))
    settings = replace(settings, views=settings.views.limited(tta))
    parts = [_keypoints(folder, settings, format, decode, weights)]
    if settings.detection is not None:
        parts.append(_detector(folder, settings.detection, format))
    samples = Samples.of(folder, settings, precision == INT8, calibration)
    beside = next(place for place in out.absolute().parents if place.is_dir())
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", suffix=TEMPORARY, dir=beside) as place:
        made = Path(place)
        # a detector as small as these is no faster in int8, and finds less
        written = {part.name: FLOAT32 if precision == INT8 and part.name == DETECTOR else precision for part in parts}
        differences = {part.name: _write(part, made, format, written[part.name], samples) for part in parts}
        shutil.copyfile(folder / CONFIGURATION_FILE, made / CONFIGURATION_FILE)
        head = {"format": format, "precision": precision, "made_by": f"modelscope-handkp {__version__}"}
        networks = {part.name: {"precision": written[part.name], **part.description} for part in parts}
        manifest = {**head, **networks, "refinement": describe_refinement()}
        (made / EXPORT_FILE).write_bytes(json.dumps(manifest, indent=2).encode())
        _move(made, out)
    return differences


def _check(format: str, precision: str, calibration: object, decode: bool, tta: str) -> None:
    if not isinstance(format, str) or format not in FORMATS:
        raise InputError(f"format {format!r:.80} is not known; known are {', '.join(FORMATS)}.")
    if precision not in EXPORT_PRECISIONS:
        raise InputError(
            f"precision {precision!r:.80} is not written; {', '.join(EXPORT_PRECISIONS)} are. bfloat16 is chosen where "
            "a float32 export is run: from_pretrained(..., precision='bfloat16')."
        )
    if format == TORCH_EXPORT and precision != FLOAT32:
        raise InputError(f"torch-export is written in float32, not in {precision}.")
    if calibration is not None and precision != INT8:
        raise InputError(f"calibration images are for precision int8, not for {precision}.")
    if tta != FULL and not decode:
        raise InputError(
            f"tta {tta!r:.40} is for an export with decode: a graph of heatmaps has one view, and from_pretrained(..., "
            "tta=...) says in how many it is run."
        )


def _check_out(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; name a folder.")
    if out.is_dir() and any(out.iterdir()) and not (out / EXPORT_FILE).is_file():
        raise InputError(f"{out} is not empty and holds no exported model; name another folder.")


def _move(made: Path, out: Path) -> None:
    """Put what was made in the place of an earlier export; `EXPORT_FILE`, without which it is none, goes first and
    comes last."""
    out.mkdir(parents=True, exist_ok=True)
    names = [f"{name}{suffix}" for name in (KEYPOINTS, DETECTOR) for suffix in (*FORMATS.values(), ".bin")]
    for name in [EXPORT_FILE, *names]:
        (out / name).unlink(missing_ok=True)
    for file in sorted(made.iterdir(), key=lambda file: file.name == EXPORT_FILE):
        file.replace(out / file.name)


def _keypoints(folder: Path, settings: ModelSettings, format: str, decode: bool, weights: Any) -> Part:
    network = load_topdown(folder, settings.network).eval()
    if weights is not None:
        load_weights(network, weights, "the model in memory")
    fold_batch_norms(network)
    graph: nn.Module = network
    if decode:
        assert settings.decoding is not None
        sizes = {"image_size": settings.image_size, "heatmap_size": settings.heatmap_size}
        graph = KeypointGraph(network, settings.views, HeatmapCodec.from_settings(settings.decoding, **sizes)).eval()
    description = describe_keypoints(settings, f"keypoints{FORMATS[format]}", BOX_PADDING, decode)
    return Part(KEYPOINTS, graph, settings.crop_size, (description["output"]["name"],), description)


def _detector(folder: Path, settings: DetectionSettings, format: str) -> Part:
    file, least, outputs = f"detector{FORMATS[format]}", settings.score_threshold, ("boxes", "scores")
    if settings.kind == YOLOX:
        yolox, own = read_yolox(folder, settings)
        fold_batch_norms(yolox.eval())
        described = describe_yolox(own, file, least)
        return Part(DETECTOR, YOLOXGraph(yolox, own.hand_class).eval(), None, outputs, described)
    ssdlite, of_mmdet = read_ssdlite(folder, settings)
    described = describe_ssdlite(of_mmdet, file, least)
    size = described["input"]["size"]
    fold_batch_norms(ssdlite.eval())
    return Part(DETECTOR, SSDLiteGraph(ssdlite).eval(), (size, size), outputs, described)


def _write(part: Part, out: Path, format: str, precision: str, samples: Samples) -> float:
    """Write one graph, read it back, and compare it with torch."""
    path = out / f"{part.name}{FORMATS[format]}"
    inputs = samples.inputs(part.name)
    expected = EagerEngine(part.graph, fold=False)
    shown = [*inputs[-COMPARED:], inputs[-1].repeat(3, 1, 1, 1)]
    compared = [list(expected(batch)) for batch in shown]
    if format == TORCH_EXPORT:
        _write_torch(part, inputs[0], path)
        program = torch.export.load(path)  # our own file of this moment
        engine: Engine = EagerEngine(program.module(), fold=False)
    else:
        content = export_onnx(part.graph, part.size, list(part.outputs))
        if precision == INT8:
            content = quantised(content, inputs[:-COMPARED])
        if format == OPENVINO:
            _write_openvino(content, path, precision)
        else:
            path.write_bytes(halved(content) if precision == FLOAT16 else content)
        engine = open_graph("auto", path, torch.device("cpu"))
    difference = float(np.max([largest_difference(engine(batch), wanted) for batch, wanted in zip(shown, compared)]))
    if precision == FLOAT32 and not difference <= TOLERANCE:
        raise CheckpointError(
            f"the exported {part.name} differ from torch by {difference:.1e} of the largest value, more than "
            f"{TOLERANCE:g}; nothing was written."
        )
    return difference


def _write_openvino(content: bytes, path: Path, precision: str) -> None:
    openvino = import_openvino()
    model = shared_core().read_model(io.BytesIO(content))
    openvino.save_model(model, str(path), compress_to_fp16=precision == FLOAT16)


def _write_torch(part: Part, example: torch.Tensor, path: Path) -> None:
    if not hasattr(torch, "export") or not hasattr(torch.export, "save"):
        raise InputError(f"torch {torch.__version__} has no torch.export; install torch 2.1 or newer, or choose onnx.")
    batch = torch.export.Dim("batch")
    axes: dict[int, Any] = {0: batch}
    if part.size is None:
        axes = {0: batch, 2: 32 * torch.export.Dim("rows"), 3: 32 * torch.export.Dim("columns")}
    twice = torch.cat([example, example])  # of one image torch would take the batch for fixed
    with torch.no_grad():
        program = torch.export.export(part.graph, (twice,), dynamic_shapes=(axes,))
    torch.export.save(program, path)
