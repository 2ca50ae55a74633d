"""The command line: export a model, and predict with it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from modelscope_handkp import cli
from modelscope_handkp.cli import export as command
from modelscope_handkp.cli.exit_codes import OK, REFUSED


def test_what_is_asked_for_is_exported(monkeypatch: pytest.MonkeyPatch, capsys: Any, tmp_path: Path) -> None:
    seen: list[Any] = []

    def exported(*arguments: Any, tta: str) -> dict[str, float]:
        seen.append((*arguments, tta))
        return {"keypoints": 1.5e-6, "detector": 2e-7}

    monkeypatch.setattr(command, "export_model", exported)
    assert cli.main(["export", "--out", str(tmp_path / "out")]) == OK
    printed = capsys.readouterr().out
    assert "keypoints: differs from torch by at most 1.5e-06 of the largest value" in printed
    assert "detector: differs from torch by at most 2.0e-07" in printed
    assert f"exported to {tmp_path / 'out'}; export.json says" in printed
    options = ["--model", "m", "--format", "openvino", "--precision", "int8", "--decode", "--calibration", "images"]
    assert cli.main(["export", "--out", "out", *options, "--tta", "none"]) == OK
    assert seen == [
        (None, tmp_path / "out", "onnx", "float32", False, None, "full"),
        ("m", Path("out"), "openvino", "int8", True, Path("images"), "none"),
    ]


def test_refusals_are_one_line(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["export", "--model", str(tmp_path / "nothing"), "--out", str(tmp_path / "out")]) == REFUSED
    assert "nothing" in capsys.readouterr().err
    (tmp_path / "notes.txt").write_text("mine")
    assert cli.main(["export", "--out", str(tmp_path)]) == REFUSED
    assert "holds no exported model" in capsys.readouterr().err


@pytest.mark.parametrize("option", [["--format", "tflite"], ["--precision", "bfloat16"]])
def test_unknown_choices_are_refused(option: list[str], tmp_path: Path, capsys: Any) -> None:
    with pytest.raises(SystemExit):
        cli.main(["export", "--out", str(tmp_path / "out"), *option])
    assert option[1] in capsys.readouterr().err


@pytest.mark.slow  # it renders
def test_an_exported_model_predicts(tiny_dir: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="export needs the extra onnx")
    pytest.importorskip("onnxruntime", reason="export needs the extra onnx")
    image, out = tmp_path / "hand.png", tmp_path / "exported"
    cv2.imwrite(str(image), np.random.default_rng(0).integers(0, 255, (50, 60, 3), np.uint8))
    assert cli.main(["export", "--model", str(tiny_dir()), "--out", str(out)]) == OK
    for engine in ("auto", "onnxruntime"):
        arguments = ["--model", str(out), "--engine", engine, "--device", "cpu", "--out", str(tmp_path / engine)]
        assert cli.main(["predict", str(image), *arguments]) == OK
        report = json.loads((tmp_path / engine / "hands.json").read_text())
        assert len(report["images"][0]["hands"]) == 1
