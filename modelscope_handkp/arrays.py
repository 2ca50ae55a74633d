"""The array types that every room speaks of."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Image = NDArray[np.uint8]  # (H, W, 3) BGR wherever nothing else is said, as OpenCV and ModelScope have it
