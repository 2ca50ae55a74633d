"""The model that ships with the package, on a few rendered images that it was not trained on."""

from pathlib import Path

import numpy as np
import pytest
import torch

import modelscope_handkp
from modelscope_handkp import HandEstimator
from modelscope_handkp.data.metrics import distances, pck
from modelscope_handkp.geometry.boxes import iou, xyxy_to_xywh
from modelscope_handkp.model_dir.config import read_configuration
from modelscope_handkp.model_dir.settings import NetworkSettings
from modelscope_handkp.networks.topdown import load_topdown
from modelscope_handkp.pose.transforms import NormalizeTensor
from modelscope_handkp.synthetic import Rng, render_crops, render_image

FOLDER = Path(modelscope_handkp.__file__).parent / "embedded"
SEED = 9_100_000
MEBIBYTE = 2**20
PCK, RECALL = 0.75, 0.5  # well below the model's numbers (embedded/README.md), since twelve images scatter


@pytest.fixture(scope="module")
def estimator():
    return HandEstimator.from_pretrained(FOLDER, device="cpu")


@pytest.fixture(scope="module")
def rendered():
    return [render_image(SEED + index, (320, 320), hands=1, level="easy") for index in range(12)]


def test_weights_are_small():
    files = [FOLDER / "pytorch_model.pt", FOLDER / "detection" / "detection_model.pth"]
    assert sum(file.stat().st_size for file in files) < 30 * MEBIBYTE


def test_configuration_names_this_plugin_and_agrees_with_itself():
    config = read_configuration(FOLDER)
    assert config["plugins"] == ["modelscope-handkp"]
    width, height = config["data_cfg"]["image_size"]
    assert config["data_cfg"]["heatmap_size"] == [width // 4, height // 4]
    assert config["dataset"]["train"]["data_source"]["data_cfg"]["image_size"] == [width, height]


def test_fine_tuning_begins_where_the_weights_are():
    """Batch norm's averages are those of its inputs: with a batch's own statistics the outputs stay much the same."""
    config = read_configuration(FOLDER)
    network = load_topdown(FOLDER, NetworkSettings.parse(config["model"]))
    crops = render_crops(Rng(SEED), 32, config["data_cfg"]["image_size"][0], "medium").images
    normalise = next(block for block in config["test_pipeline"] if block["type"] == "NormalizeTensor")
    images = NormalizeTensor(normalise["mean"], normalise["std"])({"img": crops})["img"]
    with torch.no_grad():
        shipped, tuned = network.eval()(images), network.train()(images)
    assert float((tuned - shipped).abs().mean()) < 0.4 * float(shipped.abs().mean())


def test_keypoints_of_easy_hands(estimator, rendered):
    joints = np.concatenate([keypoints for _, keypoints, _ in rendered])
    boxes = np.concatenate([box for _, _, box in rendered])
    found = np.concatenate([estimator(image, boxes=box).keypoints for image, _, box in rendered])
    assert pck(distances(found, joints, joints[..., 2]), xyxy_to_xywh(boxes)) >= PCK


@pytest.mark.parametrize("cast", [(1.6, 1.0, 0.4), (0.4, 1.0, 1.6), (1.6, 0.4, 1.6), (0.3, 1.6, 0.6)])
def test_vivid_colours_do_not_blow_up_the_heatmaps(estimator, rendered, cast):
    vivid = [np.clip(image * np.array(cast), 0, 255).astype(np.uint8) for image, _, _ in rendered]
    scores = [estimator(image, boxes=box).keypoints[..., 2] for image, (_, _, box) in zip(vivid, rendered)]
    assert np.min(np.mean(scores, axis=-1)) > 0.2 and np.max(scores) < 1.5


def test_finds_easy_hands(estimator, rendered):
    found = [iou(box, estimator(image).boxes).max(initial=0.0) > 0.5 for image, _, box in rendered]
    assert np.mean(found) >= RECALL


def test_no_hand_gives_empty_arrays(estimator):
    hands = estimator(np.full((120, 160, 3), 127, np.uint8))
    assert len(hands) == 0 and hands.keypoints.shape == (0, 21, 3)
