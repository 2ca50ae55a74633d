"""Model directories as graphs: every format and detector, whole or not at all."""

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_dirs import write_tiny_dir_with_yolox

from modelscope_handkp import HandEstimator
from modelscope_handkp.errors import CheckpointError, ConfigError, HandkpError, InputError, MissingPackageError
from modelscope_handkp.export import writer
from modelscope_handkp.export.writer import export_model

pytest.importorskip("onnx", reason="export needs the extra onnx")
pytest.importorskip("onnxruntime", reason="export needs the extra onnx")
needs_openvino = pytest.mark.skipif(
    importlib.util.find_spec("openvino") is None, reason="the format openvino needs the extra openvino"
)
IMAGE = np.random.default_rng(0).integers(0, 255, (90, 110, 3), np.uint8)
BOXES = [[0, 0, 50, 60], [10, 10, 70, 80], [5, 20, 60, 60]]
PIXELS = 0.01


def certain(config: dict[str, Any]) -> None:
    """DARK extrapolates on an untrained network; a quarter of a pixel does not."""
    config["model"]["test_cfg"]["post_process"] = "default"


@pytest.fixture(scope="module")
def tiny(tiny_dir: Callable[..., Path]) -> Path:
    return tiny_dir(edit=certain)


@pytest.fixture(scope="module")
def yolox(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_tiny_dir_with_yolox(tmp_path_factory.mktemp("yolox"))
    config = json.loads((folder / "configuration.json").read_text())
    certain(config)
    (folder / "configuration.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """exported(model, ...) -> a folder with what `export_model` writes, made once: treat it as read-only."""
    made: dict[str, Path] = {}

    def make(model: Path, **options: Any) -> Path:
        key = repr((model, options))
        if key not in made:
            made[key] = tmp_path_factory.mktemp("exported")
            assert max(export_model(model, made[key], **options).values()) < 1e-4
        return made[key]

    return make


def assert_same(exported: Path, model: Path, engine: str | None, boxes: Any = None, **options: Any) -> None:
    theirs = HandEstimator.from_pretrained(model, "cpu", **options)(IMAGE, boxes)
    ours = HandEstimator.from_pretrained(exported, "cpu", engine=engine, **options)(IMAGE, boxes)
    assert len(ours) == len(theirs) > 0
    np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=PIXELS)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
    np.testing.assert_allclose(ours.keypoints[..., :2], theirs.keypoints[..., :2], atol=PIXELS)
    np.testing.assert_allclose(ours.keypoints[..., 2], theirs.keypoints[..., 2], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize(
    ("format", "engine"),
    [("onnx", "onnxruntime"), pytest.param("onnx", "openvino", marks=needs_openvino),
     pytest.param("openvino", "openvino", marks=needs_openvino), ("onnx", None)],
)  # fmt: skip
@pytest.mark.parametrize("boxes", [BOXES[:1], BOXES])
def test_an_exported_model_gives_what_the_model_gives(
    tiny: Path, exported: Callable[..., Path], format: str, engine: str | None, decode: bool, boxes: Any
) -> None:
    assert_same(exported(tiny, format=format, decode=decode), tiny, engine, boxes)


@pytest.mark.parametrize("format", ["onnx", pytest.param("openvino", marks=[needs_openvino, pytest.mark.slow])])
def test_yolox_is_exported_with_it(yolox: Path, exported: Callable[..., Path], format: str) -> None:
    for threshold in (None, 0.01):
        assert_same(exported(yolox, format=format), yolox, None, score_threshold=threshold)


@pytest.mark.slow  # the hosted networks
def test_ssdlite_is_exported_with_it(hosted_dir: Callable[..., Path], tmp_path: Path) -> None:
    model = hosted_dir(score_threshold=0.6, edit=certain)
    assert list(export_model(model, tmp_path / "out")) == ["keypoints", "detector"]
    assert_same(tmp_path / "out", model, "onnxruntime", max_candidates=4)


@pytest.mark.slow  # torch.export
@pytest.mark.parametrize("decode", [False, True])
def test_torchs_own_format_is_read_by_torch(yolox: Path, tmp_path: Path, decode: bool) -> None:
    if not hasattr(torch, "export"):
        with pytest.raises(InputError, match=r"has no torch\.export; install torch 2\.1"):
            export_model(yolox, tmp_path / "out", "torch-export", decode=decode)
        return
    differences = export_model(yolox, tmp_path / "out", "torch-export", decode=decode)
    assert max(differences.values()) < 1e-4
    program = torch.export.load(tmp_path / "out" / "keypoints.pt2").module()
    for count in (1, 3):
        shape = (count, 21, 3) if decode else (count, 21, 16, 16)
        assert program(torch.rand(count, 3, 64, 64)).shape == shape
    boxes, scores = torch.export.load(tmp_path / "out" / "detector.pt2").module()(torch.rand(2, 3, 64, 96))
    assert (boxes.shape, scores.shape) == ((2, 126, 4), (2, 126))
    with pytest.raises(InputError, match=r"pt2 is not run here, as torch\.export\.load executes what is in it"):
        HandEstimator.from_pretrained(tmp_path / "out", "cpu")


@pytest.mark.parametrize("decode", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("format", "engine"),
    [("onnx", "onnxruntime"), pytest.param("openvino", "openvino", marks=[needs_openvino, pytest.mark.slow])],
)
def test_half_precision_halves_the_files_and_not_the_accuracy(
    yolox: Path, tmp_path: Path, exported: Callable[..., Path], format: str, engine: str, decode: bool
) -> None:
    differences = export_model(yolox, tmp_path / "half", format, "float16", decode)
    assert 1e-6 < differences["detector"] < 0.01  # of boxes that an untrained network stretches
    whole, suffix = exported(yolox, format=format, decode=decode), {"onnx": ".onnx", "openvino": ".bin"}[format]
    for part in ("keypoints", "detector"):
        full, half = ((folder / f"{part}{suffix}").stat().st_size for folder in (whole, tmp_path / "half"))
        assert half < 0.75 * full
    content = json.loads((tmp_path / "half" / "export.json").read_text())
    assert [content[part]["precision"] for part in ("keypoints", "detector")] == ["float16", "float16"]
    ours = HandEstimator.from_pretrained(tmp_path / "half", "cpu", engine=engine)(IMAGE, BOXES).keypoints
    theirs = HandEstimator.from_pretrained(yolox, "cpu")(IMAGE, BOXES).keypoints
    assert np.median(np.linalg.norm(ours[..., :2] - theirs[..., :2], axis=-1)) < 0.5
    assert (ours != theirs).any()


@pytest.mark.slow  # calibration
@pytest.mark.parametrize("decode", [False, True])
def test_int8_is_calibrated(yolox: Path, tmp_path: Path, decode: bool) -> None:
    differences = export_model(yolox, tmp_path / "out", precision="int8", decode=decode)
    assert differences["detector"] < 1e-4
    content = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (content["keypoints"]["precision"], content["detector"]["precision"]) == ("int8", "float32")
    assert np.isfinite(HandEstimator.from_pretrained(tmp_path / "out", "cpu")(IMAGE, BOXES).keypoints).all()


def test_the_description_has_what_a_caller_needs(yolox: Path, exported: Callable[..., Path]) -> None:
    content = json.loads((exported(yolox, format="onnx") / "export.json").read_text())
    assert (content["format"], content["precision"]) == ("onnx", "float32")
    keypoints, detector = content["keypoints"], content["detector"]
    assert keypoints["file"] == "keypoints.onnx"
    assert keypoints["input"]["shape"] == ["N", 3, 64, 64]
    np.testing.assert_allclose(keypoints["input"]["mean"], [123.675, 116.28, 103.53], atol=1e-6)
    np.testing.assert_allclose(keypoints["input"]["std"], [58.395, 57.12, 57.375], atol=1e-6)
    assert keypoints["crop"]["padding"] == 1.25
    assert keypoints["output"] == {
        "name": "heatmaps", "shape": ["N", 21, 16, 16], "meaning": "one view, not decoded",
    }  # fmt: skip
    assert keypoints["views"] == {"flip": True, "shift": True, "rotation": 0.0}
    assert len(keypoints["names"]) == 21 and len(keypoints["links"]) == 20
    assert detector["input"]["mean"] == [0, 0, 0] and detector["input"]["colours"] == "BGR"
    assert (detector["input"]["size"], detector["input"]["step"], detector["input"]["padding"]) == (64, 32, 114)
    assert (detector["score_threshold"], detector["iou_threshold"], detector["at_most"]) == (0.2, 0.45, 100)


def test_the_refinement_is_described_as_it_was_measured(tiny: Path, exported: Callable[..., Path]) -> None:
    refinement = json.loads((exported(tiny, format="onnx") / "export.json").read_text())["refinement"]
    meanings = refinement.pop("meaning")
    assert refinement == {
        "max_candidates": 16, "score_power": 0.25, "confirmed_share": 0.8, "same_distance": 0.2, "same_share": 0.3,
        "plausible_mean": 0.2, "localised_iou": 0.6, "margin": 0.06,
    }  # fmt: skip
    assert set(meanings) == set(refinement)


def test_all_views_are_in_a_graph_that_decodes(tiny: Path, exported: Callable[..., Path]) -> None:
    folder = exported(tiny, format="onnx", decode=True)
    output = json.loads((folder / "export.json").read_text())["keypoints"]["output"]
    assert (output["name"], output["shape"]) == ("keypoints", ["N", 21, 3])
    with pytest.raises(InputError, match="tta 'none' cannot be chosen: this export has its views in its graph"):
        HandEstimator.from_pretrained(folder, "cpu", tta="none")


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize(("tta", "flip"), [("none", False), ("flip", True)])
def test_views_of_a_graph_that_decodes_are_chosen_when_it_is_written(
    tiny: Path, tmp_path: Path, tta: str, flip: bool, precision: str
) -> None:
    export_model(tiny, tmp_path / "out", precision=precision, decode=True, tta=tta)
    views = json.loads((tmp_path / "out" / "export.json").read_text())["keypoints"]["views"]
    assert (views["flip"], views["rotation"]) == (flip, 0)
    theirs = HandEstimator.from_pretrained(tiny, "cpu", tta=tta)(IMAGE, BOXES).keypoints
    ours = HandEstimator.from_pretrained(tmp_path / "out", "cpu", engine="onnxruntime")(IMAGE, BOXES).keypoints
    distances = np.linalg.norm(ours[..., :2] - theirs[..., :2], axis=-1)
    assert np.quantile(distances, 0.5) < (PIXELS if precision == "float32" else 0.5)


def test_views_of_a_graph_of_heatmaps_are_chosen(tiny: Path, exported: Callable[..., Path]) -> None:
    for tta in ("none", "flip", "full"):
        assert_same(exported(tiny, format="onnx", decode=False), tiny, "onnxruntime", BOXES, tta=tta)


# --- whole or not at all


def fails(*_: Any) -> Any:
    raise CheckpointError("torch cannot export the network: no.")


def interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt


BREAKAGES = {
    "another network": ("export_onnx", lambda *_: other_network()),
    "no export": ("export_onnx", fails),
    "an interrupt": ("export_onnx", interrupted),
    "an interrupt at the end": ("describe_end", interrupted),
}


def other_network() -> bytes:
    from modelscope_handkp.engines.onnx_export import export_onnx

    torch.manual_seed(5)
    return export_onnx(torch.nn.Conv2d(3, 21, 4, stride=4), (64, 64), ["heatmaps"])


@pytest.mark.parametrize(
    ("how", "there"),
    [*((how, "an earlier export") for how in BREAKAGES), ("no export", "nothing"), ("no export", "an empty folder")],
)
def test_an_export_that_fails_leaves_the_folder_as_it_was(
    tiny: Path, tmp_path: Path, exported: Callable[..., Path], how: str, there: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "deep" / "out"
    if there == "an empty folder":
        out.mkdir(parents=True)
    if there == "an earlier export":
        shutil.copytree(exported(tiny, format="onnx", decode=True), out)
    before = {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")}
    name, instead = BREAKAGES[how]
    if name == "describe_end":
        monkeypatch.setattr(shutil, "copyfile", instead)
    else:
        monkeypatch.setattr(writer, name, instead)
    with pytest.raises((HandkpError, KeyboardInterrupt)) as raised:
        export_model(tiny, out)
    if how == "another network":
        assert "the exported keypoints differ from torch by" in str(raised.value)
        assert "more than 0.0001; nothing was written" in str(raised.value)
    assert {path: path.read_bytes() if path.is_file() else None for path in tmp_path.rglob("*")} == before


def test_an_export_takes_the_place_of_an_earlier_one(
    yolox: Path, tiny: Path, tmp_path: Path, exported: Callable[..., Path]
) -> None:
    shutil.copytree(exported(yolox, format="onnx"), tmp_path / "out")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    export_model(tiny, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["configuration.json", "export.json", "keypoints.onnx", "notes.txt"]


def test_a_folder_of_something_else_is_left_alone(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no exported model; name another folder"):
        export_model(tiny, tmp_path)
    with pytest.raises(InputError, match=r"notes\.txt is a file; name a folder"):
        export_model(tiny, tmp_path / "notes.txt")
    with pytest.raises(InputError, match="is not empty and holds no exported model"):
        export_model(tiny, tiny)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"format": "tflite"}, "format 'tflite' is not known; known are onnx, openvino, torch-export"),
        ({"format": ["onnx"]}, "is not known"),
        ({"precision": "bfloat16"}, r"from_pretrained\(\.\.\., precision='bfloat16'\)"),
        ({"precision": "int4"}, "precision 'int4' is not written; float32, float16, int8 are"),
        ({"format": "torch-export", "precision": "float16"}, "torch-export is written in float32, not in float16"),
        ({"calibration": "images"}, "calibration images are for precision int8, not for float32"),
        ({"tta": "flip"}, "tta 'flip' is for an export with decode: a graph of heatmaps has one view"),
        ({"tta": "most", "decode": True}, "tta 'most' is not known; known are none, flip, full"),
        ({"precision": "int8", "calibration": "/nowhere"}, "/nowhere is no folder of images"),
    ],
)
def test_what_cannot_be_combined_is_named(tiny: Path, tmp_path: Path, options: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        export_model(tiny, tmp_path / "out", **options)
    assert not list(tmp_path.iterdir())


def test_chains_that_no_other_language_follows_are_named(tiny_dir: Callable[..., Path], tmp_path: Path) -> None:
    def edit(config: dict[str, Any]) -> None:
        config["test_pipeline"].insert(1, {"type": "MMToTensor"})

    with pytest.raises(ConfigError, match=r"only the test_pipeline TopDownAffine, .* can be exported"):
        export_model(tiny_dir(edit=edit), tmp_path / "out")


def test_openvino_is_one_sentence_where_it_is_missing(
    tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'modelscope-handkp\[openvino\]'"):
        export_model(tiny, tmp_path / "out", "openvino")
    assert not list(tmp_path.iterdir())


# --- exported folders of strangers


@pytest.mark.parametrize("file", ["keypoints.onnx", "detector.onnx"])
@pytest.mark.parametrize("decode", [False, True])
def test_graphs_that_give_something_else_are_refused(
    yolox: Path, tmp_path: Path, exported: Callable[..., Path], file: str, decode: bool
) -> None:
    from modelscope_handkp.engines.onnx_export import export_onnx

    options = {"decode": True} if decode else {}
    shutil.copytree(exported(yolox, format="onnx", **options), tmp_path / "out")

    class Flat(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

    class NotFinite(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> Any:
            maps = images[:, :1, ::4, ::4].expand(-1, 21, -1, -1).contiguous()
            points = maps[:, :, 0, :3]
            if file == "detector.onnx":
                boxes = images[:, :1, :5, :4].flatten(1, 2)
                return boxes, (boxes[..., 0] - boxes[..., 0]) / (boxes[..., 0] - boxes[..., 0])
            return (points if decode else maps) * float("inf")

    odd = torch.nn.Conv2d(3, 20, 4, stride=4)
    for network, size in ((Flat(), (64, 64)), (odd, (64, 64)), (NotFinite(), (64, 64)), (Flat(), None)):
        (tmp_path / "out" / file).write_bytes(export_onnx(network.eval(), size))
        with pytest.raises(HandkpError):
            HandEstimator.from_pretrained(tmp_path / "out", "cpu", engine="onnxruntime")


@pytest.mark.parametrize(
    ("key", "value", "named"),
    [("file", "../keypoints.onnx", "beside it"), ("file", "/etc/passwd", "beside it"), ("file", "gone.onnx", "gone")],
)
def test_files_that_are_elsewhere_are_refused(
    tiny: Path, tmp_path: Path, exported: Callable[..., Path], key: str, value: Any, named: str
) -> None:
    shutil.copytree(exported(tiny, format="onnx", decode=False), tmp_path / "out")
    content = json.loads((tmp_path / "out" / "export.json").read_text())
    content["keypoints"][key] = value
    (tmp_path / "out" / "export.json").write_text(json.dumps(content))
    with pytest.raises(HandkpError, match=named):
        HandEstimator.from_pretrained(tmp_path / "out", "cpu")
