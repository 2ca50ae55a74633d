"""Finding annotations and images in the folders that people have."""

import json
from pathlib import Path

import pytest

from modelscope_handkp.data.layout import find_part, has_part
from modelscope_handkp.errors import DatasetError, MissingFileError

CONFIGURED = {"ann_file": "${data_root}/annotations/coco_train.json", "img_prefix": "${data_root}/train2017/"}


def write(path: Path, image: Path | None = None) -> Path:
    """An annotation file that lists ``a.jpg``, and that image."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}))
    if image is not None:
        image.mkdir(parents=True, exist_ok=True)
        (image / "a.jpg").touch()
    return path


def test_as_configured(tmp_path: Path) -> None:
    file = write(tmp_path / "annotations" / "coco_train.json", tmp_path / "train2017")
    write(tmp_path / "annotations" / "other_train.json")
    for source in (tmp_path, file):
        assert find_part(source, "train", CONFIGURED) == (str(file), str(tmp_path / "train2017"))
    assert has_part(tmp_path, "train", CONFIGURED)


@pytest.mark.parametrize("images", [".", "images", "train", "train2017", "images/train", "images/default"])
@pytest.mark.parametrize("inner", ["annotations", "."])
def test_the_only_file_with_the_name_of_the_part(tmp_path: Path, inner: str, images: str) -> None:
    file = write(tmp_path / inner / "Hands_TRAIN.json", tmp_path / images)
    write(tmp_path / inner / "hands_val.json")
    assert find_part(tmp_path, "train", CONFIGURED) == (str(file), str(tmp_path / images))
    assert has_part(tmp_path, "val", CONFIGURED)


def test_names_in_which_the_part_is_no_word_of_its_own(tmp_path: Path) -> None:
    for name in ("hands_trainval", "retrieval_test", "._val", "strain"):
        write(tmp_path / f"{name}.json")
    assert not has_part(tmp_path, "val", CONFIGURED) and not has_part(tmp_path, "train", CONFIGURED)
    for name, part in (("training", "train"), ("coco_valid2020", "val")):
        assert find_part(write(tmp_path / f"{name}.json", tmp_path).parent, part, CONFIGURED)[0].endswith(
            f"{name}.json"
        )


def test_a_folder_for_each_part(tmp_path: Path) -> None:
    file = write(tmp_path / "valid" / "_annotations.coco.json", tmp_path / "valid")
    write(tmp_path / "train" / "_annotations.coco.json", tmp_path / "train")
    assert find_part(tmp_path, "val", CONFIGURED) == (str(file), str(tmp_path / "valid"))


def test_a_file_by_its_name_and_images_that_are_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a" / "instances_default.json", tmp_path / "far" / "away")
    named = {**CONFIGURED, "img_prefix": str(tmp_path / "far" / "away")}
    assert find_part(file, "train", named) == (str(file), str(tmp_path / "far" / "away"))
    with pytest.raises(
        MissingFileError, match=r"first 1 images of .*instances_default.json, such as 'a.jpg', none is in"
    ):
        find_part(file, "train", CONFIGURED)


def test_a_relative_path_and_images_of_which_the_first_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "annotations" / "val.json", tmp_path / "images")
    entries = [{"id": number, "file_name": name} for number, name in enumerate(("gone.jpg", "a.jpg"))]
    file.write_text(json.dumps({"images": entries, "annotations": []}))
    monkeypatch.chdir(file.parent)
    assert find_part("val.json", "val", CONFIGURED) == ("val.json", str(tmp_path / "images"))


def test_what_is_missing_is_listed(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"neither .*coco_train.json nor a JSON file with 'train' in its name"):
        find_part(tmp_path, "train", CONFIGURED)
    write(tmp_path / "train_a.json"), write(tmp_path / "train_b.json")
    with pytest.raises(DatasetError, match=r"several annotation files for 'train', train_a.json, train_b.json"):
        find_part(tmp_path, "train", CONFIGURED)
    assert has_part(tmp_path, "train", CONFIGURED)
