"""Reading annotation files of COCO's keypoint layout: an annotation is a hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelscope_handkp.data.annotations import HandAnnotations, read_annotations
from modelscope_handkp.errors import DatasetError
from modelscope_handkp.skeleton import KEYPOINT_NAMES

POINTS = [float(number) for number in range(63)]
MEDIAPIPE = ["WRIST", *(f"THUMB_{joint}" for joint in ("CMC", "MCP", "IP", "TIP")),
             *(f"{finger}_{joint}" for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
               for joint in ("MCP", "PIP", "DIP", "TIP"))]  # fmt: skip


def hand(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A hand on image 1."""
    return {"id": number, "image_id": 1, "category_id": 1, "bbox": [4, 6, 20, 10], "keypoints": POINTS, **changes}


def read(folder: Path, *hands: dict[str, Any], categories: Any = None) -> HandAnnotations:
    content = {"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": hands, "categories": categories or []}
    (folder / "a.json").write_text(json.dumps(content))
    return read_annotations(folder / "a.json")


def test_an_annotation_is_a_hand(tmp_path: Path) -> None:
    hands = read(tmp_path, hand(7, area=123.5), hand(8, bbox=[1, 2, 3, 4], category_id=2))
    assert hands.boxes_xywh.tolist() == [[4, 6, 20, 10], [1, 2, 3, 4]]
    np.testing.assert_array_equal(hands.keypoints[0].ravel(), POINTS)
    assert hands.areas.tolist() == [123.5, 12]
    assert hands.annotation_ids.tolist() == [7, 8] and hands.category_ids.tolist() == [1, 2]
    assert hands.is_left.tolist() == [-1, -1]


def test_crowds_empty_boxes_and_hands_without_a_mark_do_not_count(tmp_path: Path) -> None:
    unmarked = [5.0, 5.0, 0.0] * 21
    bad = (hand(1, iscrowd="1"), hand(2, bbox=[1, 1, 0, 9]), hand(3, keypoints=unmarked))
    assert read(tmp_path, *bad, hand(4)).annotation_ids.tolist() == [4]
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, *bad)
    for reason in ("1 have iscrowd", "1 have an empty box", "1 have no keypoint that is marked"):
        assert reason in str(caught.value)


def test_the_category_says_which_hand_it_is(tmp_path: Path) -> None:
    named = ["hand", "Left Hand", "right_hand", "左手", "右手", "left or right hand"]
    categories = [{"id": number, "name": name} for number, name in enumerate(named)]
    hands = read(tmp_path, *(hand(number, category_id=number) for number in range(6)), categories=categories)
    assert hands.is_left.tolist() == [-1, 1, 0, 1, 0, -1]


def test_predictions_of_this_package_say_it_themselves(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "left hand"}]
    assert read(tmp_path, hand(is_left=False), hand(2), categories=categories).is_left.tolist() == [0, 1]


def test_a_category_that_stands_for_both_hands(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "left hand"}, {"id": 1, "name": "right hand"}]
    with pytest.raises(DatasetError, match="category 1 cannot be used: its id stands for 'left hand', too"):
        read(tmp_path, hand(), categories=categories)


@pytest.mark.parametrize("names", [KEYPOINT_NAMES, MEDIAPIPE, [f"left_{name}" for name in KEYPOINT_NAMES]])
def test_the_category_gives_the_order_of_the_keypoints(tmp_path: Path, names: list[str]) -> None:
    order = np.random.default_rng(0).permutation(21)
    shuffled = [{"id": 1, "name": "hand", "keypoints": [names[place] for place in order]}, {"id": 2, "name": "hand"}]
    points = np.reshape(POINTS, (21, 3))[order].ravel().tolist()
    hands = read(tmp_path, hand(keypoints=points), hand(2, category_id=2), categories=shuffled)
    np.testing.assert_array_equal(hands.keypoints[0].ravel(), POINTS)
    np.testing.assert_array_equal(hands.keypoints[1].ravel(), POINTS)


def test_keypoint_names_that_are_not_known_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    unknown = [{"id": 1, "name": "hand", "keypoints": [f"p{number}" for number in range(21)]}]
    np.testing.assert_array_equal(read(tmp_path, hand(), categories=unknown).keypoints[0].ravel(), POINTS)
    assert "'hand' names its keypoints p0, p1" in caplog.text and "wrist, thumb, forefinger" in caplog.text
    caplog.clear()
    read(tmp_path, hand(), categories=[{"id": 1, "name": "person", "keypoints": ["nose"]}])
    assert not caplog.text


def test_an_order_that_is_understood_in_part_is_refused(tmp_path: Path) -> None:
    for names in (["wrist"] * 21, ["middle_knuckle", *KEYPOINT_NAMES[:20]]):
        with pytest.raises(
            DatasetError, match=r"category 1 cannot be used: the order of its keypoints, .* not understood"
        ):
            read(tmp_path, hand(), categories=[{"id": 1, "name": "hand", "keypoints": names}])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"keypoints": [1.0] * 64}, "'keypoints' must have 63 numbers, it has 64"),
        ({"bbox": None}, "'bbox' must be a list of 4 numbers, got None"),
        ({"keypoints": "x"}, "'keypoints' must be a list of 63 numbers, got 'x'"),
        ({"area": "big"}, "'area' must be a number .*, got 'big'"),
        ({"iscrowd": "some"}, "'iscrowd' must be true or false, got 'some'"),
        ({"is_left": "left"}, "'is_left' must be true or false, got 'left'"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(DatasetError, match=rf"a.json: annotation 9 cannot be used: {reason}"):
        read(tmp_path, hand(9, **changes))
    missing = hand(9)
    del missing["bbox"]
    with pytest.raises(DatasetError, match="annotation 9 cannot be used: it has no 'bbox'"):
        read(tmp_path, missing)


def test_keypoints_as_pairs_of_brackets_and_the_side_as_mmpose_writes_it(tmp_path: Path) -> None:
    nested = np.reshape(POINTS, (21, 3)).tolist()
    hands = read(tmp_path, hand(keypoints=nested, hand_type="left"), hand(2, hand_type="right"), hand(3, hand_type="?"))
    np.testing.assert_array_equal(hands.keypoints[0].ravel(), POINTS)
    assert hands.is_left.tolist() == [1, 0, -1]


def test_the_fingers_of_rhd_run_from_the_tip_to_the_palm(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    read(tmp_path, hand())
    path.write_text(json.dumps({"info": {"description": "RHD"}, **json.loads(path.read_text())}))
    keypoints = read_annotations(path).keypoints[0]
    expected = np.reshape(POINTS, (21, 3))[[0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17]]
    np.testing.assert_array_equal(keypoints, expected)


def test_hands_without_keypoints_and_other_bodies_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    others = [hand(1, keypoints=[]), hand(2, keypoints=None), hand(3, num_keypoints=0), hand(4, keypoints=[1.0] * 51)]
    assert read(tmp_path, *others, hand(5)).annotation_ids.tolist() == [5]
    assert "1 have another number of keypoints than a hand's 21" in caplog.text
    with pytest.raises(DatasetError, match="3 have no keypoint that is marked"):
        read(tmp_path, *others)


def test_what_is_written_where_nothing_is_marked_does_not_matter(tmp_path: Path) -> None:
    points = [1.0, 2.0, 2.0] * 20
    for nothing in ([float("nan"), float("nan"), 0], [None, None, 0], [None, None, None]):
        keypoints = read(tmp_path, hand(keypoints=points + nothing)).keypoints[0]
        assert keypoints[20].tolist() == [0, 0, 0] and keypoints[19].tolist() == [1, 2, 2]
    with pytest.raises(DatasetError, match="'keypoints' must have finite numbers"):
        read(tmp_path, hand(keypoints=[*points, float("nan"), 1, 1]))


def test_what_average_precision_ignores_is_kept_beside_the_hands(tmp_path: Path) -> None:
    crowd, unmarked = hand(2, iscrowd=1, area=7, category_id=3), hand(3, keypoints=[0.0] * 63, bbox=[1, 2, 3, 4])
    regions = read(tmp_path, hand(), crowd, unmarked).ignored[0]
    assert [(region.is_crowd, region.category_id, region.area) for region in regions] == [(True, 3, 7), (False, 1, 0)]
    assert regions[0].keypoints.ravel().tolist() == POINTS and regions[1].box_xywh.tolist() == [1, 2, 3, 4]


def test_words_that_only_contain_a_side(tmp_path: Path) -> None:
    named = ["bright hand", "upright", "Right-hand", "lefthand"]
    categories = [{"id": number, "name": name} for number, name in enumerate(named)]
    hands = read(tmp_path, *(hand(number, category_id=number) for number in range(4)), categories=categories)
    assert hands.is_left.tolist() == [-1, -1, 0, 1]


def test_a_category_that_is_not_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read(tmp_path, hand(category_id=9), categories=[{"id": 1, "name": "left hand"}])
    assert "1 hands have a category that the file does not list" in caplog.text


def test_both_layouts_in_one_file(tmp_path: Path) -> None:
    person = {"id": 3, "image_id": 1, "lefthand_valid": True, "lefthand_box": [1, 1, 5, 5], "lefthand_kpts": POINTS,
              "keypoints": [0] * 51, "bbox": [0, 0, 99, 99]}  # fmt: skip
    hands = read(tmp_path, hand(), person)
    assert hands.boxes_xywh.tolist() == [[4, 6, 20, 10], [1, 1, 5, 5]]
    assert hands.is_left.tolist() == [-1, 1]
