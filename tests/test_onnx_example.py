"""examples/onnx_inference.py, which needs numpy, OpenCV and ONNX Runtime alone."""

import json
import os
import runpy
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from modelscope_handkp import HandEstimator
from modelscope_handkp.engines.onnx_export import export_onnx
from modelscope_handkp.export.writer import export_model

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("onnx", reason="onnx is not installed")

ROOT = Path(__file__).parents[1]
SCRIPT, IMAGE = ROOT / "examples" / "onnx_inference.py", ROOT / "examples" / "hands.jpg"
NEEDED = ("numpy", "opencv-python-headless", "onnxruntime")
WITHOUT = """
import runpy, sys
for name in ("modelscope_handkp", "modelscope", "torch", "PIL", "scipy"):
    sys.modules[name] = None  # import raises ImportError
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
RED = [170, 90, 270, 190]  # xyxy in the image, pixels
SIZE = (300, 200)  # of the image, width and height
CROP = (48, 64)
NORMALISE = {"colours": "RGB", "mean": [100.0] * 3, "std": [50.0] * 3}  # red is 3.1 and -2, grey around images 0.28


def red_of(images: Tensor) -> Tensor:
    """(N, H, W): where normalised RGB images (N, 3, H, W) are red."""
    return ((images - torch.tensor([3.1, -2.0, -2.0])[:, None, None]).abs() < 1).all(1)


def extent_of(mask: Tensor) -> Tensor:
    """(N, 4): x0, y0, x1, y1 of what is set in (N, H, W)."""
    rows, columns = (torch.arange(mask.shape[axis])[None].float() for axis in (1, 2))
    found = []
    for places, line in ((columns, mask.any(1)), (rows, mask.any(2))):
        low = torch.where(line, places, torch.tensor(1e4)).amin(1)
        found.append((low, torch.where(line, places + 1, torch.tensor(-1e4)).amax(1)))
    return torch.stack([found[0][0], found[1][0], found[0][1], found[1][1]], 1)


class RedDetector(nn.Module):
    """Finds what is red, twice, and its right lower quarter. Also what is no hand: a box where nothing is, one without
    area, and one of too low a score.

    Args:
        corner: the grey level of the input's right lower pixel, normalised; else the scores are 0.
    """

    def __init__(self, corner: float) -> None:
        super().__init__()
        self.corner = corner

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        box = extent_of(red_of(images))[:, None]
        low, high = box[..., :2], box[..., 2:]
        middle = (low + high) / 2
        above, below = (torch.cat([middle[..., :1], end[..., 1:]], 2) for end in (low, high))
        pairs = [
            (low + 1, high + 1),
            (low, high),
            (middle, high),
            (0 * low, 0 * low + 8),
            (above, below),
            (low, middle),
        ]
        boxes = torch.cat([torch.cat(pair, 2) for pair in pairs], 1)
        is_right = (images[:, :, -1, -1] - self.corner).abs().amax(1, keepdim=True) < 0.01
        return boxes, is_right * torch.tensor([[0.055, 0.0625, 0.05, 0.9, 0.8, 0.04]])


class RedKeypoints(nn.Module):
    """The corners of what is red, and its centre 19 times; their score is its share of the crop."""

    def forward(self, crops: Tensor) -> Tensor:
        mask = red_of(crops)
        box = extent_of(mask)
        points = torch.cat([box.view(-1, 2, 2), box.view(-1, 2, 2).mean(1, keepdim=True).expand(-1, 19, 2)], 1)
        score = mask.float().mean((1, 2)).view(-1, 1, 1).expand(-1, 21, 1)
        return torch.cat([points, score], 2)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A red rectangle on black."""
    pixels = np.zeros((SIZE[1], SIZE[0], 3), np.uint8)
    pixels[RED[1] : RED[3], RED[0] : RED[2]] = (0, 0, 255)
    path = tmp_path / "red.png"
    cv2.imwrite(str(path), pixels)
    return path


def write_export(folder: Path, resize: str | None, **keypoints: Any) -> Path:
    """An exported model that finds what is red in `image`; without ``resize`` it has no detector."""
    folder.mkdir()
    (folder / "keypoints.onnx").write_bytes(export_onnx(RedKeypoints(), CROP, ["keypoints"]))
    about: dict[str, Any] = {
        "format": "onnx",
        "keypoints": {
            "file": "keypoints.onnx",
            "input": {"name": "images", "shape": ["N", 3, CROP[1], CROP[0]], **NORMALISE},
            "crop": {"padding": 1.25},
            "output": {"name": "keypoints"},
            "hand_threshold": 0.1,
            "links": [[0, 1]],
            **keypoints,
        },
    }
    if resize is not None:
        size, corner = ((160, 128), 0.28) if resize == "letterbox" else ((160, 160), -2.0)
        (folder / "detector.onnx").write_bytes(export_onnx(RedDetector(corner), size, ["boxes", "scores"]))
        shape = {"name": "images", "resize": resize, "size": 160, "step": 32, "padding": 114, **NORMALISE}
        limits = {"score_threshold": 0.045, "iou_threshold": 0.35, "at_most": 100}
        about["detector"] = {"file": "detector.onnx", "input": shape, **limits}
    (folder / "export.json").write_text(json.dumps(about))
    return folder


def run_here(monkeypatch: pytest.MonkeyPatch, *arguments: Any) -> None:
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
    runpy.run_path(str(SCRIPT), run_name="__main__")


def check_red(hands: Any) -> None:
    """Two hands: the rectangle with its corners and its centre, and its right lower quarter."""
    assert len(hands) == 2
    np.testing.assert_allclose(hands[1]["box"], [*np.add(RED[:2], RED[2:]) / 2, *RED[2:]], atol=2.5)
    keypoints = np.array(hands[0]["keypoints"])
    np.testing.assert_allclose(hands[0]["box"], RED, atol=2.5)
    np.testing.assert_allclose(keypoints[:2, :2].ravel(), RED, atol=3)
    np.testing.assert_allclose(keypoints[2:, :2], [[220, 140]] * 19, atol=2)
    # a square in a crop of 3:4, padded by a quarter
    np.testing.assert_allclose(keypoints[:, 2], 0.75 / 1.25**2, atol=0.03)
    assert hands[0]["confidence"] == pytest.approx(0.5 * keypoints[0, 2], rel=1e-3)  # of a box score of 0.0625


def test_hands_are_found_without_this_package_torch_and_modelscope(tmp_path: Path, image: Path) -> None:
    folder, drawn = write_export(tmp_path / "model", "letterbox"), tmp_path / "drawn.png"
    command = [sys.executable, "-c", WITHOUT, SCRIPT, folder, image, "--out", drawn]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True, cwd=tmp_path)
    check_red(json.loads(run.stdout))
    green = (cv2.imread(str(drawn)) == (0, 255, 0)).all(axis=2)
    assert green[140, 220] and not green[100, 260]  # the link runs from corner to corner


def test_an_input_that_the_image_is_stretched_to(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_here(monkeypatch, write_export(tmp_path / "model", "stretch"), image)
    check_red(json.loads(capsys.readouterr().out))


def test_without_a_detector_and_a_threshold_the_image_is_one_hand(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run_here(monkeypatch, write_export(tmp_path / "model", None, hand_threshold=None), image)
    (hand,) = json.loads(capsys.readouterr().out)
    assert hand["box"] == [0, 0, *SIZE]
    np.testing.assert_allclose(np.array(hand["keypoints"])[2, :2], [220, 140], atol=8)


def test_what_it_cannot_run_is_said_in_a_sentence(
    tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    heatmaps = write_export(tmp_path / "heatmaps", None, output={"name": "heatmaps"})
    with pytest.raises(SystemExit):
        run_here(monkeypatch, heatmaps, image)
    assert "export it with --decode" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_here(monkeypatch, write_export(tmp_path / "model", None), SCRIPT)
    assert "onnx_inference.py is no image" in capsys.readouterr().err


def test_the_example_is_short() -> None:
    assert len(SCRIPT.read_text().splitlines()) < 100


# --- the embedded model


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("embedded")
    export_model(None, out, decode=True)
    return out


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The interpreter of an environment with nothing but `NEEDED`."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", *NEEDED]
    made = subprocess.run(list(map(str, install)), capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"pip cannot install {', '.join(NEEDED)}: {made.stderr.strip()[-200:]}")
    yield python


@pytest.mark.slow
def test_an_environment_without_more_finds_the_hands_of_hand_estimator(embedded: Path, bare_python: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(bare_python), str(SCRIPT), str(embedded), str(IMAGE)]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found = np.array([hand["keypoints"] for hand in json.loads(run.stdout)])
    expected = HandEstimator.from_pretrained(device="cpu")(IMAGE).keypoints
    assert len(found) == len(expected) == 3
    distances = np.linalg.norm(found[:, None, :, :2] - expected[None, ..., :2], axis=-1)
    nearest = distances[np.arange(3), distances.mean(axis=2).argmin(axis=1)]
    assert (nearest < 2).mean() >= 0.95
