"""Find the hands of a whole set of images or videos on a Ray cluster, and look at what was found.

python examples/batch.py images/ out/                          # a folder of images
python examples/batch.py robot_set/videos out/ --track         # videos, as a LeRobot data set has them: hands have ids
python examples/batch.py s3://bucket/set s3://bucket/out       # an object store; keys are in the environment

A run that was stopped is resumed by the same command. docs/batch.md says more.
"""

import argparse
from collections import Counter

from modelscope_handkp.batch import run_batch
from modelscope_handkp.results import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="a folder, a pattern, a list of paths, or Parquet files")
    parser.add_argument("output", help="the folder of the result")
    parser.add_argument("--address", help="of a Ray cluster, such as auto (default: one of this machine)")
    parser.add_argument("--track", action="store_true", help="follow the hands of videos")
    arguments = parser.parse_args()

    summary = run_batch(
        arguments.source,
        arguments.output,
        arguments.address,
        track=arguments.track,
        resume=True,
        tta="none",  # the fast one
    )
    print(f"{summary.images} images and frames, {summary.errors} of them could not be read")
    print("\n".join(summary.first_errors))
    if "://" not in arguments.output:
        hands = Counter(len(record.hands) for record in read(arguments.output) if record.hands is not None)
        for number, images in sorted(hands.items()):
            print(f"{images} with {number} hands")


if __name__ == "__main__":
    main()
