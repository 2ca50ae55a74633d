"""HRNetV2."""

from typing import Any

import pytest
import torch
from seeded_weights import fill

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.model_dir.settings import BackboneSettings
from modelscope_handkp.networks.hrnet import HRNet


def extra(widths: tuple[int, ...] = (4, 8, 12, 16), **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        f"stage{n}": {"num_modules": 1, "num_branches": n, "block": "BASIC" if n > 1 else "BOTTLENECK",
                      "num_blocks": [1] * n, "num_channels": list(widths[:n])}
        for n in (1, 2, 3, 4)
    }  # fmt: skip
    settings["stage4"]["multiscale_output"] = True
    settings["upsample"] = {"mode": "bilinear", "align_corners": False}
    for key, value in changes.items():
        stage, name = key.split("__")
        settings[stage][name] = value
    return settings


def test_four_maps_each_half_the_size() -> None:
    net = HRNet(BackboneSettings.parse(extra())).eval()
    with torch.no_grad():
        maps = net(torch.zeros(2, 3, 64, 96))
    assert [tuple(x.shape) for x in maps] == [(2, 4, 16, 24), (2, 8, 8, 12), (2, 12, 4, 6), (2, 16, 2, 3)]
    assert list(net.out_channels) == [4, 8, 12, 16]


def test_without_multiscale_output_only_the_first_is_left() -> None:
    net = HRNet(BackboneSettings.parse(extra(stage4__multiscale_output=False))).eval()
    with torch.no_grad():
        maps = net(torch.zeros(1, 3, 64, 64))
    assert [tuple(x.shape) for x in maps] == [(1, 4, 16, 16)]
    assert list(net.out_channels) == [4]


def test_several_modules_and_blocks_a_stage() -> None:
    net = HRNet(BackboneSettings.parse(extra(stage3__num_modules=2, stage2__num_blocks=[2, 3])))
    keys = set(net.state_dict())
    assert {
        "stage3.1.fuse_layers.2.0.1.0.weight",
        "stage2.0.branches.1.2.conv2.weight",
        "layer1.0.conv3.weight",
    } <= keys
    assert "stage3.2.relu" not in keys


def test_recorded_means() -> None:
    """Seeded weights and input; recorded when golden/network.npz agreed."""
    net = HRNet(BackboneSettings.parse(extra()))
    net.load_state_dict(fill(net.state_dict()))
    with torch.no_grad():
        maps = net.eval()(torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32))
    means = torch.cat([x[0].mean(dim=(1, 2)) for x in maps[:2]])
    torch.testing.assert_close(means, torch.tensor(RECORDED), rtol=1e-4, atol=2e-5)


RECORDED = [0.0, 0.07114, 0.64282, 0.0, 0.4481, 1.21262, 0.85389, 2.01702, 0.65735, 0.08179, 0.01383, 0.0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"stage2__block": "SWIN"}, r"stage2\.block 'SWIN'"),
        ({"stage3__num_branches": 2}, "stage3 has num_branches 2"),
        ({"stage3__num_blocks": [1, 1]}, "stage3"),
        ({"stage2__num_channels": [4, 0]}, "below 1"),
        ({"stage2__num_blocks": [1, -1]}, "below 1"),
        ({"stage4__num_modules": 0}, "below 1"),
        ({"stage2__num_channels": [10**9, 10**9]}, "stage2 would have"),
        ({"stage4__num_modules": 10**9}, "stage4 would have"),
        ({"stage2__num_blocks": [10**9, 1]}, "stage2 would have"),
    ],
)
def test_bad_stages_are_named_before_memory_is_taken(change: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        HRNet(BackboneSettings.parse(extra(**change)))
