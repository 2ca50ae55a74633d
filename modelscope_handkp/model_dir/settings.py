"""What a model directory's ``configuration.json`` says, parsed once into typed settings.

Network, codec, views and detector are built from `ModelSettings`; no dict travels further. Every wrong value is a
`ConfigError` that names its key.
"""

from dataclasses import dataclass
from typing import Any

from ..errors import ConfigError, InputError
from ..skeleton import NUM_KEYPOINTS
from .config import block, building, check_weights, require, require_number

MAX_CONV_LAYERS = 16
MAX_ROTATION = 90.0  # degrees of the rotation test
DEFAULT_DETECTOR = "DetectionPredictor"  # the type that EasyCV's converter writes
DEFAULT_SCORE = 0.5  # of DETECTION.score_threshold, where it says nothing
DEFAULT_KERNEL = 11  # of DARK's blur, heatmap pixels
TTA_LEVELS = ("none", "flip", "full")
BLOCK_EXPANSION = {"BASIC": 1, "BOTTLENECK": 4}  # HRNet's residual blocks: output channels of a block's own


@dataclass(frozen=True)
class StageSettings:
    """One stage of HRNet: ``num_modules`` exchange units over branches of ``num_channels``."""

    block: str
    num_modules: int
    num_blocks: tuple[int, ...]
    num_channels: tuple[int, ...]

    @property
    def out_channels(self) -> tuple[int, ...]:
        """Channels of each branch behind the stage."""
        return tuple(channels * BLOCK_EXPANSION[self.block] for channels in self.num_channels)

    @classmethod
    def parse(cls, extra: dict[str, Any], name: str) -> "StageSettings":
        """``extra[name]`` of a configuration's ``model.backbone.extra``."""
        kind = require(extra, f"{name}.block")
        if kind not in BLOCK_EXPANSION:
            raise ConfigError(f"{name}.block {kind!r} is not one of {sorted(BLOCK_EXPANSION)}.")
        blocks, channels = (
            tuple(int(n) for n in require(extra, f"{name}.{key}")) for key in ("num_blocks", "num_channels")
        )
        stage = cls(kind, int(extra[name].get("num_modules", 1)), blocks, channels)
        branches = int(require(extra, f"{name}.num_branches"))
        if not branches == len(blocks) == len(channels):
            raise ConfigError(
                f"{name} has num_branches {branches}, num_blocks {list(blocks)} and num_channels {list(channels)}; "
                "the three must agree."
            )
        if min([branches, stage.num_modules, *blocks, *channels]) < 1:
            raise ConfigError(f"{name} has numbers below 1: {extra[name]}.")
        check_weights(9 * stage.num_modules * (max(blocks) + 1) * sum(stage.out_channels) ** 2, name)
        return stage


@dataclass(frozen=True)
class BackboneSettings:
    """HRNet: four stages, and how a branch is brought to the resolution of a larger one."""

    stages: tuple[StageSettings, ...]
    multiscale_output: bool
    upsample_mode: str
    align_corners: bool | None

    @classmethod
    def parse(cls, extra: dict[str, Any]) -> "BackboneSettings":
        """A configuration's ``model.backbone.extra``."""
        upsample = {"mode": "nearest", "align_corners": None, **extra.get("upsample", {})}
        stages = tuple(StageSettings.parse(extra, f"stage{number}") for number in (1, 2, 3, 4))
        multiscale = bool(extra["stage4"].get("multiscale_output", False))
        return cls(stages, multiscale, upsample["mode"], upsample["align_corners"])


@dataclass(frozen=True)
class HeadSettings:
    """The heatmap head: which feature maps it takes, and its convolutions."""

    in_channels: tuple[int, ...]
    in_index: tuple[int, ...]
    kernels: tuple[int, ...]
    final_kernel: int
    out_channels: int = NUM_KEYPOINTS

    @classmethod
    def parse(cls, head: dict[str, Any]) -> "HeadSettings":
        """A configuration's ``model.keypoint_head`` (mmpose's TopdownHeatmapSimpleHead without deconvolutions)."""
        extra = {"num_conv_layers": 0, "final_conv_kernel": 1, **block(head, "extra")}
        channels, index = require(head, "in_channels"), head.get("in_index", 0)
        if head.get("input_transform") != "resize_concat":
            channels, index = [channels], [index]
        width, count = sum(channels), int(require_number(extra, "num_conv_layers", 0, MAX_CONV_LAYERS))
        kernels, final = extra.get("num_conv_kernels", [1] * count)[:count], extra["final_conv_kernel"]
        check_weights(sum((kernel * width) ** 2 for kernel in [*kernels, final]), "keypoint_head")
        return cls(tuple(channels), tuple(index), tuple(kernels), final)


@dataclass(frozen=True)
class NetworkSettings:
    """The keypoint network."""

    backbone: BackboneSettings
    head: HeadSettings

    @classmethod
    def parse(cls, model: dict[str, Any]) -> "NetworkSettings":
        """A configuration's ``model`` block."""
        config = {"model": model}  # for errors that name the whole key
        known = {"model.backbone.type": "HRNet", "model.keypoint_head.type": "TopdownHeatmapSimpleHead",
                 "model.keypoint_head.out_channels": NUM_KEYPOINTS}  # fmt: skip
        for key, value in known.items():
            _expect(key, require(config, key), value)
        backbone, head = model["backbone"], model["keypoint_head"]
        _expect("model.backbone.in_channels", backbone.get("in_channels", 3), 3)
        _expect("model.keypoint_head.num_deconv_layers", head.get("num_deconv_layers", 0), 0)
        if head.get("input_transform") not in (None, "resize_concat"):
            raise ConfigError(f"model.keypoint_head.input_transform {head['input_transform']!r:.80} is not known.")
        with building("the configuration's model block"):
            return cls(BackboneSettings.parse(require(config, "model.backbone.extra")), HeadSettings.parse(head))


@dataclass(frozen=True)
class ViewSettings:
    """Test-time augmentation: the views of a crop whose heatmaps are averaged.

    flip: the mirrored crop, too. shift: how its heatmaps move one pixel to the right: ``"exact"`` does that, True does
    what EasyCV makes of it (`pose.views.shift_as_easycv`), False leaves them. rotation: degrees of two further views,
    one to each side; 0 for none.
    """

    flip: bool = True
    shift: bool | str = False
    rotation: float = 0.0

    @classmethod
    def parse(cls, test_cfg: dict[str, Any]) -> "ViewSettings":
        """A configuration's ``model.test_cfg``: ``flip_test``, ``shift_heatmap`` and, ours alone, ``rotation_test``."""
        rotation = require_number({"rotation_test": 0, **test_cfg}, "rotation_test", 0, MAX_ROTATION)
        flip, shift = test_cfg.get("flip_test", True), test_cfg.get("shift_heatmap", False)
        for key, value, known in (("flip_test", flip, (True, False)), ("shift_heatmap", shift, (True, False, "exact"))):
            if not isinstance(value, (bool, int, str)) or value not in known:
                raise ConfigError(f"model.test_cfg.{key} must be one of {list(known)}, got {value!r:.80}.")
        return cls(bool(flip), shift, float(rotation))

    def limited(self, tta: object) -> "ViewSettings":
        """The views that a level of test-time augmentation leaves: "none" one, "flip" no rotated ones, "full" all.

        Raises:
            InputError: another level.
        """
        if tta not in TTA_LEVELS:
            raise InputError(f"tta {tta!r:.80} is not known; known are {', '.join(TTA_LEVELS)}.")
        return ViewSettings(self.flip and tta != "none", self.shift, self.rotation if tta == "full" else 0.0)


@dataclass(frozen=True)
class DecodingSettings:
    """How heatmaps are read, the arguments of `pose.codec.HeatmapCodec`; EasyCV's where nothing is configured."""

    post_process: str | None = "default"
    kernel: int = DEFAULT_KERNEL
    temperature: float | None = None

    @classmethod
    def parse(cls, test_cfg: dict[str, Any]) -> "DecodingSettings":
        """A configuration's ``model.test_cfg``; `HeatmapCodec` checks the values."""
        if test_cfg.get("use_udp"):
            raise ConfigError("model.test_cfg.use_udp is not supported.")
        return cls(
            test_cfg.get("post_process", cls.post_process),
            test_cfg.get("modulate_kernel", cls.kernel),
            test_cfg.get("softmax_temperature"),
        )


@dataclass(frozen=True)
class DetectionSettings:
    """Which detector a model directory has: ``kind``, its two files, and the least score of a box."""

    kind: str
    config_file: str
    model_path: str
    score_threshold: float

    @classmethod
    def parse(cls, detection: Any) -> "DetectionSettings":
        """A configuration's ``DETECTION``."""
        config_file, model_path = require(detection, "config_file"), require(detection, "model_path")
        threshold = require_number({"score_threshold": DEFAULT_SCORE, **detection}, "score_threshold", 0, 1)
        return cls(str(detection.get("type", DEFAULT_DETECTOR)), config_file, model_path, threshold)


@dataclass(frozen=True)
class ModelSettings:
    """A whole ``configuration.json``.

    decoding: None for a network that decodes its heatmaps itself. image_size, heatmap_size: width, height in pixels, as
    configured; `HeatmapCodec` checks them. test_pipeline: blocks
    for `pose.transforms.build_transforms`. hand_threshold: ours alone, the least confidence of a detected hand; None:
    hands are kept as detected. detection: None without a detector.
    """

    network: NetworkSettings
    views: ViewSettings
    decoding: DecodingSettings | None
    image_size: Any
    heatmap_size: Any
    test_pipeline: Any
    hand_threshold: float | None
    detection: DetectionSettings | None

    @property
    def crop_size(self) -> tuple[int, int] | None:
        """``image_size``; None where it is no size, which `HeatmapCodec` refuses."""
        size = self.image_size
        whole = isinstance(size, (list, tuple)) and len(size) == 2 and all(isinstance(side, int) for side in size)
        return (size[0], size[1]) if whole else None

    @classmethod
    def parse(cls, config: dict[str, Any]) -> "ModelSettings":
        """A configuration as `read_configuration` gives it."""
        test_cfg = block(config, "model.test_cfg")
        threshold = require_number(test_cfg, "hand_threshold", 0, 1) if "hand_threshold" in test_cfg else None
        return cls(
            NetworkSettings.parse(require(config, "model")),
            ViewSettings.parse(test_cfg),
            DecodingSettings.parse(test_cfg),
            require(config, "data_cfg.image_size"),
            require(config, "data_cfg.heatmap_size"),
            require(config, "test_pipeline"),
            threshold,
            DetectionSettings.parse(config["DETECTION"]) if config.get("DETECTION") else None,
        )


def _expect(key: str, value: Any, known: Any) -> None:
    if value != known:
        raise ConfigError(f"{key} {value!r:.80} is not supported; this package knows {known!r}.")
