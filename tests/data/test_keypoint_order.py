"""The order of an annotation file's keypoints, from their names."""

from modelscope_handkp.data.keypoint_order import are_known, keypoint_order
from modelscope_handkp.skeleton import FINGERS, KEYPOINT_NAMES

MEDIAPIPE = ["WRIST", *(f"THUMB_{joint}" for joint in ("CMC", "MCP", "IP", "TIP")),
             *(f"{finger}_{joint}" for finger in ("INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY")
               for joint in ("MCP", "PIP", "DIP", "TIP"))]  # fmt: skip


def test_orders_that_are_known() -> None:
    assert keypoint_order(KEYPOINT_NAMES) == keypoint_order(MEDIAPIPE) == tuple(range(21))
    tips_first = [f"{finger}_{joint}" for finger in ("thumb", "index", "middle", "ring", "little") for joint in "4321"]
    assert keypoint_order([*tips_first, "hand_root"]) == (20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12,
                                                          19, 18, 17, 16)  # fmt: skip
    first_three = (0, 4, 3)
    for names in (
        ["r_wrist", *(f"r_{finger}{joint}" for finger in FINGERS for joint in "4321")],
        ["Wrist", *(f"{finger}-{joint}" for finger in FINGERS for joint in ("TIP", "DIP", "PIP", "MCP"))],
        ["wrist", *(f"{finger}_{joint}" for finger in FINGERS for joint in "3210")],
    ):
        assert keypoint_order(names)[:3] == first_three and keypoint_order(names)[-1] == 17
    assert keypoint_order(sorted(map(str, range(21))))[:4] == (0, 1, 12, 14)
    assert keypoint_order([str(number) for number in range(1, 22)]) == tuple(range(21))
    assert keypoint_order([*KEYPOINT_NAMES[:20], "pinky_finger5"]) == tuple(range(21))


def test_numbers_say_nothing_of_what_they_are() -> None:
    assert are_known(["p1", "wrist"]) and not are_known(["1", "p2", "nose", "finger_tip"])
