"""Arrays and tensors: which values are black and white, and where the channels are."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.errors import InputError
from modelscope_handkp.sources.images import load_image
from modelscope_handkp.sources.pixels import is_batch


def photo(height: int = 48, width: int = 64) -> np.ndarray:
    """(H, W, 3) uint8 BGR with black, white and edges."""
    small = np.random.default_rng(3).integers(0, 256, (6, 8, 3), np.uint8)
    image = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    image[:8, :8], image[:8, 8:16] = 0, 255
    return image


def enlarged(image: np.ndarray, interpolation: int = cv2.INTER_CUBIC) -> np.ndarray:
    return cv2.resize(image, None, fx=2.7, fy=2.7, interpolation=interpolation)


def clipped(image: np.ndarray) -> np.ndarray:
    """Values for 0..255 -> as a display shows them."""
    return np.clip(np.rint(image), 0, 255)


def assert_like(read: np.ndarray, expected: np.ndarray) -> None:
    assert read.dtype == np.uint8
    assert np.abs(read.astype(float) - expected).max() <= 1


# --- floats: 0..1 or 0..255, a little beyond or not


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
@pytest.mark.parametrize("white", [1, 255])
def test_floats_of_either_range_are_the_image(white: int, dtype: Any) -> None:
    image = (photo().astype(np.float64) / 255 * white).astype(dtype)
    np.testing.assert_array_equal(load_image(image), photo())


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("interpolation", [cv2.INTER_CUBIC, cv2.INTER_LANCZOS4])
def test_interpolation_beyond_black_and_white_does_not_matter(white: int, interpolation: int) -> None:
    image = enlarged(photo().astype(np.float32), interpolation)
    assert image.min() < -10 and image.max() > 265
    assert_like(load_image(image / 255 * white), clipped(image))


@pytest.mark.parametrize("white", [1, 255])
def test_noise_that_was_enlarged_is_read(white: int) -> None:
    """Black and white pixels at random: nothing overshoots more."""
    noise = np.random.default_rng(0).integers(0, 2, (60, 60)).astype(np.float32) * 255
    image = enlarged(noise)
    assert image.min() < -90
    assert_like(load_image(image / 255 * white)[..., 0], clipped(image))


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("factor", [0.95, 1.0000001, 1.05, 1.2, 1.49])
def test_brightness_is_clipped(white: int, factor: float) -> None:
    image = photo().astype(np.float64) * factor
    assert_like(load_image(image / 255 * white), clipped(image))


@pytest.mark.parametrize("white", [1, 255])
def test_one_value_above_white_or_below_black_by_rounding_changes_nothing(white: int) -> None:
    image = photo().astype(np.float32) / 255 * white
    image[20, 20], image[30, 30] = np.nextafter(np.float32(white), np.float32(np.inf)), -1e-6
    expected = photo()
    expected[20, 20], expected[30, 30] = 255, 0
    np.testing.assert_array_equal(load_image(image), expected)


@pytest.mark.parametrize("peak", [2, 3, 5, 20])
def test_dark_images_of_0_to_255_stay_dark(peak: int) -> None:
    image = (photo() // (256 // (peak + 1))).clip(0, peak)
    assert image.max() == peak
    np.testing.assert_array_equal(load_image(image.astype(np.float32)), image)


def test_dark_images_with_fractions_are_read_where_no_brightness_of_0_to_1_explains_them() -> None:
    assert load_image(photo() * np.float32(0.02)).max() == 5
    for factor in (0.008, 0.0155):
        with pytest.raises(InputError, match=r"0\.\.1 or as 0\.\.255.*uint8"):
            load_image(photo() * np.float32(factor))


@pytest.mark.parametrize("value", [0, 1, 0.5])
def test_one_colour_up_to_1_is_of_0_to_1(value: float) -> None:
    assert (load_image(np.full((2, 3, 3), value, np.float32)) == round(value * 255)).all()


def normalised(image: np.ndarray, mean: Any, deviation: Any) -> np.ndarray:
    return ((image / 255 - mean) / deviation).astype(np.float32)


@pytest.mark.parametrize(
    "image",
    [
        normalised(photo(), 0.5, 0.5),
        normalised(photo() // 4 + 96, 0.5, 0.5),  # of little contrast
        normalised(photo(), [0.406, 0.456, 0.485], [0.225, 0.224, 0.229]),
        photo().astype(np.float32) - [104, 117, 123],
        photo().astype(np.float32) - 128,
    ],
)
def test_normalised_images_are_named(image: np.ndarray) -> None:
    for source in (image, torch.from_numpy(image).permute(2, 0, 1)):
        with pytest.raises(InputError, match="normalised"):
            load_image(source)


@pytest.mark.parametrize("top", [2.5, 390, 1023, 65535, 1e30])
def test_other_ranges_are_named(top: float) -> None:
    with pytest.raises(InputError, match=r"0\.\.1"):
        load_image(photo().astype(np.float64) / 255 * top)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_single_nan_or_infinity_is_named(value: float, dtype: Any) -> None:
    image = (photo() / 255).astype(dtype)
    image[3, 3, 1] = value
    with pytest.raises(InputError, match="NaN and infinity"):
        load_image(image)


def test_alpha_and_colours_are_of_one_range() -> None:
    bgra = np.dstack([photo(), np.full(photo().shape[:2], 255, np.uint8)]).astype(np.float32)
    np.testing.assert_array_equal(load_image(bgra), photo())
    np.testing.assert_array_equal(load_image(bgra / 255), photo())
    bgra[..., 3] = 1
    with pytest.raises(InputError, match="alpha"):
        load_image(bgra)


# --- integers


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64, np.uint32, np.uint64, ">i4"])
def test_wider_integers_are_0_to_255(dtype: Any) -> None:
    image = photo() // 2
    np.testing.assert_array_equal(load_image(image.astype(dtype)), image)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint32])
def test_integers_above_255_are_named(dtype: Any) -> None:
    with pytest.raises(InputError, match=r"65535.*uint16"):
        load_image(photo().astype(dtype) * 257)


def test_eight_bits_in_sixteen_are_not_read_as_black() -> None:
    with pytest.raises(InputError, match=r"black in 16 bits.*uint8"):
        load_image(photo().astype(np.uint16))
    np.testing.assert_array_equal(load_image(photo().astype(np.uint16) * 257), photo())
    assert load_image(np.zeros((2, 2), np.uint16)).max() == 0
    assert load_image(np.array([[0, 256]], np.uint16)).max() == 1


def test_a_mask_says_what_to_pass() -> None:
    mask = photo()[..., 0] > 100
    with pytest.raises(InputError, match=r"not bool.*array \* numpy.uint8\(255\)"):
        load_image(mask)
    assert set(np.unique(load_image(mask * np.uint8(255)))) == {0, 255}


# --- channels


RGB = np.ascontiguousarray(photo()[..., ::-1])
CHW = torch.from_numpy(RGB).permute(2, 0, 1)


@pytest.mark.parametrize(
    "tensor",
    [
        CHW,
        CHW.contiguous(),
        CHW.permute(1, 2, 0),
        CHW.float() / 255,
        CHW.float(),
        CHW.bfloat16(),
        CHW.half() / 255,
        CHW.double(),
        CHW.long(),
        (CHW.float() / 255).requires_grad_(),
        torch.cat([CHW, torch.full((1, 48, 64), 255, dtype=torch.uint8)]),
        CHW[None].contiguous(memory_format=torch.channels_last)[0],
    ],
)
def test_tensors_are_rgb_with_the_channels_first_or_last(tensor: torch.Tensor) -> None:
    before = tensor.detach().clone()
    read = load_image(tensor)
    assert read.flags.c_contiguous
    np.testing.assert_array_equal(read, photo())
    assert torch.equal(tensor.detach(), before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_tensors_on_a_gpu() -> None:
    np.testing.assert_array_equal(load_image((CHW.cuda().float() / 255).requires_grad_()), photo())


def test_gray_tensors_and_transparent_ones() -> None:
    gray = photo()[..., 0]
    for tensor in (torch.from_numpy(gray), torch.from_numpy(gray)[None], torch.from_numpy(gray)[..., None]):
        np.testing.assert_array_equal(load_image(tensor), gray[..., None].repeat(3, 2))
    clear = torch.cat([CHW, torch.zeros(1, 48, 64, dtype=torch.uint8)])
    assert load_image(clear).min() == 255


def test_reading_never_shares_a_tensors_memory() -> None:
    tensor = torch.from_numpy(RGB.copy())
    load_image(tensor)[:] = 7
    assert (tensor.numpy() == RGB).all()


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (photo().transpose(2, 0, 1), r"\(3, 48, 64\).*transpose\(1, 2, 0\).*torch\.from_numpy"),
        (photo()[None, ..., 0], r"\(1, 48, 64\).*transpose"),
        (np.zeros((5, 48, 64), np.uint8), r"\(5, 48, 64\).*list\(array\)"),
        (photo()[None], r"\(1, 48, 64, 3\).*a batch goes to"),
        (CHW[None], r"\(1, 3, 48, 64\).*a batch goes to"),
        (torch.zeros(5, 48, 64), r"\(5, 48, 64\).*\(N, 1, H, W\)"),
        (torch.zeros(0, 48, 3), "empty"),
        (torch.zeros(48), r"\(48,\)"),
        (torch.tensor(5.0), r"\(\)"),
        (torch.zeros(2, 2, dtype=torch.complex64), "complex64"),
        (torch.zeros(2, 2, dtype=torch.bool), "bool"),
        (torch.zeros(3, 4, 4).to_sparse(), "tensor"),
        (torch.zeros(3, 4, 4, device="meta"), "tensor"),
        (torch.full((3, 4, 4), float("nan")), "NaN"),
        (torch.zeros(1, 1, 1).expand(3, 40_000, 40_000), "80000000"),
    ],
)
def test_other_layouts_say_what_to_pass(source: Any, named: str) -> None:
    with pytest.raises(InputError, match=named):
        load_image(source)


def test_a_stated_size_holds_for_tensors() -> None:
    np.testing.assert_array_equal(load_image(CHW, (64, 48)), photo())
    with pytest.raises(InputError, match="64 x 48 pixels, but 48 x 64"):
        load_image(CHW, (48, 64))


def test_four_dimensions_lists_and_tuples_are_batches() -> None:
    for batch in ([], (), [photo()], photo()[None], CHW[None]):
        assert is_batch(batch)
    for one in (photo(), CHW, "a.png", b"", iter([]), None, photo()[None, None]):
        assert not is_batch(one)
