"""Filtering annotated hands."""

import numpy as np

from modelscope_handkp.data.annotations import HandAnnotations


def test_filtering_keeps_each_hand_whole() -> None:
    hands = HandAnnotations(
        files=("a.png", "b.png"),
        file_index=np.array([0, 1, 1]),
        image_ids=np.array([7, 8, 8]),
        boxes_xywh=np.arange(12.0).reshape(3, 4),
        keypoints=np.arange(189, dtype=np.float32).reshape(3, 21, 3),
        is_left=np.array([True, False, True]),
    )
    kept = hands.only(np.array([False, True, True]))
    assert (len(hands), len(kept)) == (3, 2)
    assert kept.files == hands.files
    assert kept.file_index.tolist() == [1, 1]
    assert kept.image_ids.tolist() == [8, 8]
    assert kept.boxes_xywh.tolist() == [[4, 5, 6, 7], [8, 9, 10, 11]]
    np.testing.assert_array_equal(kept.keypoints, hands.keypoints[1:])
    assert kept.is_left.tolist() == [False, True]
