"""``export.json``: what a caller in any language needs to know to run the exported networks."""

from typing import Any

from ..detection.letterbox import PADDING
from ..errors import ConfigError
from ..model_dir.exported import LETTERBOX, STRETCH
from ..model_dir.settings import ModelSettings
from ..model_dir.ssdlite_settings import IMAGENET_MEAN, IMAGENET_STD, SSDLiteSettings
from ..model_dir.yolox_settings import INPUT_STEP, YOLOXSettings
from ..pose import refine
from ..pose.device_crop import CHAIN
from ..skeleton import KEYPOINT_NAMES, LINKS


def describe_keypoints(settings: ModelSettings, file: str, padding: float, decode: bool) -> dict[str, Any]:
    """``keypoints`` of an ``export.json``.

    Args:
        padding: how much larger than the box the crop is.
        decode: the decoding is in the graph.
    Raises:
        ConfigError: a test_pipeline that is more than a crop and a normalisation.
    """
    steps = [step.get("type") for step in settings.test_pipeline]
    if steps != CHAIN:
        raise ConfigError(f"only the test_pipeline {', '.join(CHAIN)} can be exported, this one is {steps!s:.200}.")
    normalise = settings.test_pipeline[2]
    width, height = settings.image_size
    output = {"name": "keypoints", "shape": ["N", 21, 3], "meaning": "x, y in crop pixels and score"}
    if not decode:
        size = list(settings.heatmap_size)
        output = {"name": "heatmaps", "shape": ["N", 21, size[1], size[0]], "meaning": "one view, not decoded"}
    views, decoding = settings.views, settings.decoding
    assert decoding is not None
    return {
        "file": file,
        "input": {
            "name": "images",
            "shape": ["N", 3, height, width],
            "colours": "RGB",
            "mean": [255 * value for value in normalise["mean"]],
            "std": [255 * value for value in normalise["std"]],
        },
        "crop": {
            "padding": padding,
            "meaning": "the box, grown around its centre to the input's ratio of sides, then by padding; bilinear, 0 "
            "beyond the image",
        },
        "output": output,
        "views": {"flip": views.flip, "shift": views.shift, "rotation": views.rotation},
        "decoding": {
            "post_process": decoding.post_process,
            "kernel": decoding.kernel,
            "temperature": decoding.temperature,
        },
        "hand_threshold": settings.hand_threshold,
        "names": list(KEYPOINT_NAMES),
        "links": [list(link) for link in LINKS],
    }


def describe_refinement() -> dict[str, Any]:
    """``refinement`` of an ``export.json``: how boxes with keypoints become hands, as `pose.refine` does it."""
    return {
        "max_candidates": refine.MAX_CANDIDATES,
        "score_power": refine.SCORE_POWER,
        "confirmed_share": refine.CONFIRMED_SHARE,
        "same_distance": refine.SAME_DISTANCE,
        "same_share": refine.SAME_SHARE,
        "plausible_mean": refine.PLAUSIBLE_MEAN,
        "localised_iou": refine.LOCALISED_IOU,
        "margin": refine.MARGIN,
        "meaning": {
            "max_candidates": "boxes that are looked at, the best, where there is a hand_threshold",
            "score_power": "a hand's confidence: box score to this power, times the mean score of its keypoints",
            "confirmed_share": "of hand_threshold: what one view must reach; hand_threshold itself is for all views",
            "same_distance": "of the smaller box's longer side: keypoints nearer than that coincide",
            "same_share": "of keypoints that coincide, from which on two are one hand; the higher mean score stays",
            "plausible_mean": "mean keypoint score from which on keypoints say where their hand is",
            "localised_iou": "of a box and the one around its keypoints, below which (and above 0) the hand is looked "
            "at again in that one; the higher mean score stays",
            "margin": "of the longer side of the keypoints' extent: how far the box around them reaches beyond",
        },
    }


def describe_yolox(settings: YOLOXSettings, file: str, score_threshold: float) -> dict[str, Any]:
    """``detector`` of an ``export.json``, for YOLOX."""
    rgb = settings.normalised
    shape = {
        "resize": LETTERBOX,
        "size": settings.input_size,
        "step": INPUT_STEP,
        "padding": PADDING,
        "colours": "RGB" if rgb else "BGR",
        "mean": list(IMAGENET_MEAN) if rgb else [0.0] * 3,
        "std": list(IMAGENET_STD) if rgb else [1.0] * 3,
        "meaning": "the longer side is scaled to size; grey padding at the right and below up to multiples of step",
    }
    return _detector(file, ["N", 3, "H", "W"], shape, score_threshold, settings.iou_threshold, 100)


def describe_ssdlite(settings: SSDLiteSettings, file: str, score_threshold: float) -> dict[str, Any]:
    """``detector`` of an ``export.json``, for SSDLite.

    Raises:
        ConfigError: it searches at several input sizes.
    """
    if len(settings.input_sizes) != 1:
        raise ConfigError(f"a detector that searches at the sizes {settings.input_sizes} cannot be exported.")
    (size,) = settings.input_sizes
    shape = {
        "resize": STRETCH,
        "size": size,
        "step": size,
        "colours": "RGB",
        "mean": list(settings.mean),
        "std": list(settings.std),
        "meaning": "scaled to size x size, the ratio of the sides is not kept",
    }
    least = max(settings.candidate_score, score_threshold)
    return _detector(file, ["N", 3, size, size], shape, least, settings.iou_threshold, settings.at_most)


def _detector(
    file: str, shape: list[Any], more: dict[str, Any], score: float, iou: float, at_most: int
) -> dict[str, Any]:
    return {
        "file": file,
        "input": {"name": "images", "shape": shape, **more},
        "outputs": {"boxes": "(N, A, 4) x0, y0, x1, y1 in input pixels", "scores": "(N, A)"},
        "score_threshold": score,
        "iou_threshold": iou,
        "at_most": at_most,
        "meaning": "keep boxes with a score above score_threshold; then non-maximum suppression at iou_threshold",
    }
