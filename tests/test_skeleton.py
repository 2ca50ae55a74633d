"""The 21 keypoints."""

from modelscope_handkp.skeleton import FINGER_COLORS, KEYPOINT_COLORS, KEYPOINT_NAMES, LINK_COLORS, LINKS, NUM_KEYPOINTS


def test_names_are_coco_wholebodys() -> None:
    assert NUM_KEYPOINTS == len(set(KEYPOINT_NAMES)) == 21
    assert (KEYPOINT_NAMES[0], KEYPOINT_NAMES[4], KEYPOINT_NAMES[5], KEYPOINT_NAMES[20]) == (
        "wrist", "thumb4", "forefinger1", "pinky_finger4"
    )  # fmt: skip


def test_links_run_from_the_wrist_to_every_tip() -> None:
    assert len(LINKS) == len(LINK_COLORS) == 20
    assert LINKS[:5] == ((0, 1), (1, 2), (2, 3), (3, 4), (0, 5))
    assert sorted(end for _, end in LINKS) == list(range(1, 21))  # a tree: every keypoint but the wrist is reached once
    assert all(start in (0, end - 1) for start, end in LINKS)


def test_every_finger_has_its_colour() -> None:
    assert len(KEYPOINT_COLORS) == 21
    for (_, end), color in zip(LINKS, LINK_COLORS):
        assert color == KEYPOINT_COLORS[end] == FINGER_COLORS[(end - 1) // 4]
