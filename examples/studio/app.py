"""The page of a ModelScope Studio: hand keypoints and gestures with the embedded model.

MODELS, a variable of the Studio's settings, adds model directories or hub ids, separated by spaces.
"""

import os
import sys

from modelscope_handkp.app import Models, serve
from modelscope_handkp.errors import HandkpError

if __name__ == "__main__":
    try:
        serve(Models(os.environ.get("MODELS", "").split()), host="0.0.0.0")
    except HandkpError as error:
        sys.exit(f"The page cannot begin: {error}")
