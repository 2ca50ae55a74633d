"""The model card's inference script; with --offline it uses the embedded model.

python examples/inference.py [IMAGE] [--offline]
"""

import argparse
from pathlib import Path

from modelscope.pipelines import pipeline
from modelscope.utils.constant import Tasks

import modelscope_handkp  # noqa: F401  registers the pipeline
from modelscope_handkp.model_dir.hub import EMBEDDED_MODEL_DIR

HOSTED_MODEL = "damo/cv_hrnetw18_hand-pose-keypoints_coco-wholebody"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", default=str(Path(__file__).parent / "hands.jpg"))
    parser.add_argument("--offline", action="store_true", help="use the embedded model and download nothing")
    arguments = parser.parse_args()

    model = str(EMBEDDED_MODEL_DIR) if arguments.offline else HOSTED_MODEL
    hand_keypoint = pipeline(Tasks.hand_2d_keypoints, model=model)
    result = hand_keypoint(arguments.image)
    for box, score, keypoints in zip(result["boxes"], result["scores"], result["keypoints"]):
        print(f"hand at {box.round().tolist()}, score {score:.2f}, wrist at {keypoints[0, :2].round(1).tolist()}")


if __name__ == "__main__":
    main()
