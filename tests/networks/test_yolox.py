"""YOLOX."""

from typing import Any

import numpy as np
import pytest
import torch
from yolox_weights import NANO, TINY, seeded, settings

from modelscope_handkp.networks.yolox import build_yolox

RELATIVE = 1e-4


@pytest.mark.parametrize(("name", "config"), [("nano", NANO), ("tiny", TINY)])
def test_the_keys_are_yoloxs(name: str, config: dict[str, Any], golden: Any) -> None:
    shapes = {key: list(value.shape) for key, value in build_yolox(settings(**config)).state_dict().items()}
    assert shapes == golden("yolox/state_dict_shapes.json")[name]


@pytest.mark.parametrize(("name", "config"), [("nano", NANO), ("tiny", TINY)])
def test_the_outputs_are_yoloxs(name: str, config: dict[str, Any], golden: Any) -> None:
    """golden/yolox/network.npz, 1e-4 of the largest value."""
    arrays = golden("yolox/network.npz")
    image = torch.from_numpy(arrays["image"]).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        maps = seeded(build_yolox(settings(**config)))(image)
    assert [level.shape[2:] for level in maps] == [(4, 32), (2, 16), (1, 8)]
    ours = np.concatenate([level[0].flatten(1).T.numpy() for level in maps])
    assert np.abs(ours - arrays[name]).max() < RELATIVE * np.abs(arrays[name]).max()


def test_depth_counts_blocks_and_width_channels() -> None:
    """YOLOX-m and YOLOX-l have two and three blocks, and three times as many in the middle stages."""
    for depth, width, blocks, channels in (
        (0.67, 0.75, 2, 48),
        (1.0, 0.5, 3, 32),
        (0.6, 0.125, 2, 8),
        (0.2, 1 / 16, 1, 4),
    ):
        backbone = build_yolox(settings(depth=depth, width=width, num_classes=1)).backbone
        darknet = backbone.backbone
        assert darknet.stem.conv.conv.out_channels == channels
        counts = [len(layer.m) for layer in (darknet.dark2[1], darknet.dark3[1], darknet.dark4[1], darknet.dark5[2])]
        assert counts == [blocks, 3 * blocks, 3 * blocks, blocks]
        assert len(backbone.C3_p4.m) == len(backbone.C3_n3.m) == blocks


def test_a_fresh_network_is_in_training_mode_and_its_averages_move_as_yoloxs() -> None:
    fresh = build_yolox(settings(width=1 / 16))
    assert fresh.training
    norm = fresh.backbone.backbone.stem.conv.bn
    norm(torch.ones(1, norm.num_features, 2, 2))
    torch.testing.assert_close(norm.running_mean, torch.full((norm.num_features,), 0.03))
