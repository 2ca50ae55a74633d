"""Model directories in the hosted model's format, with seeded weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden"


def lists_for_tuples(node: Any) -> Any:
    """``node`` with EasyCV's jsonplus tuples as lists."""
    if isinstance(node, dict):
        if node.get("__class__") == "tuple":
            return [lists_for_tuples(value) for value in node["__value__"]]
        return {key: lists_for_tuples(value) for key, value in node.items()}
    return [lists_for_tuples(value) for value in node] if isinstance(node, list) else node


def seeded_state_dict(shapes_file: str, salt: int = 0) -> dict[str, Any]:
    """The state dict whose tensors follow from their names (tests/golden/seeded_weights.py)."""
    import torch
    from seeded_weights import seeded_value

    shapes = json.loads((GOLDEN / shapes_file).read_text())
    return {
        key: torch.from_numpy(seeded_value(key, shape, salt).reshape(tuple(shape))) for key, shape in shapes.items()
    }


def seeded_pose_state_dict(salt: int = 0) -> dict[str, Any]:
    """Weights of the keypoint network, as tests/golden/network.npz was made with."""
    return seeded_state_dict("state_dict_shapes.json", salt)


def seeded_detector_state_dict(salt: int = 0) -> dict[str, Any]:
    """Weights of the hand detector, as tests/golden/detector.npz was made with."""
    import torch

    weights = seeded_state_dict("detector_state_dict_shapes.json", salt)
    for key, value in weights.items():  # spread the class logits so that some boxes pass the threshold
        if "cls_convs" in key and key.endswith(".1.bias") and value.numel() == 12:
            value.add_(torch.tensor([1.2, -1.2] * 6) * 0.5)
    return weights


def write_hosted_dir(
    out: Path,
    *,
    salt: int = 0,
    tuples: bool = False,
    plugins: list[str] | None = None,
    score_threshold: float = 0.5,
    edit: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Write a model directory in the hosted model's format with seeded weights to ``out`` and return it."""
    import torch

    config = json.loads((GOLDEN / "hosted" / "configuration.json").read_text())
    if not tuples:
        config = lists_for_tuples(config)
    config.pop("plugins")
    if plugins is not None:
        config["plugins"] = plugins
    config["DETECTION"]["score_threshold"] = score_threshold
    if edit is not None:
        edit(config)
    (out / "detection").mkdir(parents=True, exist_ok=True)
    (out / "configuration.json").write_text(json.dumps(config, indent=2))
    (out / "detection" / "config.py").write_text((GOLDEN / "hosted" / "detection" / "config.py").read_text())
    torch.save({"meta": {"epoch": 210}, "state_dict": seeded_pose_state_dict(salt)}, out / "pytorch_model.pt")
    detector = {"meta": {"CLASSES": ("hand",)}, "state_dict": seeded_detector_state_dict(salt)}
    torch.save(detector, out / "detection" / "detection_model.pth")
    return out


TINY_CHANNELS = [4, 8, 12, 16]
TINY_CROP, TINY_HEATMAP = [64, 64], [16, 16]


def shrink(config: dict[str, Any]) -> None:
    """Make the hosted configuration that of a network which answers in milliseconds, without a detector."""
    config.pop("DETECTION")
    extra = config["model"]["backbone"]["extra"]
    for name in ("stage1", "stage2", "stage3", "stage4"):
        stage = extra[name]
        stage["num_modules"] = 1
        stage["num_blocks"] = [1] * stage["num_branches"]
        stage["num_channels"] = TINY_CHANNELS[: stage["num_branches"]]
    config["model"]["keypoint_head"]["in_channels"] = TINY_CHANNELS
    for block in (config, config["dataset"]["train"]["data_source"], config["dataset"]["val"]["data_source"]):
        block["data_cfg"] |= {"image_size": TINY_CROP, "heatmap_size": TINY_HEATMAP}


def write_tiny_dir(
    out: Path, edit: Callable[[dict[str, Any]], None] | None = None, plugins: list[str] | None = None
) -> Path:
    """Write a model directory with a tiny seeded network and no detector to ``out`` and return it."""
    import torch
    from seeded_weights import fill

    from modelscope_handkp.model_dir.settings import NetworkSettings
    from modelscope_handkp.networks.topdown import build_topdown

    config = lists_for_tuples(json.loads((GOLDEN / "hosted" / "configuration.json").read_text()))
    config.pop("plugins")
    if plugins is not None:
        config["plugins"] = plugins
    shrink(config)
    weights = fill(build_topdown(NetworkSettings.parse(config["model"])).state_dict())
    torch.save({"meta": {"epoch": 1}, "state_dict": weights}, out / "pytorch_model.pt")
    if edit is not None:
        edit(config)
    (out / "configuration.json").write_text(json.dumps(config, indent=2))
    return out


YOLOX_SIDE = 64  # pixels


def write_tiny_dir_with_yolox(out: Path, score_threshold: float = 0.2, normalised: bool = False) -> Path:
    """`write_tiny_dir` with a tiny seeded YOLOX."""
    import torch
    from yolox_weights import NANO, seeded, settings

    from modelscope_handkp.networks.yolox import build_yolox

    files = {"config_file": "detection/config.py", "model_path": "detection/model.pth"}
    block = {"type": "YOLOX", "score_threshold": score_threshold, **files}
    (out / "detection").mkdir(parents=True)
    write_tiny_dir(out, edit=lambda config: config.update(DETECTION=block))
    values = {**NANO, "num_classes": 1, "width": 1 / 16, "input_size": YOLOX_SIDE, "normalised": normalised}
    (out / files["config_file"]).write_text("".join(f"{key} = {value!r}\n" for key, value in values.items()))
    torch.save({"model": seeded(build_yolox(settings(**values))).state_dict()}, out / files["model_path"])
    return out
