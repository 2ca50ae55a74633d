"""A seed gives the same images in every version, so that trainings and measurements can be repeated.

seeds.npz holds what the renderer made: the means of blocks of 8 x 8 pixels, keypoints and boxes. After a change that is
meant to alter images, `python tests/synthetic/test_seeds.py` records them anew.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from modelscope_handkp.synthetic import HARD, Level, Rng, render_batch, render_crops, to_bgr

FILE = Path(__file__).with_name("seeds.npz")
FULL = replace(HARD, name="full", held=1.0, occlusion=0.6)
LEVELS: dict[str, str | Level] = {"easy": "easy", "medium": "medium", "hard": "hard", "full": FULL}
BLOCK = 8


def rendered(name: str) -> Iterator[tuple[str, np.ndarray]]:
    """(what, array) of six images and of six crops of a level."""
    with torch.no_grad():
        whole = render_batch(Rng(11), [0, 1, 2, 1, 1, 3], (96, 72), LEVELS[name])
        crops = render_crops(Rng(12), 6, 64, LEVELS[name])
    for kind, result in (("whole", whole), ("crops", crops)):
        images = to_bgr(result.images).astype(np.float32)
        count, height, width, _ = images.shape
        blocks = images.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK, 3).mean((2, 4))
        yield f"{name}_{kind}_blocks", blocks
        yield f"{name}_{kind}_keypoints", result.keypoints.numpy()
        yield f"{name}_{kind}_boxes", result.boxes.numpy()


@pytest.mark.parametrize("name", LEVELS)
def test_seeds_give_the_images_that_they_gave(name: str) -> None:
    """To half a grey level of a block: processors round differently."""
    with np.load(FILE) as recorded:
        for what, values in rendered(name):
            assert values.shape == recorded[what].shape, what
            np.testing.assert_allclose(values, recorded[what], atol=0.5 if "blocks" in what else 0.02, err_msg=what)


if __name__ == "__main__":
    np.savez_compressed(FILE, **{what: values for name in LEVELS for what, values in rendered(name)})
