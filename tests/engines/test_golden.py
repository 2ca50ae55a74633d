"""The reference outputs on every engine, within the tolerances that PyTorch itself has."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN
from model_dirs import seeded_pose_state_dict
from yolox_weights import NANO, TINY, seeded, settings

from modelscope_handkp import HandEstimator
from modelscope_handkp.detection.ssdlite import SSDLiteDetector
from modelscope_handkp.engines import build_engine
from modelscope_handkp.engines.base import Engine
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import DetectionSettings, NetworkSettings, ViewSettings
from modelscope_handkp.networks.topdown import build_topdown
from modelscope_handkp.networks.yolox import build_yolox
from modelscope_handkp.pose.codec import HeatmapCodec
from modelscope_handkp.pose.views import MultiView

CPU = torch.device("cpu")
PACKAGES = {"onnxruntime": ("onnx", "onnxruntime"), "openvino": ("onnx", "openvino")}
RELATIVE = 1e-4  # of the largest value


@pytest.fixture(params=["eager", "onnxruntime", "openvino"])
def engine(request: Any) -> str:
    for package in PACKAGES.get(request.param, ()):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the engine {request.param} needs {package}")
    return str(request.param)


@pytest.fixture
def hosted(engine: str) -> Engine:
    network = build_topdown(NetworkSettings.parse(read_configuration(GOLDEN / "hosted")["model"]))
    network.load_state_dict(seeded_pose_state_dict())
    return build_engine(engine, network.eval(), CPU, size=(256, 256))


@pytest.mark.slow  # the first export of the hosted network; the others take it from the cache
def test_heatmaps_and_keypoints_are_easycvs(hosted: Engine, golden: Any) -> None:
    """golden/network.npz: heatmaps 1e-4 of the largest value, preds 1e-2 px."""
    arrays = golden("network.npz")
    crops = torch.from_numpy(arrays["input"])
    heatmaps = np.asarray(hosted(crops)[0])
    assert np.abs(heatmaps - arrays["heatmaps"]).max() < RELATIVE * np.abs(arrays["heatmaps"]).max()
    averaged = MultiView(hosted, ViewSettings(flip=True, shift=True))(crops)[0]
    theirs = arrays["heatmaps_flip_averaged"]
    assert np.abs(averaged.numpy() - theirs).max() < RELATIVE * np.abs(theirs).max()
    decoded = HeatmapCodec().decode(averaged, arrays["center"], arrays["scale"])
    np.testing.assert_allclose(decoded[..., :2], arrays["preds"][..., :2], atol=1e-2)


def test_boxes_are_mmdets(engine: str, hosted_dir: Callable[..., Path], golden: Any) -> None:
    """golden/detector.npz: boxes 0.05 px, scores 1e-4, same order."""
    arrays, folder = golden("detector.npz"), hosted_dir()
    block = {**read_configuration(folder)["DETECTION"], "score_threshold": 0}
    detector = SSDLiteDetector.from_model_dir(
        folder, DetectionSettings.parse(block), None, lambda network: build_engine(engine, network, CPU)
    )
    found = detector.detect([arrays[f"image_{index}"] for index in range(3)])
    for index, (boxes, scores) in enumerate(found):
        expected = arrays[f"boxes_xyxy_score_{index}"]
        np.testing.assert_allclose(boxes, expected[:, :4], atol=0.05)
        np.testing.assert_allclose(scores, expected[:, 4], rtol=1e-4)


@pytest.mark.parametrize(("name", "config"), [("nano", NANO), ("tiny", TINY)])
def test_the_maps_are_yoloxs(engine: str, name: str, config: dict[str, Any], golden: Any) -> None:
    """golden/yolox/network.npz, 1e-4 of the largest value."""
    arrays = golden("yolox/network.npz")
    image = torch.from_numpy(arrays["image"]).permute(2, 0, 1)[None].float()
    maps = build_engine(engine, seeded(build_yolox(settings(**config))), CPU)(image)
    ours = np.concatenate([np.asarray(level)[0].reshape(level.shape[1], -1).T for level in maps])
    assert np.abs(ours - arrays[name]).max() < RELATIVE * np.abs(arrays[name]).max()


@pytest.mark.slow  # as above
def test_end_to_end_it_equals_easycv(engine: str, hosted_dir: Callable[..., Path], golden: Any) -> None:
    """golden/pipeline.npz: boxes 0.05 px, scores 1e-4, keypoints 0.5 px at 95 % of the joints."""
    arrays = golden("pipeline.npz")
    estimator = HandEstimator.from_pretrained(hosted_dir(), "cpu", engine=engine)
    for index in range(3):
        estimator.detector.score_threshold = float(arrays[f"score_threshold_{index}"])  # type: ignore[union-attr]
        ours = estimator(arrays[f"image_{index}"])
        np.testing.assert_allclose(ours.boxes, arrays[f"boxes_xyxy_{index}"], atol=0.05)
        np.testing.assert_allclose(ours.scores, arrays[f"scores_{index}"], rtol=1e-4)
        distance = np.linalg.norm(ours.keypoints[..., :2] - arrays[f"keypoints_{index}"][..., :2], axis=-1)
        assert (distance < 0.5).mean() >= 0.95


@pytest.mark.slow  # the hosted network
@pytest.mark.parametrize("name", ["eager", "openvino"])
def test_bfloat16_moves_few_keypoints(name: str, golden: Any) -> None:
    """golden/network.npz: preds 0.5 px at 95 % of the joints, on a processor that has bfloat16."""
    from modelscope_handkp.errors import InputError

    if name == "openvino":
        pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
    network = build_topdown(NetworkSettings.parse(read_configuration(GOLDEN / "hosted")["model"]))
    network.load_state_dict(seeded_pose_state_dict())
    try:
        run = build_engine(name, network.eval(), CPU, precision="bfloat16", size=(256, 256))
    except InputError as error:
        pytest.skip(str(error))
    arrays = golden("network.npz")
    averaged = MultiView(run, ViewSettings(flip=True, shift=True))(torch.from_numpy(arrays["input"]))[0]
    decoded = HeatmapCodec().decode(averaged, arrays["center"], arrays["scale"])
    distance = np.linalg.norm(decoded[..., :2] - arrays["preds"][..., :2], axis=-1)
    assert (distance < 0.5).mean() >= 0.95
