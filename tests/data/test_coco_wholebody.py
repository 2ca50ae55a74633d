"""COCO-WholeBody hands against tests/golden/dataset_samples.json (EasyCV 0.11.7's samples, in order), 1e-3."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import GOLDEN

from modelscope_handkp.data.coco_wholebody import HandCocoWholeBodyDataset, collate, read_annotations, read_image
from modelscope_handkp.errors import ConfigError, DatasetError, MissingFileError

COCO = GOLDEN / "coco_wholebody.json"


def annotation(image_id: int, /, sides: str = "left", **changes: Any) -> dict[str, Any]:
    """A person whose ``sides`` hands are valid."""
    entry: dict[str, Any] = {"id": 10 + image_id, "image_id": image_id, "iscrowd": 0}
    for side in ("left", "right"):
        entry[f"{side}hand_valid"] = side in sides
        entry[f"{side}hand_box"] = [4.0, 6.0, 20.0, 10.0]
        entry[f"{side}hand_kpts"] = [5.0, 7.0, 1.0] * 21
    return {**entry, **changes}


def write(folder: Path, annotations: list[dict[str, Any]], pictures: int = 2) -> Path:
    """``annotations`` and 32x24 pictures 0.png, 1.png, ... in ``folder`` -> the annotation file."""
    images = [{"id": i, "file_name": f"{i}.png"} for i in range(pictures)]
    (folder / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    for i in range(pictures):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((24, 32, 3), (10 * i, 20, 200), np.uint8))
    return folder / "a.json"


def test_golden(golden: Callable[[str], Any], tmp_path: Path) -> None:
    for entry in json.loads(COCO.read_text())["images"]:
        (tmp_path / entry["file_name"]).touch()
    data, expected = HandCocoWholeBodyDataset(COCO, tmp_path), golden("dataset_samples.json")
    assert len(data) == len(expected)
    names = {
        "bbox": "bbox",
        "center": "center",
        "scale": "scale",
        "joints_3d": "joints",
        "joints_3d_visible": "visible",
    }
    for index, reference in enumerate(expected):
        sample = data.describe(index)
        assert sample["image_file"] == str(tmp_path / Path(reference["image_file"]).name)
        assert (sample["image_id"], sample["bbox_id"]) == (reference["image_id"], reference["bbox_id"])
        for ours, theirs in names.items():
            np.testing.assert_allclose(sample[ours], reference[theirs], rtol=0, atol=1e-3)


def test_order_is_that_of_pictures_then_annotations_then_sides(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(1, "left right"), annotation(0, "right"), annotation(1, "left", id=99)])
    hands = read_annotations(path)
    assert hands.image_ids.tolist() == [0, 1, 1, 1]
    assert [hands.files[i] for i in hands.picture] == ["0.png", "1.png", "1.png", "1.png"]


def test_picture_is_rgb_and_upright(tmp_path: Path) -> None:
    data = HandCocoWholeBodyDataset(write(tmp_path, [annotation(1)]), tmp_path)
    assert data[0]["img"].shape == (24, 32, 3)  # type: ignore[index]
    assert data[0]["img"][0, 0].tolist() == [200, 20, 10]  # type: ignore[index]


def test_crowds_invalid_and_untouched_hands_do_not_count(tmp_path: Path) -> None:
    people = [annotation(0, iscrowd=1), annotation(0, ""), annotation(0, lefthand_kpts=[0.0] * 63), annotation(1)]
    assert len(read_annotations(write(tmp_path, people))) == 1


def test_random_transforms_repeat_by_seed_epoch_and_sample(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(0), annotation(1)])

    def drawn(seed: int, epoch: int, workers: int = 0) -> list[float]:
        data = HandCocoWholeBodyDataset(path, tmp_path, lambda sample, rng: {"x": rng.random()}, seed=seed)
        loader = torch.utils.data.DataLoader(
            data, batch_size=None, num_workers=workers, persistent_workers=workers > 0, collate_fn=None
        )
        list(loader)
        data.set_epoch(epoch)  # after the workers have started
        return [sample["x"] for sample in loader]

    assert drawn(0, 1) == drawn(0, 1, workers=2)
    assert len({*drawn(0, 0), *drawn(0, 1), *drawn(1, 0)}) == 6


def test_missing_annotation_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nothing.json"):
        read_annotations(tmp_path / "nothing.json")


def test_no_valid_hand(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no valid hand"):
        read_annotations(write(tmp_path, [annotation(0, "")]))


@pytest.mark.parametrize(
    "changes",
    [
        {"lefthand_kpts": [1.0] * 60},
        {"lefthand_box": [1, 2]},
        {"lefthand_box": [1, 2, float("nan"), 3]},
        {"lefthand_box": "x"},
        {"image_id": "x"},
        {"lefthand_kpts": None},
    ],
)
def test_an_annotation_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(DatasetError, match=r"a.json: annotation entry 77"):
        read_annotations(write(tmp_path, [annotation(0, id=77, **changes)]))


def test_an_annotation_of_an_unlisted_picture(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="such as 5"):
        read_annotations(write(tmp_path, [annotation(5)]))


def test_an_empty_box_is_left_out_with_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, [annotation(0, lefthand_box=[1, 1, 0, 5]), annotation(1)])
    assert len(read_annotations(path)) == 1
    assert "1 valid hands have an empty box" in caplog.text


def test_missing_pictures_are_named_counted_and_by_option_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path, [annotation(0, "left right"), annotation(1)])
    (tmp_path / "0.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of 2 pictures .* 0\.png"):
        HandCocoWholeBodyDataset(path, tmp_path)
    data = HandCocoWholeBodyDataset(path, tmp_path, on_bad_image="skip")
    assert [data.describe(i)["image_id"] for i in range(len(data))] == [1]
    assert "2 of 3 hands are left out" in caplog.text
    (tmp_path / "1.png").unlink()
    with pytest.raises(DatasetError, match="no hand is left"):
        HandCocoWholeBodyDataset(path, tmp_path, on_bad_image="skip")


def test_a_broken_picture_is_named_and_by_option_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write(tmp_path, [annotation(0), annotation(1)])
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"0\.png is not a picture"):
        HandCocoWholeBodyDataset(path, tmp_path)[0]
    data = HandCocoWholeBodyDataset(path, tmp_path, on_bad_image="skip")
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=1, collate_fn=collate)
    with caplog.at_level(logging.WARNING):
        batches = list(loader)
    assert [batch["image_id"].tolist() for batch in batches] == [[1]]
    assert data.skipped == 1
    assert collate([None]) is None


def test_half_a_jpeg_is_broken(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    content = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "x.jpg").write_bytes(content)
    assert read_image(tmp_path / "x.jpg").shape == (64, 64, 3)
    (tmp_path / "x.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"x\.jpg is broken"):
        read_image(tmp_path / "x.jpg")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_what_is_no_picture_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(DatasetError, match=r"x.jpg"):
        read_image(tmp_path / "x.jpg")


def test_options_that_are_not_known(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(0)])
    with pytest.raises(ConfigError, match="ignore"):
        HandCocoWholeBodyDataset(path, tmp_path, on_bad_image="ignore")
    with pytest.raises(ConfigError, match="17"):
        HandCocoWholeBodyDataset(path, tmp_path, data_cfg={"num_joints": 17})
