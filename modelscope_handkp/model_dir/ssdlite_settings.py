"""What an mmdet 2.x ``detection/config.py`` says of an SSDLite detector, parsed once into typed settings."""

from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError
from .config import block, building, check_weights, require, require_number

MAX_BOXES = 10_000
MAX_NORM = 1e4  # of a mean or a standard deviation
MAX_INPUT, MAX_STRIDE = 1024, 8  # pixels of the input, and from one level to the next
MAX_SCALES = 4  # input sizes at which the detector runs
IMAGENET_MEAN, IMAGENET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # RGB, 0..255; mmdet's default


@dataclass(frozen=True)
class LevelSettings:
    """One level of SSD's anchors: pixels from one to the next, smallest and largest side, ratios of the sides."""

    stride: float
    min_size: float
    max_size: float
    ratios: tuple[float, ...]

    @property
    def anchors(self) -> int:
        """Anchors at each place of the level."""
        return 2 + 2 * len(self.ratios)


@dataclass(frozen=True)
class SSDLiteSettings:
    """An SSDLite-MobileNetV2 detector: network, normalisation and suppression, from an mmdet 2.x configuration.

    input_sizes: side of the square input, pixels; one or several, at each of which an image is searched. mean, std:
    RGB, 0..255. candidate_score, per_level, iou_threshold, at_most: mmdet's score_thr, nms_pre, nms.iou_threshold and
    max_per_img.
    """

    out_indices: tuple[int, ...]
    neck_in: tuple[int, ...]
    neck_out: tuple[int, ...]
    neck_strides: tuple[int, ...]
    neck_paddings: tuple[int, ...]
    levels: tuple[LevelSettings, ...]
    input_sizes: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    candidate_score: float
    per_level: int
    iou_threshold: float
    at_most: int

    @classmethod
    def parse(cls, config: dict[str, Any]) -> "SSDLiteSettings":
        """A ``detection/config.py`` as `read_python_config` gives it.

        Raises:
            ConfigError: a missing key, or an architecture that is not known here, named.
        """
        known = {
            "model.type": "SingleStageDetector",
            "model.backbone.type": "MobileNetV2",
            "model.neck.type": "SSDNeck",
            "model.bbox_head.type": "SSDHead",
            "model.bbox_head.num_classes": 1,
        }
        for key, value in known.items():
            if require(config, key) != value:
                raise ConfigError(
                    f"the hand detector's {key} {require(config, key)!r:.80} is not supported (only {value!r} is); "
                    "pass detector=, any callable image -> (boxes, scores)."
                )
        normalise = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD, **block(config, "img_norm_cfg")}
        test_cfg, neck, head = (require(config, f"model.{key}") for key in ("test_cfg", "neck", "bbox_head"))
        with building("the hand detector's configuration"):
            levels = _levels(require(head, "anchor_generator"))
            keys = ("in_channels", "out_channels", "level_strides", "level_paddings")
            neck_in, neck_out, strides, paddings = (tuple(require(neck, key)) for key in keys)
            _check_levels(neck_out, tuple(require(head, "in_channels")), (*strides, *paddings), levels)
            return cls(
                tuple(require(config, "model.backbone.out_indices")), neck_in, neck_out, strides, paddings, levels,
                _input_sizes(config), _rgb(normalise, "mean", -MAX_NORM), _rgb(normalise, "std", 1 / MAX_NORM),
                require_number(test_cfg, "score_thr", 0, 1),
                int(require_number(test_cfg, "nms_pre", 1, MAX_BOXES)),
                require_number(test_cfg, "nms.iou_threshold", 0, 1),
                int(require_number(test_cfg, "max_per_img", 1, MAX_BOXES)),
            )  # fmt: skip


def _levels(generator: dict[str, Any]) -> tuple[LevelSettings, ...]:
    columns = [require(generator, key) for key in ("strides", "min_sizes", "max_sizes", "ratios")]
    if len({len(column) for column in columns}) != 1:
        raise ConfigError("the anchor_generator's strides, ratios, min_sizes and max_sizes differ in length.")
    return tuple(LevelSettings(stride, low, high, tuple(ratios)) for stride, low, high, ratios in zip(*columns))


def _check_levels(
    widths: tuple[int, ...], head_widths: tuple[int, ...], steps: tuple[int, ...], levels: tuple[LevelSettings, ...]
) -> None:
    if head_widths != widths or len(levels) != len(widths):
        raise ConfigError(f"the hand detector's neck gives widths {list(widths)}; its head and anchors do not fit.")
    if not all(0 <= step <= MAX_STRIDE for step in steps):
        raise ConfigError(
            f"the hand detector's level_strides and level_paddings are at most {MAX_STRIDE}, got {list(steps)}."
        )
    check_weights(sum(width * (width + 6 * level.anchors) for width, level in zip(widths, levels)), "the hand detector")


def _input_sizes(config: dict[str, Any]) -> tuple[int, ...]:
    """Of ``img_scale``: one (S, S), or a list of several, as mmdet takes it."""
    scales = require(require(config, "test_pipeline")[0], "img_scale")
    if not isinstance(scales[0], (list, tuple)):
        scales = [scales]
    if len(scales) > MAX_SCALES:
        raise ConfigError(f"the hand detector's img_scale has {len(scales)} sizes, at most {MAX_SCALES} are supported.")
    for width, height in scales:
        if width != height or not 0 < width <= MAX_INPUT:
            raise ConfigError(f"the hand detector's img_scale {width} x {height} is not square, or above {MAX_INPUT}.")
    return tuple(int(width) for width, _ in scales)


def _rgb(config: dict[str, Any], key: str, low: float) -> tuple[float, ...]:
    values = config[key]
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise ConfigError(f"the hand detector's img_norm_cfg.{key} must be three numbers, got {values!r:.80}.")
    return tuple(require_number({key: value}, key, low, MAX_NORM) for value in values)
