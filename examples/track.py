"""Follow the hands of a video and print where the forefinger of each one goes.

python examples/track.py VIDEO [--fast]
"""

import argparse

from modelscope_handkp import HandEstimator, HandTracker


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", help="a video file, a folder of frames or a URL")
    parser.add_argument("--fast", action="store_true", help="one view of each crop, in the fastest engine installed")
    arguments = parser.parse_args()

    setting = {"tta": "none", "engine": "auto"} if arguments.fast else {}
    tracker = HandTracker(HandEstimator.from_pretrained(**setting))
    for frame in tracker.stream(arguments.video):
        for hand in frame.hands:
            x, y, score = hand["forefinger4"]
            print(f"{frame.time:8.3f} s  hand {hand.id}  forefinger at {x:.1f}, {y:.1f}  score {score:.2f}")


if __name__ == "__main__":
    main()
