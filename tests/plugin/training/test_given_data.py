"""What build_trainer takes as train_dataset and eval_dataset."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from small import ANNOTATIONS, datasets

from modelscope_handkp.errors import DatasetError, HandkpError, MissingFileError
from modelscope_handkp.plugin.training.given_data import open_given

pytest.importorskip("modelscope.trainers")

from modelscope.msdatasets import MsDataset

Build = Callable[..., Any]


@pytest.fixture
def config(model_dir: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((model_dir / "configuration.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def loaded(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What MsDataset.load gives for the folder: its splits, as tables of images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("cache")))
        return MsDataset.load(str(data_dir), cache_dir=str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize("kind", [str, Path, lambda path: [path], lambda path: (str(path), path)])
def test_a_folder_is_opened_as_its_part_is_configured(kind: Any, data_dir: Path, config: dict[str, Any]) -> None:
    train, val = open_given(kind(data_dir), "train", config), open_given(kind(data_dir), "val", config)
    times = len(kind(data_dir)) if isinstance(kind(data_dir), (list, tuple)) else 1
    assert (len(train), len(val)) == (8 * times, 6 * times)
    assert "target" in train[0] and "ground_truth" in val[0]["img_metas"]


def test_an_annotation_file_is_opened(data_dir: Path, config: dict[str, Any]) -> None:
    assert len(open_given(data_dir / ANNOTATIONS.format(split="val"), "val", config)) == 6


def test_what_msdataset_loads_from_a_folder_is_that_folder(loaded: Any, config: dict[str, Any]) -> None:
    assert len(open_given(loaded, "train", config)) == 8  # every split
    assert len(open_given(loaded["train"], "train", config)) == 8
    assert len(open_given([loaded["validation"], loaded["train"]], "val", config)) == 12


def test_a_trainer_takes_folders(build: Build, data_dir: Path) -> None:
    trainer = build({"train.max_epochs": 1}, train_dataset=str(data_dir), eval_dataset=data_dir)
    trainer.train()
    assert (trainer.iter, trainer.evaluate()["hands"]) == (2, 6)
    trainer = build(train_dataset=str(data_dir), seed=3)
    assert trainer.train_dataset.seed == 3


def test_a_trainer_predicts_a_folder(build: Build, data_dir: Path, tmp_path: Path) -> None:
    build(train_dataset=None, eval_dataset=None).predict(str(data_dir), saving_fn=str(tmp_path / "hands.json"))
    assert len(json.loads((tmp_path / "hands.json").read_text())) == 6


def test_torch_data_sets_are_taken_as_they_are(data_dir: Path, model_dir: Path, config: dict[str, Any]) -> None:
    train, _ = datasets(data_dir, model_dir)
    subset = torch.utils.data.Subset(train, [0, 1])
    assert open_given(subset, "train", config) is subset
    both = open_given([train, str(data_dir), subset], "train", config)
    assert len(both) == 8 + 8 + 2


def test_a_folder_without_annotations_says_where_they_were_looked_for(
    build: Build, data_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (str(tmp_path / "empty"), tmp_path / "empty"):
        with pytest.raises(MissingFileError, match=rf"{tmp_path}/empty.*coco_wholebody_train_v1\.0\.json"):
            build(train_dataset=folder)
    half = shutil.copytree(data_dir, tmp_path / "half")
    (half / ANNOTATIONS.format(split="val")).unlink()
    with pytest.raises(MissingFileError, match=r"coco_wholebody_val_v1\.0\.json"):
        build(train_dataset=str(half), eval_dataset=str(half))


@pytest.mark.parametrize("name", ["", "no/such/folder", "x" * 5000, "a\0b"])
def test_a_name_of_nothing_is_named(name: str, build: Build) -> None:
    with pytest.raises(MissingFileError, match="neither a folder nor"):
        build(train_dataset=name)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (7, "7 is no data set for 'train'"),
        pytest.param(object(), "object", id="object"),
        (b"folder", "folder"),
        ({"train": 1, "val": 2}, r"a dict of \['train', 'val'\] is no data set"),
        ([], "the list of data sets for 'train' is empty"),
        ([{"img": 1}], r"a dict of \['img'\]"),
        ([None], "None is no data set"),
    ],
    ids=str,
)
def test_what_is_no_data_set_is_refused(given: Any, named: str, build: Build) -> None:
    with pytest.raises(DatasetError, match=named):
        build(train_dataset=given)


def test_a_table_of_other_columns_is_refused(build: Build) -> None:
    table = pytest.importorskip("datasets").Dataset.from_dict({"image": [1, 2], "label": [0, 1]})
    for given in (table, MsDataset.to_ms_dataset(table, None) if hasattr(MsDataset, "to_ms_dataset") else table):
        with pytest.raises(DatasetError, match=r"columns \['image', 'label'\] is no data set"):
            build(train_dataset=given)


def test_errors_are_ours_for_what_lies_in_no_part(build: Build, tmp_path: Path) -> None:
    file = tmp_path / "train.json"
    file.write_text("[1, 2]")
    with pytest.raises(HandkpError, match=r"train\.json"):
        build(train_dataset=str(file))
