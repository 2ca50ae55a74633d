"""A seed gives the same images in every version, so that trainings and measurements can be repeated.

seeds.npz holds what the renderer made: the means of blocks of 8 x 8 pixels, keypoints, boxes and the mean angles of
each pose. After a change that is
meant to alter images, `python tests/synthetic/test_seeds.py` records them anew.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from modelscope_handkp.synthetic import HARD, Level, Rng, render_batch, render_crops, to_bgr
from modelscope_handkp.synthetic.poses import sample_angles

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


def pose_angles() -> np.ndarray:
    """Mean flexion of the fingers and angles of the thumb, degrees, of each pose: (poses, 16)."""
    angles, pose = sample_angles(Rng(13), 4000, 0.0)
    columns = torch.cat([angles.flex.flatten(1), angles.thumb], 1)
    return torch.stack([columns[pose == index].mean(0) for index in pose.unique()]).numpy()


@pytest.mark.parametrize("name", LEVELS)
def test_seeds_give_the_images_that_they_gave(name: str) -> None:
    """To half a grey level of a block: processors round differently."""
    with np.load(FILE) as recorded:
        for what, values in rendered(name):
            assert values.shape == recorded[what].shape, what
            np.testing.assert_allclose(values, recorded[what], atol=0.5 if "blocks" in what else 0.02, err_msg=what)


def test_poses_have_the_angles_that_they_had() -> None:
    with np.load(FILE) as recorded:
        np.testing.assert_allclose(pose_angles(), recorded["pose_angles"], atol=0.02)


if __name__ == "__main__":
    images = {what: values for name in LEVELS for what, values in rendered(name)}
    np.savez_compressed(FILE, pose_angles=pose_angles(), **images)
