"""ModelScope's Exporter on models of this package."""

import importlib.util
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from modelscope.exporters import Exporter
from modelscope.models import Model

import modelscope_handkp  # noqa: F401
from modelscope_handkp import HandEstimator
from modelscope_handkp.errors import CheckpointError, InputError
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR

IMAGE = Path(__file__).parents[2] / "examples" / "hands.jpg"
writes = pytest.mark.skipif(
    importlib.util.find_spec("onnxruntime") is None or importlib.util.find_spec("onnx") is None,
    reason="onnx and onnxruntime are not installed",
)


@pytest.fixture
def tiny(tiny_dir: Callable[..., Path]) -> Any:
    return Model.from_pretrained(str(tiny_dir()))


def heatmaps_of(file: str, crops: torch.Tensor) -> np.ndarray:
    """What a graph gives for crops (N, 3, H, W)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    output: np.ndarray = session.run(["heatmaps"], {"images": crops.numpy()})[0]
    return output


@writes
def test_weights_in_memory_are_exported_and_the_model_stays_as_it_is(
    tiny: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import onnx

    with torch.no_grad():
        for value in tiny.keypoint_head.parameters():
            value.mul_(-2)
    tiny.train()
    before = {key: value.clone() for key, value in tiny.state_dict().items()}
    with caplog.at_level(logging.WARNING, "modelscope_handkp"):
        files = Exporter.from_model(tiny).export_onnx(output_dir=str(tmp_path / "out"), opset=13)
    assert files == {name: str(tmp_path / "out" / file) for name, file in
                     (("model", "keypoints.onnx"), ("export", "export.json"))}  # fmt: skip
    assert [record.getMessage() for record in caplog.records] == ["opset 17 is written in place of 13"]
    assert onnx.load(files["model"]).opset_import[0].version == 17
    assert json.loads(Path(files["export"]).read_text())["precision"] == "float32"

    assert tiny.training and tiny.network.training
    assert all(torch.equal(value, before[key]) for key, value in tiny.state_dict().items())
    crops = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    tiny.eval()
    with torch.no_grad():
        expected = tiny.network(crops).numpy()
    np.testing.assert_allclose(heatmaps_of(files["model"], crops), expected, atol=1e-4 * np.abs(expected).max())


@writes
@pytest.mark.slow
def test_a_model_by_its_directory_with_its_detector(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "modelscope_handkp"):
        files = Exporter.from_model(str(EMBEDDED_MODEL_DIR)).export_onnx(output_dir=str(tmp_path))
    expected = {"model": "keypoints.onnx", "detector": "detector.onnx", "export": "export.json"}
    assert files == {name: str(tmp_path / file) for name, file in expected.items()}
    said = [record.getMessage() for record in caplog.records if "differs from torch" in record.getMessage()]
    assert [line.split()[0] for line in said] == ["keypoints", "detector"]
    hands = HandEstimator.from_pretrained(EMBEDDED_MODEL_DIR, device="cpu")(IMAGE)
    found = HandEstimator.from_pretrained(tmp_path, device="cpu")(IMAGE)
    np.testing.assert_allclose(found.keypoints[..., :2], hands.keypoints[..., :2], atol=0.1)


@pytest.mark.parametrize("opset", [11, 18, "17", None])
def test_other_opsets_are_refused(tiny: Any, tmp_path: Path, opset: Any) -> None:
    with pytest.raises(InputError, match=f"opset {opset!r} .*17"):
        Exporter.from_model(tiny).export_onnx(output_dir=str(tmp_path / "out"), opset=opset)
    assert not (tmp_path / "out").exists()


def test_arguments_that_are_not_known_are_refused_by_name(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not know device, rtol; it takes output_dir and opset"):
        Exporter.from_model(tiny).export_onnx(output_dir=str(tmp_path / "out"), device="cpu", rtol=0.1)
    assert not (tmp_path / "out").exists()


def test_torch_script_is_refused_with_what_there_is_instead(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"TorchScript is not written; export_onnx .*torch-export"):
        Exporter.from_model(tiny).export_torch_script(output_dir=str(tmp_path / "out"), strict=False)
    assert not (tmp_path / "out").exists()


def test_the_models_own_directory_is_not_written_to(tiny: Any) -> None:
    before = sorted(Path(tiny.model_dir).iterdir())
    with pytest.raises(InputError, match="is not empty"):
        Exporter.from_model(tiny).export_onnx(output_dir=tiny.model_dir)
    assert sorted(Path(tiny.model_dir).iterdir()) == before


def test_a_model_that_a_pipeline_has_changed_is_refused(tiny: Any, tmp_path: Path) -> None:
    tiny.release_network()
    with pytest.raises(InputError, match="belongs to a pipeline"):
        Exporter.from_model(tiny).export_onnx(output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_network_that_is_no_longer_the_directorys_is_refused(tiny: Any, tmp_path: Path) -> None:
    tiny.keypoint_head = torch.nn.Conv2d(3, 21, 1)
    with pytest.raises(CheckpointError, match="the model in memory does not fit"):
        Exporter.from_model(tiny).export_onnx(output_dir=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
