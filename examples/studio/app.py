"""The page of a ModelScope Studio: hand keypoints and gestures with the embedded model.

MODELS, a variable of the Studio's settings, adds model directories or hub ids, separated by spaces.
"""

import os

from modelscope_handkp.app import Models, serve

if __name__ == "__main__":
    serve(Models(os.environ.get("MODELS", "").split()), host="0.0.0.0")
