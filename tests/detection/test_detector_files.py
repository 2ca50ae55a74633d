"""``detector="hand.onnx"`` in Python and in ModelScope's ``pipeline()``, ``--detector`` on the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx_detectors
import pytest

from modelscope_handkp import cli
from modelscope_handkp.cli.exit_codes import OK, REFUSED
from modelscope_handkp.errors import InputError
from modelscope_handkp.estimator import HandEstimator

pytest.importorskip("onnx", reason="detectors in ONNX files need the extra onnx")
pytest.importorskip("onnxruntime", reason="detectors in ONNX files need the extra onnx")

BOX, OTHER = [10.0, 20.0, 40.0, 50.0], [5.0, 5.0, 25.0, 25.0]
IMAGE = np.random.default_rng(3).integers(0, 256, (64, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def model(tiny_dir: Callable[..., Path]) -> str:
    return str(tiny_dir())


@pytest.fixture(scope="module")
def hand(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A detector of ultralytics that finds one hand and one foot."""
    rows = np.array([[[*BOX, 0.9, 1], [*OTHER, 0.8, 0]]], np.float32)
    path = tmp_path_factory.mktemp("detector") / "hand.onnx"
    metadata = {"names": "{0: 'foot', 1: 'hand'}", "stride": "32"}
    return str(onnx_detectors.constant(path, {"output0": rows}, **metadata))


def test_in_python(model: str, hand: str) -> None:
    for detector in (hand, Path(hand)):
        hands = HandEstimator.from_pretrained(model, "cpu", detector=detector)(IMAGE)
        np.testing.assert_allclose(hands.boxes, [BOX])
        np.testing.assert_allclose(hands.scores, [0.9])
    assert len(HandEstimator.from_pretrained(model, "cpu", score_threshold=0.95, detector=hand)(IMAGE)) == 0


def test_a_file_that_is_no_detector(model: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"best\.pt is no \.onnx file"):
        HandEstimator.from_pretrained(model, "cpu", detector=str(tmp_path / "best.pt"))


def test_in_pipeline(model: str, hand: str) -> None:
    pytest.importorskip("modelscope")
    from modelscope.pipelines import pipeline
    from modelscope.utils.constant import Tasks

    found = pipeline(Tasks.hand_2d_keypoints, model=model, detector=hand, device="cpu")(IMAGE)
    np.testing.assert_allclose(found["boxes"], [BOX])


def predict(model: str, folder: Path, *options: str) -> int:
    assert cv2.imwrite(str(folder / "image.png"), IMAGE)
    arguments = [
        "predict",
        str(folder / "image.png"),
        "--model",
        model,
        "--device",
        "cpu",
        "--out",
        str(folder / "out"),
    ]
    return cli.main([*arguments, *options])


@pytest.mark.parametrize(
    ("options", "box"), [([], BOX), (["--detector-class", "Foot"], OTHER), (["--detector-class", "0"], OTHER)]
)
def test_on_the_command_line(model: str, hand: str, tmp_path: Path, options: list[str], box: Any) -> None:
    assert predict(model, tmp_path, "--detector", hand, *options) == OK
    (image,) = json.loads((tmp_path / "out" / "hands.json").read_text())["images"]
    (found,) = image["hands"]
    np.testing.assert_allclose(found["box"], box, atol=0.1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--detector", "none.onnx"], "none.onnx"),
        (["--detector-class", "hand"], "--detector-class hand needs --detector"),
    ],
)
def test_refusals_on_the_command_line(
    model: str, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert predict(model, tmp_path, *options) == REFUSED
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
