"""The hands before a camera, drawn in a window as they move; q ends it.

python examples/webcam.py [CAMERA]
"""

import argparse

import cv2

from modelscope_handkp import HandEstimator, HandTracker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camera", type=int, nargs="?", default=0, help="its number (default: 0)")
    arguments = parser.parse_args()

    tracker = HandTracker(HandEstimator.from_pretrained(tta="none", engine="auto"))
    for frame in tracker.stream(arguments.camera):
        cv2.imshow("hands", cv2.flip(frame.hands.draw(frame.image), 1))  # as in a mirror
        if cv2.waitKey(1) & 0xFF == ord("q"):
            break


if __name__ == "__main__":
    main()
