"""Seeded weights of YOLOX networks, as tests/golden/yolox/network.npz was made with."""

from typing import Any

from torch import nn

from modelscope_handkp.model_dir.yolox_settings import YOLOXSettings

GAIN = 1.2  # of the convolutions, so that the outputs depend on the input and not on the biases alone
NANO = {"depth": 0.33, "width": 0.25, "depthwise": True, "num_classes": 80, "hand_class": 0, "input_size": 640,
        "normalised": False, "iou_threshold": 0.45}  # fmt: skip
TINY = {**NANO, "width": 0.375, "depthwise": False, "num_classes": 1}


def settings(**changes: Any) -> YOLOXSettings:
    """Of YOLOX-nano, with changes."""
    return YOLOXSettings.parse({**NANO, **changes})


def seeded(network: nn.Module) -> nn.Module:
    """The network in evaluation mode with weights that follow from their names."""
    from seeded_weights import fill

    weights = fill(network.state_dict())
    network.load_state_dict({key: value * GAIN if value.dim() == 4 else value for key, value in weights.items()})
    return network.eval()
