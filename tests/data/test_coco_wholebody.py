"""Reading COCO-WholeBody annotation files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import annotation, write_coco

from modelscope_handkp.data.coco_wholebody import read_annotations
from modelscope_handkp.errors import DatasetError, MissingFileError


def test_the_order_is_that_of_images_then_annotations_then_sides(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(1, "left right"), annotation(0, "right"), annotation(1, "left", id=99)])
    hands = read_annotations(path)
    assert hands.image_ids.tolist() == [0, 1, 1, 1]
    assert [hands.files[i] for i in hands.file_index] == ["0.png", "1.png", "1.png", "1.png"]
    assert hands.is_left.tolist() == [False, True, False, True]
    assert hands.is_left.dtype == bool


def test_the_order_within_an_image_is_kept_however_many_there_are(tmp_path: Path) -> None:
    people = [annotation(number % 2, lefthand_box=[number, 0, 1, 1]) for number in range(100)]
    hands = read_annotations(write_coco(tmp_path, people))
    assert hands.boxes_xywh[:, 0].tolist() == [*range(0, 100, 2), *range(1, 100, 2)]


def test_each_hand_has_its_own_box_and_keypoints(tmp_path: Path) -> None:
    points = [float(number) for number in range(63)]
    people = [annotation(1, "left right", righthand_box=[1, 2, 3, 4], righthand_kpts=points), annotation(0)]
    hands = read_annotations(write_coco(tmp_path, people))
    assert hands.boxes_xywh.tolist() == [[4, 6, 20, 10], [4, 6, 20, 10], [1, 2, 3, 4]]
    np.testing.assert_array_equal(hands.keypoints[2].ravel(), points)
    np.testing.assert_array_equal(hands.keypoints[:2], np.tile([5, 7, 1], (2, 21, 1)))
    assert (hands.boxes_xywh.dtype, hands.keypoints.dtype) == (np.float64, np.float32)


def test_images_without_a_hand_are_not_listed(tmp_path: Path) -> None:
    hands = read_annotations(write_coco(tmp_path, [annotation(2), annotation(0)], images=4))
    assert hands.files == ("0.png", "2.png")
    assert hands.file_index.tolist() == [0, 1]


def test_crowds_invalid_and_unannotated_hands_do_not_count(tmp_path: Path) -> None:
    people = [annotation(0, iscrowd=1), annotation(0, ""), annotation(0, lefthand_kpts=[0.0] * 63), annotation(1)]
    assert read_annotations(write_coco(tmp_path, people)).image_ids.tolist() == [1]


def test_a_box_of_more_than_four_numbers_is_cut(tmp_path: Path) -> None:
    hands = read_annotations(write_coco(tmp_path, [annotation(0, lefthand_box=[1, 2, 3, 4, 0.9])]))
    assert hands.boxes_xywh.tolist() == [[1, 2, 3, 4]]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"nothing.json"):
        read_annotations(tmp_path / "nothing.json")


def test_no_valid_hand(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no valid hand"):
        read_annotations(write_coco(tmp_path, [annotation(0, "")]))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"lefthand_kpts": [1.0] * 60}, "lefthand_box and lefthand_kpts must be 4 and 63 finite numbers"),
        ({"lefthand_box": [1, 2]}, "must be 4 and 63 finite numbers"),
        ({"lefthand_box": [1, 2, float("nan"), 3]}, "must be 4 and 63 finite numbers"),
        ({"lefthand_kpts": [1.0] * 62 + [float("inf")]}, "must be 4 and 63 finite numbers"),
        ({"lefthand_box": "x"}, "cannot be used"),
        ({"image_id": "x"}, "cannot be used"),
        ({"image_id": 1 << 70}, "cannot be used"),
        ({"lefthand_kpts": None}, "cannot be used"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(DatasetError, match=rf"a.json: annotation entry 77 .*{reason}"):
        read_annotations(write_coco(tmp_path, [annotation(0, id=77, **changes)]))


@pytest.mark.parametrize(
    ("images", "annotations", "reason"),
    [
        ([{"id": 3}], [], r"image entry 3 cannot be used: no 'file_name'"),
        ([], [12], r"annotation an entry '12' cannot be used"),
        ([], ["x" * 99], r"annotation an entry 'x{40}' cannot be used"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(
    tmp_path: Path, images: list[Any], annotations: list[Any], reason: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    with pytest.raises(DatasetError, match=reason):
        read_annotations(tmp_path / "a.json")


def test_annotations_of_images_that_are_not_listed(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="annotations of 2 images that it does not list, such as 5"):
        read_annotations(write_coco(tmp_path, [annotation(6), annotation(5), annotation(0), annotation(5)]))


@pytest.mark.parametrize("box", [[1, 1, 0, 5], [1, 1, 5, 0], [1, 1, -2, 5]])
def test_an_empty_box_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, box: list[float]
) -> None:
    path = write_coco(tmp_path, [annotation(0, "left right", lefthand_box=box, righthand_box=box), annotation(1)])
    assert read_annotations(path).image_ids.tolist() == [1]
    assert "2 valid hands have an empty box" in caplog.text


def test_boxes_of_one_pixel_are_kept_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(read_annotations(write_coco(tmp_path, [annotation(0, lefthand_box=[1, 1, 1, 1])]))) == 1
    assert not caplog.text
