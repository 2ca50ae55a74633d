"""HandCocoWholeBodyDataset through ModelScope's registry of custom data sets."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import SIDE, dots_dataset, narrow_config

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.plugin import names
from modelscope_handkp.training.loading import EpochSampler

builder = pytest.importorskip("modelscope.msdatasets.dataset_cls.custom_datasets.builder")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return dots_dataset(tmp_path_factory.mktemp("data"), train=4, val=3)


def build(folder: Path, split: str, **changes: Any) -> Any:
    block = {**narrow_config()["dataset"][split], "split_config": {f"sub{split}": f"{folder}/"}, **changes}
    return builder.build_custom_dataset(block, names.TASK)


def test_data_root_is_the_folder_of_the_split(folder: Path) -> None:
    train, val = build(folder, "train"), build(folder, "val")
    assert (len(train), len(val)) == (4, 3)
    assert train.ann_file == f"{folder}/annotations/coco_wholebody_train_v1.0.json"
    item = train[0]
    assert item["img"].shape == (3, SIDE, SIDE) and item["img"].dtype == torch.float32
    assert item["target"].shape == (21, SIDE // 4, SIDE // 4) and item["target_weight"].shape == (21, 1)


def test_ground_truth_goes_along_in_picture_pixels(folder: Path) -> None:
    item = build(folder, "train")[2]
    entry = json.loads((folder / "annotations" / "coco_wholebody_train_v1.0.json").read_text())["annotations"][2]
    truth = item["img_metas"]["ground_truth"]
    keypoints = np.reshape(entry["lefthand_kpts"], (21, 3))
    np.testing.assert_allclose(truth["joints_3d"][:, :2], keypoints[:, :2], atol=1e-4)
    assert truth["bbox"].tolist() == entry["lefthand_box"]
    assert item["img_metas"]["bbox_id"] == 2


def test_only_training_shifts_the_crop(folder: Path) -> None:
    train, val = build(folder, "train"), build(folder, "val")

    def centers(data: Any) -> set[tuple[float, ...]]:
        seen = set()
        for epoch in range(30):
            data.set_epoch(epoch)
            seen.add(tuple(data[0]["img_metas"]["center"].tolist()))
        return seen

    assert centers(val) == {(80.0, 60.0)}
    assert len(centers(train)) > 5  # shifted in three of ten


def test_it_pickles_as_a_worker_needs(folder: Path) -> None:
    data = build(folder, "train")
    assert torch.equal(pickle.loads(pickle.dumps(data))[1]["img"], data[1]["img"])


def test_what_cannot_be_built_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"\$\{data_root\}"):
        build(folder, "train", split_config=None)
    with pytest.raises(ConfigError, match="pipeline"):
        build(folder, "train", pipeline=[])
    source = narrow_config()["dataset"]["train"]["data_source"]
    with pytest.raises(ConfigError, match="WholeBodyCocoTopDownSource"):
        build(folder, "train", data_source={**source, "type": "WholeBodyCocoTopDownSource"})
    with pytest.raises(ConfigError, match="img_prefix"):
        build(folder, "train", data_source={key: source[key] for key in source if key != "img_prefix"})


@pytest.mark.parametrize("world", [1, 2, 3])
def test_processes_share_an_epoch(world: int) -> None:
    for pad in (False, True):
        shares = [list(EpochSampler(10, True, 5, rank, world, pad)) for rank in range(world)]
        together = sorted(index for share in shares for index in share)
        assert sorted(set(together)) == list(range(10))
        assert len(together) == (10 if not pad else -(-10 // world) * world)
    sampler = EpochSampler(10, True, 5)
    first = list(sampler)
    sampler.set_epoch(1)
    assert first != list(sampler) != list(range(10))
    assert list(EpochSampler(10, False, 5)) == list(range(10))
