"""Reading annotation files of COCO-WholeBody's layout: persons with two hands."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import annotation, write_coco

from modelscope_handkp.data.annotations import read_annotations
from modelscope_handkp.errors import DatasetError, MissingFileError


def test_the_order_is_that_of_images_then_annotations_then_sides(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(1, "left right"), annotation(0, "right"), annotation(1, "left", id=99)])
    hands = read_annotations(path)
    assert [(image.id, image.file) for image in hands.images] == [(0, "0.png"), (1, "1.png")]
    assert hands.image_index.tolist() == [0, 1, 1, 1]
    assert hands.is_left.tolist() == [0, 1, 0, 1]
    assert hands.annotation_ids.tolist() == [10, 11, 11, 99]
    assert hands.areas.tolist() == [200.0] * 4  # of the box: a person's area says nothing of a hand


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
    assert [image.file for image in hands.images] == ["0.png", "2.png"]
    assert hands.image_index.tolist() == [0, 1]


def test_crowds_invalid_and_unannotated_hands_do_not_count(tmp_path: Path) -> None:
    people = [annotation(0, iscrowd=1), annotation(0, ""), annotation(0, lefthand_kpts=[0.0] * 63), annotation(1)]
    assert [image.id for image in read_annotations(write_coco(tmp_path, people)).images] == [1]


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
        ({"lefthand_kpts": [1.0] * 60}, "'lefthand_kpts' must have 63 numbers, it has 60"),
        ({"lefthand_box": [1, 2]}, "'lefthand_box' must have 4 numbers, it has 2"),
        ({"lefthand_box": [1, 2, float("nan"), 3]}, "'lefthand_box' must have finite numbers .*, it has nan"),
        ({"lefthand_kpts": [1.0] * 62 + [float("inf")]}, "'lefthand_kpts' must have finite numbers .*, it has inf"),
        ({"lefthand_kpts": [1.0] * 62 + [2e9]}, r"'lefthand_kpts' must have finite numbers .*, it has 2e\+09"),
        ({"lefthand_box": "x"}, "'lefthand_box' must be a list of 4 numbers, got 'x'"),
        ({"lefthand_box": [1, 2, "3", 4]}, "'lefthand_box' must be a list of 4 numbers"),
        ({"lefthand_kpts": None}, "'lefthand_kpts' must be a list of 63 numbers, got None"),
        ({"image_id": None}, "'image_id' must be a whole number or a text, got None"),
        ({"image_id": 1.5}, "'image_id' must be a whole number or a text, got 1.5"),
        ({"image_id": float(2**53 + 2)}, "'image_id' must be a whole number or a text, got 9007199254740994.0"),
        ({"image_id": True}, "'image_id' must be a whole number or a text, got True"),
        ({"category_id": []}, r"'category_id' must be a whole number or a text, got \[\]"),
        ({"lefthand_valid": "no"}, "'lefthand_valid' must be true or false, got 'no'"),
        ({"lefthand_valid": 2}, "'lefthand_valid' must be true or false, got 2"),
        ({"lefthand_valid": None}, "'lefthand_valid' must be true or false, got None"),
        ({"iscrowd": "maybe"}, "'iscrowd' must be true or false, got 'maybe'"),
    ],
)
def test_an_annotation_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(DatasetError, match=rf"a.json: annotation 77 cannot be used: {reason}"):
        read_annotations(write_coco(tmp_path, [annotation(0, id=77, **changes)]))


@pytest.mark.parametrize(
    ("images", "annotations", "reason"),
    [
        ([{"id": 3}], [], r"image 3 cannot be used: it has no 'file_name'"),
        ([{"id": 3, "file_name": 5}], [], r"image 3 cannot be used: 'file_name' must be a text, got 5"),
        ([{"file_name": "a.jpg"}], [], r"image number 1 of its list cannot be used: it has no 'id'"),
        ([{"id": 3, "file_name": "a", "width": "9"}], [], r"image 3 cannot .* 'width' must be a number .*, got '9'"),
        ([{"id": 3, "file_name": "a", "height": -1}], [], r"image 3 cannot .* 'height' must be a whole number of pix"),
        ([], [12], r"annotation 12 cannot be used: it is not an object"),
        ([], ["x" * 99], r"annotation 'x{39} cannot be used"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named(
    tmp_path: Path, images: list[Any], annotations: list[Any], reason: str
) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    with pytest.raises(DatasetError, match=reason):
        read_annotations(tmp_path / "a.json")


def test_annotations_of_images_that_are_not_listed(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="annotations of 2 images that it does not list, such as 6"):
        read_annotations(write_coco(tmp_path, [annotation(6), annotation(5), annotation(0), annotation(5)]))


@pytest.mark.parametrize("box", [[1, 1, 0, 5], [1, 1, 5, 0], [1, 1, -2, 5]])
def test_an_empty_box_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, box: list[float]
) -> None:
    path = write_coco(tmp_path, [annotation(0, "left right", lefthand_box=box, righthand_box=box), annotation(1)])
    assert [image.id for image in read_annotations(path).images] == [1]
    assert "2 have an empty box" in caplog.text


def test_boxes_of_one_pixel_are_kept_without_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(read_annotations(write_coco(tmp_path, [annotation(0, lefthand_box=[5, 7, 1, 1])]))) == 1
    assert not caplog.text
