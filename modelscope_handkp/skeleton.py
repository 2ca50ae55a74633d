"""The 21 keypoints of a hand, in COCO-WholeBody order: names, links and colours."""

from itertools import pairwise

FINGERS = ("thumb", "forefinger", "middle_finger", "ring_finger", "pinky_finger")
JOINTS_PER_FINGER = 4  # from the palm to the tip

KEYPOINT_NAMES: tuple[str, ...] = (
    "wrist",
    *(f"{finger}{joint}" for finger in FINGERS for joint in range(1, JOINTS_PER_FINGER + 1)),
)
NUM_KEYPOINTS = len(KEYPOINT_NAMES)

# BGR, one colour a finger.
FINGER_COLORS: tuple[tuple[int, int, int], ...] = (
    (0, 128, 255),
    (255, 153, 255),
    (255, 178, 102),
    (51, 51, 255),
    (0, 255, 0),
)
WRIST_COLOR = (255, 255, 255)


def _finger_links(finger: int) -> list[tuple[int, int]]:
    first = 1 + finger * JOINTS_PER_FINGER
    chain = [0, *range(first, first + JOINTS_PER_FINGER)]
    return list(pairwise(chain))


# (start, end) keypoint indices: wrist to fingertip, finger by finger.
LINKS: tuple[tuple[int, int], ...] = tuple(link for finger in range(len(FINGERS)) for link in _finger_links(finger))
LINK_COLORS = tuple(color for color in FINGER_COLORS for _ in range(JOINTS_PER_FINGER))
KEYPOINT_COLORS = (WRIST_COLOR, *LINK_COLORS)
