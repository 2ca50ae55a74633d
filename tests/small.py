"""Small things to train on: a model directory with a narrow network, and images of hands in COCO-WholeBody layout."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from conftest import GOLDEN

from modelscope_handkp.model_dir.config import plain

ANNOTATIONS = "annotations/coco_wholebody_{split}_v1.0.json"
COLUMNS = ("PCK", "AUC", "EPE", "NME")
RANDOM = ("TopDownRandom", "TopDownGetRandom")  # how the names of random transforms start
HOOKS = [
    {"type": "CheckpointHook", "interval": 1},
    {"type": "EvaluationHook", "interval": 1},
    {"type": "TextLoggerHook"},
]
SIDE = 64  # of the narrow network's crop, pixels
BACKGROUND = (20, 60, 100)  # BGR, of the images of dots


def narrow_config(side: int = SIDE, channels: int = 8, branches: int = 2, hooks: Any = None) -> dict[str, Any]:
    """The hosted configuration with a narrow network on ``side`` x ``side`` crops, without detector and workers.

    The network has at most ``branches`` resolutions, since layers cost a test's time; ``hooks`` replaces the hosted
    ones, to which ModelScope adds those of ``cfg_options``.
    """
    config: dict[str, Any] = plain(json.loads((GOLDEN / "hosted" / "configuration.json").read_text()))
    config.pop("plugins")
    config.pop("DETECTION")
    widths = [channels * 2**branch for branch in range(branches)]
    extra = config["model"]["backbone"]["extra"]
    extra["stage1"].update(num_blocks=[1], num_channels=[channels])
    for number in (2, 3, 4):
        count = min(number, branches)
        stage = {"num_modules": 1, "num_branches": count, "num_blocks": [1] * count, "num_channels": widths[:count]}
        extra[f"stage{number}"].update(stage)
    config["model"]["keypoint_head"].update(in_channels=widths, in_index=list(range(branches)))
    sizes = {"image_size": [side, side], "heatmap_size": [side // 4, side // 4]}
    for block in (
        config["data_cfg"],
        *(config["dataset"][split]["data_source"]["data_cfg"] for split in ("train", "val")),
    ):
        block.update(sizes)
    config["dataset"]["train"]["pipeline"][5]["sigma"] = 3 * side / 256
    for block in (config["train"], config["evaluation"]):
        block["dataloader"] = {"batch_size_per_gpu": 4, "workers_per_gpu": 0}
    config["train"]["lr_scheduler"].update(warmup_iters=5, warmup_ratio=0.1)
    if hooks is not None:
        config["train"]["hooks"] = hooks
    return config


def narrow_dir(folder: Path, seed: int = 0, plugins: list[str] | None = None, **options: Any) -> Path:
    """A model directory with a narrow, untrained network; ``plugins`` adds that key and the hosted DETECTION block."""
    import torch

    from modelscope_handkp.model_dir.settings import NetworkSettings
    from modelscope_handkp.networks.topdown import build_topdown

    config = narrow_config(**options)
    if plugins is not None:
        hosted = json.loads((GOLDEN / "hosted" / "configuration.json").read_text())
        config.update(plugins=plugins, DETECTION=hosted["DETECTION"])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "configuration.json").write_text(json.dumps(config, indent=2))
    torch.manual_seed(seed)
    torch.save(
        {"state_dict": build_topdown(NetworkSettings.parse(config["model"])).state_dict()}, folder / "pytorch_model.pt"
    )
    return folder


def dots_dataset(folder: Path, train: int = 8, val: int = 6, seed: int = 0) -> Path:
    """Images whose 21 keypoints are dots of their own colours; quick to draw and to learn.

    The hands are left and right ones in turn.
    """
    rng = np.random.default_rng(seed)
    colors = (np.stack(np.unravel_index(np.arange(21), (3, 3, 3)), axis=1) * 127).tolist()
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("val", val)):
        prefix = folder / f"{split}2017"
        prefix.mkdir(exist_ok=True)
        images, annotations = [], []
        for number in range(count):
            image = np.full((120, 160, 3), BACKGROUND, np.uint8)
            points = rng.uniform((40, 20), (120, 100), (21, 2))
            for (x, y), color in zip(points, colors):
                cv2.circle(image, (round(x), round(y)), 5, color, -1)
            name = f"{number:012d}.png"
            cv2.imwrite(str(prefix / name), image)
            images.append({"id": number, "file_name": name, "width": 160, "height": 120})
            side, other = ("left", "right") if number % 2 == 0 else ("right", "left")
            annotations.append({
                "id": number, "image_id": number, "iscrowd": 0, "category_id": 1,
                f"{side}hand_valid": True, f"{side}hand_box": [40.0, 20.0, 80.0, 80.0],
                f"{side}hand_kpts": np.concatenate([points, np.ones((21, 1))], axis=1).ravel().tolist(),
                f"{other}hand_valid": False,
            })  # fmt: skip
        text = json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]})
        (folder / ANNOTATIONS.format(split=split)).write_text(text)
    return folder


def hands_dataset(folder: Path, train: int = 6, val: int = 4, seed: int = 0) -> Path:
    """Images of one hand each from the synthetic renderer, in COCO-WholeBody layout."""
    from modelscope_handkp.synthetic import write_dataset

    return write_dataset(folder, train=train, val=val, seed=seed, level="easy", hands=(1, 1))


def datasets(folder: Path, model_dir: Path, augment: bool = True) -> tuple[Any, Any]:
    """The training and the evaluation data set of a COCO-WholeBody folder, as the model's configuration says.

    ``augment=False`` leaves the random transforms out.
    """
    from modelscope_handkp.plugin.training.dataset import HandCocoWholeBodyDataset

    config = json.loads((model_dir / "configuration.json").read_text())["dataset"]
    if not augment:
        steps = config["train"]["pipeline"]
        config["train"]["pipeline"] = [step for step in steps if not step["type"].startswith(RANDOM)]
        config["train"]["data_source"]["test_mode"] = True
    made = [HandCocoWholeBodyDataset(**config[split], split_config={split: str(folder)}) for split in ("train", "val")]
    return made[0], made[1]


def weights(trainer: Any) -> dict[str, Any]:
    """A copy of the network's state dict."""
    return {key: value.clone() for key, value in trainer.model.state_dict().items()}


def assert_equal_weights(a: dict[str, Any], b: dict[str, Any]) -> None:
    import torch

    assert a.keys() == b.keys()
    different = [key for key in a if not torch.equal(a[key], b[key])]
    assert not different, f"{len(different)} of {len(a)} tensors differ, {different[:3]}"
