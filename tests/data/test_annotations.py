"""What holds for annotation files of any layout: ids, repeats, reasons, and filtering the hands that were read."""

import codecs
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from coco_files import annotation, write_coco

from modelscope_handkp.data.annotations import HandAnnotations, read_annotations
from modelscope_handkp.errors import DatasetError


def write(folder: Path, **content: Any) -> Path:
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def images_of(hands: HandAnnotations) -> list[str]:
    """The file of each hand."""
    return [hands.images[index].file for index in hands.image_index]


def places_of(hands: HandAnnotations) -> dict[float, str]:
    """Left edge of a box -> the file that the hand is in."""
    return dict(zip(hands.boxes_xywh[:, 0].tolist(), images_of(hands)))


def on_image(image_id: Any, left: float, **changes: Any) -> dict[str, Any]:
    """A person on an image whose left hand's box begins at ``left``."""
    return {**annotation(0, lefthand_box=[left, 6.0, 20.0, 10.0]), "image_id": image_id, "id": int(left), **changes}


def test_filtering_keeps_each_hand_whole(tmp_path: Path) -> None:
    hands = read_annotations(write_coco(tmp_path, [annotation(0), annotation(1, "left right")]))
    kept = hands.only(np.array([False, True, True]))
    assert (len(hands), len(kept)) == (3, 2)
    assert kept.images == hands.images
    for column in ("image_index", "boxes_xywh", "keypoints", "is_left", "areas", "annotation_ids", "category_ids"):
        np.testing.assert_array_equal(getattr(kept, column), getattr(hands, column)[1:])


def test_images_that_repeat_change_nothing(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 32, "height": 24} for i in (1, 2, 3, 1, 2)]
    hands = read_annotations(write(tmp_path, images=images, annotations=[on_image(i, 10 * i) for i in (1, 2, 3)]))
    assert places_of(hands) == {10: "1.jpg", 20: "2.jpg", 30: "3.jpg"}
    assert [image.file for image in hands.images] == ["1.jpg", "2.jpg", "3.jpg"]


def test_a_file_that_was_written_twice_into_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg"} for i in (1, 2)]
    people = [on_image(i, 10 * i) for i in (1, 2)]
    hands = read_annotations(write(tmp_path, images=2 * images, annotations=2 * people))
    assert places_of(hands) == {10: "1.jpg", 20: "2.jpg"} and len(hands) == 2
    assert "2 repeat another" in caplog.text


def test_two_hands_with_one_id_are_both_read(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [on_image(0, 1, id=5), on_image(0, 2, id=5), on_image(0, 3, id=None)])
    assert read_annotations(path).annotation_ids.tolist() == [5, 5, None]


@pytest.mark.parametrize("other", [1, 1.0, "1"])
def test_an_id_that_stands_for_two_images(tmp_path: Path, other: Any) -> None:
    images = [{"id": 1, "file_name": "a.jpg"}, {"id": other, "file_name": "b.jpg"}]
    with pytest.raises(DatasetError, match=r"image '?1.* stands for two images, a.jpg .* and b.jpg"):
        read_annotations(write(tmp_path, images=images, annotations=[]))


def test_an_image_that_is_stated_to_have_two_sizes(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "a.jpg", "width": 32, "height": height} for height in (24, 48)]
    with pytest.raises(DatasetError, match=r"a.jpg \(32 x 24\) and a.jpg \(32 x 48\)"):
        read_annotations(write(tmp_path, images=images, annotations=[]))


@pytest.mark.parametrize(
    ("listed", "named"),
    [("a-17", "a-17"), (7, 7.0), (7.0, 7), ("7", 7), (7, "7"), (1 << 70, 1 << 70), (-3, "-3"), ("007", "007")],
)
def test_ids_are_names(tmp_path: Path, listed: Any, named: Any) -> None:
    images = [{"id": "007x", "file_name": "other.jpg"}, {"id": listed, "file_name": "a.jpg"}]
    hands = read_annotations(write(tmp_path, images=images, annotations=[on_image(named, 1)]))
    assert images_of(hands) == ["a.jpg"]
    assert hands.images[0].id == listed


def test_texts_that_only_look_alike_are_different_ids(tmp_path: Path) -> None:
    images = [{"id": name, "file_name": f"{name}.jpg"} for name in ("7", "07", "007")]
    hands = read_annotations(write(tmp_path, images=images, annotations=[on_image("07", 1), on_image(7, 2)]))
    assert places_of(hands) == {1: "07.jpg", 2: "7.jpg"}


def test_annotations_may_come_before_their_images(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps({"annotations": [on_image(1, 5)], "images": [{"id": 1, "file_name": "a.jpg"}]})
    )
    assert images_of(read_annotations(tmp_path / "a.json")) == ["a.jpg"]


def test_flags_as_text(tmp_path: Path) -> None:
    people = [
        on_image(0, 1, lefthand_valid="false"),
        on_image(0, 2, lefthand_valid="True"),
        on_image(0, 3, lefthand_valid="1", iscrowd="0"),
        on_image(0, 4, iscrowd="1"),
        on_image(0, 5, iscrowd=1.0),
        on_image(0, 6, lefthand_valid=1),
    ]
    assert read_annotations(write_coco(tmp_path, people)).boxes_xywh[:, 0].tolist() == [2, 3, 6]


def test_why_nothing_is_left(tmp_path: Path) -> None:
    people = [
        annotation(0, iscrowd=1),
        annotation(0, "left right", lefthand_box=[1, 1, 0, 0], righthand_kpts=[0.0] * 63),
        {"id": 7, "image_id": 0, "bbox": [1, 2, 3, 4]},
    ]
    with pytest.raises(DatasetError) as caught:
        read_annotations(write_coco(tmp_path, people))
    for part in ("3 annotations", "1 have iscrowd", "1 have an empty box", "1 have no keypoint", "1 have neither"):
        assert part in str(caught.value)
    assert "lefthand_valid" not in str(caught.value)
    with pytest.raises(DatasetError, match="2 annotations 4 have no true lefthand_valid or righthand_valid"):
        read_annotations(write_coco(tmp_path, [annotation(0, ""), annotation(1, "")]))
    with pytest.raises(DatasetError, match="it has no annotation"):
        read_annotations(write_coco(tmp_path, []))


def test_a_byte_order_mark(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(1)])
    path.write_bytes(codecs.BOM_UTF8 + path.read_bytes())
    assert images_of(read_annotations(path)) == ["1.png"]


def test_a_json_file_of_another_kind(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="it has no 'images' but 'version', 'shapes'"):
        read_annotations(write(tmp_path, version="5", shapes=[]))
    with pytest.raises(DatasetError, match="it has no 'annotations' but 'images'"):
        read_annotations(write(tmp_path, images=[]))


def test_two_files_in_one(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(0)])
    path.write_text(2 * path.read_text())
    with pytest.raises(DatasetError, match="something follows the object, as where two files were joined"):
        read_annotations(path)


def test_a_size_that_one_of_two_lists_does_not_state(tmp_path: Path) -> None:
    stated = {"id": 1, "file_name": "a.jpg", "width": 32, "height": 24}
    for images in ([stated, {"id": "1", "file_name": "a.jpg"}], [{"id": 1, "file_name": "a.jpg"}, stated]):
        hands = read_annotations(write(tmp_path, images=images, annotations=[on_image(1, 5)]))
        assert hands.images == ((1, "a.jpg", 32, 24),)


def test_folders_of_windows(tmp_path: Path) -> None:
    images = [{"id": 1, "file_name": "images\\train\\a.jpg"}]
    assert images_of(read_annotations(write(tmp_path, images=images, annotations=[on_image(1, 5)]))) == [
        "images/train/a.jpg"
    ]
