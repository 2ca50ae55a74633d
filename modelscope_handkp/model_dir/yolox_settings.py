"""What the ``detection/config.py`` of a YOLOX detector says, parsed once into typed settings.

The file assigns plain values, in YOLOX's own words where it has them; YOLOX-nano on one class of its own:

    depth = 0.33
    width = 0.25
    depthwise = True
    num_classes = 1
    hand_class = 0
    input_size = 640
    normalised = False
    iou_threshold = 0.45
"""

from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .config import require, require_number

MIN_DEPTH, MIN_WIDTH, MAX_MULTIPLE = 0.2, 1 / 16, 1.5  # YOLOX-x, the largest, has width 1.25 and depth 1.33
MAX_CLASSES = 1000
MAX_INPUT = 1536  # pixels
INPUT_STEP = 32  # pixels: the coarsest level of the network


@dataclass(frozen=True)
class YOLOXSettings:
    """A YOLOX detector: network, input and suppression.

    depth, width: multiples of YOLOX-l's blocks and channels. depthwise: 3x3 convolutions are depthwise separable, as
    YOLOX-nano's. num_classes: of the network; hand_class: which of them is the hand, from 0. input_size: pixels to
    which the longer side of an image is scaled, a multiple of `INPUT_STEP`. normalised: the network takes RGB with
    ImageNet's mean and standard deviation, as the weights of YOLOX 0.1.0 do, and not BGR from 0 to 255. iou_threshold:
    of the suppression.
    """

    depth: float
    width: float
    depthwise: bool
    num_classes: int
    hand_class: int
    input_size: int
    normalised: bool
    iou_threshold: float

    @classmethod
    def parse(cls, config: dict[str, Any]) -> "YOLOXSettings":
        """A ``detection/config.py`` as `read_python_config` gives it.

        Raises:
            ConfigError: a missing key or a value out of range, named.
        """
        num_classes = _whole(config, "num_classes", 1, MAX_CLASSES)
        input_size = _whole(config, "input_size", INPUT_STEP, MAX_INPUT)
        if input_size % INPUT_STEP:
            raise ConfigError(f"the configuration's 'input_size' must be a multiple of {INPUT_STEP}, got {input_size}.")
        return cls(
            require_number(config, "depth", MIN_DEPTH, MAX_MULTIPLE),
            require_number(config, "width", MIN_WIDTH, MAX_MULTIPLE),
            _flag(config, "depthwise"),
            num_classes,
            _whole(config, "hand_class", 0, num_classes - 1),
            input_size,
            _flag(config, "normalised"),
            require_number(config, "iou_threshold", 0, 1),
        )


def _flag(config: dict[str, Any], key: str) -> bool:
    value = require(config, key)
    if not isinstance(value, bool):
        raise ConfigError(f"the configuration's {key!r} must be True or False, got {value!r:.80}.")
    return value


def _whole(config: dict[str, Any], key: str, low: int, high: int) -> int:
    value = require_number(config, key, low, high)
    if value != int(value):
        raise ConfigError(f"the configuration's {key!r} must be a whole number, got {value!r}.")
    return int(value)
