"""Boxes of an image -> crops as the network takes them."""

import numpy as np
import pytest

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.pose.crop import Cropper, to_rgb

AFFINE = [{"type": "TopDownAffine"}]
TO_TENSOR = [*AFFINE, {"type": "MMToTensor"}]


def test_a_crop_shows_its_box_with_a_quarter_of_it_around() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[30:70, 110:150] = (10, 20, 30)  # the box
    crop = Cropper((50, 50), AFFINE)(image, np.array([110, 30, 150, 70], np.float32))
    assert crop.center.tolist() == [130, 50]
    np.testing.assert_allclose(crop.scale * 200, [50, 50], rtol=1e-6)
    inside = np.all(crop.input == (10, 20, 30), axis=-1)
    assert inside[6:44, 6:44].all()  # 5 of the crop's 50 pixels on each side are around the box
    assert not inside[:4].any() and not inside[:, :4].any() and not inside[47:].any() and not inside[:, 47:].any()


@pytest.mark.parametrize(("image_size", "sides"), [((48, 64), (75, 100)), ((64, 48), (100, 75)), ((64, 32), (100, 50))])
def test_the_crop_has_the_inputs_ratio(image_size: tuple[int, int], sides: tuple[int, int]) -> None:
    """Sides of the crop in image pixels, a quarter more than those of a box of 80 px or less."""
    width, height = (side / 1.25 for side in sides)
    image = np.zeros((200, 200, 3), np.uint8)
    for box in ([50, 60, 50 + width, 60 + height], [50, 60, 50 + width, 61], [50, 60, 51, 60 + height]):
        crop = Cropper(image_size, TO_TENSOR)(image, np.array(box, np.float32))
        np.testing.assert_allclose(crop.scale * 200, sides, rtol=1e-5)
        assert crop.input.shape == (3, image_size[1], image_size[0])


def test_a_crop_of_the_size_of_its_surroundings_is_a_piece_of_the_image() -> None:
    """A box of 80 px in a crop of 100 pixels: nothing is scaled or rotated."""
    image = np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8)
    crop = Cropper((100, 100), AFFINE)(image, np.array([110, 40, 190, 120], np.float32))
    np.testing.assert_array_equal(crop.input, image[30:130, 100:200])


def test_the_colours_are_those_of_the_image_in_their_order() -> None:
    image = np.full((20, 20, 3), (255, 51, 0), np.uint8)
    crop = Cropper((8, 8), TO_TENSOR)(image, np.array([4, 4, 12, 12], np.float32))
    np.testing.assert_allclose(crop.input[:, 4, 4], [1, 0.2, 0], atol=1e-6)


def test_transforms_of_a_configuration_may_keep_what_easycvs_sample_has() -> None:
    collect = {"type": "PoseCollect", "keys": ["img"], "meta_keys": ["image_file", "image_id", "bbox_id",
               "center", "scale", "rotation", "flip_pairs"]}  # fmt: skip
    crop = Cropper((8, 8), [*TO_TENSOR, collect])(np.zeros((9, 9, 3), np.uint8), np.array([0, 0, 9, 9], np.float32))
    assert crop.input.shape == (3, 8, 8)


def test_an_unknown_transform_is_named() -> None:
    with pytest.raises(ConfigError, match="Mosaic"):
        Cropper((8, 8), [{"type": "Mosaic"}])


def test_bgr_becomes_rgb_in_new_memory() -> None:
    image = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    rgb = to_rgb(image)
    np.testing.assert_array_equal(rgb, image[..., [2, 1, 0]])
    assert not np.shares_memory(rgb, image)
    assert to_rgb(image[:, ::-1])[0, 0].tolist() == [11, 10, 9]
