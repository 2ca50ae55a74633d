"""HandCocoWholeBodyDataset through ModelScope's registry of custom data sets."""

import json
import pickle
import shutil
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from coco_files import plain_hands
from small import BACKGROUND, SIDE, dots_dataset, narrow_config

from modelscope_handkp.errors import ConfigError, DatasetError, MissingFileError
from modelscope_handkp.plugin import names
from modelscope_handkp.plugin.training.dataset import open_dataset

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


def test_the_ground_truth_is_in_image_pixels_and_knows_its_side(folder: Path) -> None:
    data = build(folder, "train")
    people = json.loads((folder / "annotations" / "coco_wholebody_train_v1.0.json").read_text())["annotations"]
    for index, side in ((2, "left"), (3, "right")):
        metas = data[index]["img_metas"]
        truth, keypoints = metas["ground_truth"], np.reshape(people[index][f"{side}hand_kpts"], (21, 3))
        np.testing.assert_allclose(truth["joints_3d"][:, :2], keypoints[:, :2], atol=1e-4)
        assert truth["joints_3d_visible"][:, :2].min() == 1
        assert truth["bbox"].tolist() == people[index][f"{side}hand_box"]
        assert truth["is_left"] is (side == "left")
        assert (metas["bbox_id"], metas["image_id"]) == (index, index)
        assert metas["image_file"] == f"{folder}/train2017/{index:012d}.png"


def test_the_ground_truth_stays_where_the_image_is_mirrored(folder: Path) -> None:
    steps = narrow_config()["dataset"]["train"]["pipeline"]

    def with_flips(probability: float) -> Any:
        flip = {"type": "TopDownRandomFlip", "flip_prob": probability}
        chain = [flip if step["type"] == "TopDownRandomFlip" else step for step in steps]
        return build(folder, "train", pipeline=chain)[0]

    mirrored, plain = with_flips(1.0), with_flips(-1.0)
    assert not np.array_equal(mirrored["target"], plain["target"])
    for key in ("joints_3d", "joints_3d_visible", "bbox", "is_left"):
        np.testing.assert_array_equal(*(item["img_metas"]["ground_truth"][key] for item in (mirrored, plain)))


def test_the_network_gets_rgb(folder: Path) -> None:
    item = build(folder, "val")[0]
    steps = narrow_config()["dataset"]["val"]["pipeline"]
    [normalize] = [step for step in steps if step["type"] == "NormalizeTensor"]
    corner = item["img"][:, 0, 0] * torch.tensor(normalize["std"]) + torch.tensor(normalize["mean"])
    np.testing.assert_allclose(corner * 255, BACKGROUND[::-1], atol=0.5)


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
    source = narrow_config()["dataset"]["train"]["data_source"]
    assert centers(build(folder, "train", data_source={**source, "test_mode": True})) <= {(80.0, 60.0), (79.0, 60.0)}
    steps = narrow_config()["dataset"]["train"]["pipeline"]
    never = [{"type": "TopDownRandomShiftBboxCenter", "prob": 0}, *steps]  # one that is named is not added again
    assert centers(build(folder, "train", pipeline=never)) <= {(80.0, 60.0), (79.0, 60.0)}


def test_it_pickles_as_a_worker_needs(folder: Path) -> None:
    data = build(folder, "train")
    assert torch.equal(pickle.loads(pickle.dumps(data))[1]["img"], data[1]["img"])


def test_broken_images_are_left_out_if_the_data_source_says_so(folder: Path, tmp_path: Path) -> None:
    source = narrow_config()["dataset"]["train"]["data_source"]
    broken = shutil.copytree(folder, tmp_path / "broken")
    (broken / "train2017" / "000000000001.png").write_bytes(b"x")
    data = build(broken, "train", data_source={**source, "on_bad_image": "skip"})
    assert data[1] is None and data[0] is not None
    with pytest.raises(DatasetError, match=r"000000000001\.png"):
        build(broken, "train")[1]


def test_the_seed_is_that_of_the_random_transforms(folder: Path) -> None:
    a, b, c = (build(folder, "train", seed=seed)[0]["img"] for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)


def test_a_folder_is_opened_as_a_configuration_says(folder: Path) -> None:
    data = open_dataset(str(folder), "validation", narrow_config()["dataset"]["val"], "val")
    assert len(data) == 3 and data.img_prefix == f"{folder}/val2017"
    with pytest.raises(MissingFileError, match="nothing is neither a folder nor an annotation file, and no hub data"):
        open_dataset("nothing", "validation", narrow_config()["dataset"]["val"], "val")


def test_an_annotation_file_of_plain_hands_is_opened_by_its_name(folder: Path, tmp_path: Path) -> None:
    plain_hands(folder / "annotations" / "coco_wholebody_val_v1.0.json", tmp_path / "hands.json")
    shutil.copytree(folder / "val2017", tmp_path / "images")
    data = open_dataset(tmp_path / "hands.json", "validation", narrow_config()["dataset"]["val"], "val")
    persons = open_dataset(folder, "validation", narrow_config()["dataset"]["val"], "val")
    assert len(data) == len(persons) == 3
    for own, other in zip(data, persons):
        assert torch.equal(own["img"], other["img"])
        truth, expected = (item["img_metas"]["ground_truth"] for item in (own, other))
        np.testing.assert_array_equal(truth["joints_3d"], expected["joints_3d"])
        assert truth["is_left"] == expected["is_left"] and truth["category_id"] == (1 if truth["is_left"] else 2)


def test_a_split_of_the_hub_is_opened_where_it_was_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from modelscope.msdatasets import MsDataset

    asked: list[Any] = []

    def load(name: str, **options: Any) -> Any:
        asked.append((name, options))
        return types.SimpleNamespace(config_kwargs={"split_config": {"validation": str(folder)}})

    monkeypatch.setattr(MsDataset, "load", load)
    assert len(open_dataset("me/hands", "validation", narrow_config()["dataset"]["val"], "val")) == 3
    assert asked == [("hands", {"namespace": "me", "split": "validation"})]


def test_what_cannot_be_built_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"data_source.ann_file is .* no folder is given for \$\{data_root\}"):
        build(folder, "train", split_config=None)
    with pytest.raises(ConfigError, match=r"one folder, got \['a', 'b'\]"):
        build(folder, "train", split_config={"train": ["a", "b"]})
    with pytest.raises(ConfigError, match="pipeline"):
        build(folder, "train", pipeline=[])
    source = narrow_config()["dataset"]["train"]["data_source"]
    with pytest.raises(ConfigError, match="WholeBodyCocoTopDownSource"):
        build(folder, "train", data_source={**source, "type": "WholeBodyCocoTopDownSource"})
    with pytest.raises(ConfigError, match="img_prefix"):
        build(folder, "train", data_source={key: source[key] for key in source if key != "img_prefix"})
