"""Arrays and tensors: which values are black and white, and where the channels are."""

from typing import Any

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.errors import InputError
from modelscope_handkp.sources.images import load_image
from modelscope_handkp.sources.pixels import from_array, from_tensor, is_batch, white_of_batch


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


RGB = np.ascontiguousarray(photo()[..., ::-1])
CHW = torch.from_numpy(RGB).permute(2, 0, 1)


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


@pytest.mark.parametrize("white", [255, 256, 1023, 4095])
@pytest.mark.parametrize("outliers", [0, 1, 40])
def test_what_cameras_store_in_sixteen_bits_is_not_read_as_black(white: int, outliers: int) -> None:
    image = np.rint(photo() / 255 * white).astype(np.uint16)
    image.reshape(-1)[5000 : 5000 + outliers] = 65_535
    for source in (image, image.astype(">u2"), np.dstack([image, np.full(image.shape[:2], 65_535, np.uint16)])):
        with pytest.raises(
            InputError, match=rf"{'nearly ' if outliers else ''}all at most.*black in 16 bits.*255 / white"
        ):
            load_image(source)


def test_sixteen_bits_that_are_a_little_dark_are_read() -> None:
    image = photo().astype(np.uint16) * 257
    np.testing.assert_array_equal(load_image(image // 8), np.rint(image // 8 / 257))


# --- a few outliers


@pytest.mark.parametrize("hot", [1.6, 4.0, 15.9])
@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("pixels", [1, 10])
def test_hot_pixels_are_clipped(white: int, hot: float, pixels: int) -> None:
    image, expected = photo().astype(np.float32) / 255 * white, photo()
    image[20, :pixels], expected[20, :pixels] = hot * white, 255
    np.testing.assert_array_equal(load_image(image), expected)
    np.testing.assert_array_equal(load_image(torch.from_numpy(image[..., ::-1].copy())), expected)
    image[21, 20], expected[21, 20] = -hot * white, 0
    np.testing.assert_array_equal(load_image(image), expected)


def test_a_hot_pixel_beside_a_small_hand_on_black_is_clipped() -> None:
    image, expected = np.zeros((200, 200), np.float32), np.zeros((200, 200), np.uint8)
    image[:15, :15] = np.linspace(0, 1, 225).reshape(15, 15)
    expected[:15, :15] = np.rint(image[:15, :15] * 255)
    image[50, 50], expected[50, 50] = 4.5, 255
    np.testing.assert_array_equal(load_image(image)[..., 0], expected)
    np.testing.assert_array_equal(load_image(image * 200)[..., 0], np.rint(np.clip(image * 200, 0, 255)))


def test_highlights_of_a_wide_dynamic_range_are_never_read_as_darkness() -> None:
    image = photo().astype(np.float32) / 255
    for rows in (1, 2, 4):
        image[-rows:] = np.linspace(2, 12, 64)[:, None]
        with pytest.raises(InputError, match=r"0\.\.1 or as 0\.\.255.*uint8"):
            load_image(image)


def test_a_bright_hand_before_a_black_background_with_noise_is_of_0_to_255() -> None:
    image = np.random.default_rng(0).uniform(0, 1.4, (100, 100)).astype(np.float32)
    image[:20, :20] = np.linspace(20, 250, 400).reshape(20, 20)
    np.testing.assert_array_equal(load_image(image)[..., 0], np.rint(image))
    image[:20, :20] = image[20:40, :20]
    image[0, 0] = 250
    with pytest.raises(InputError, match=r"0\.\.1 or as 0\.\.255.*uint8"):  # a hot pixel, or a dark image
        load_image(image)


def test_alpha_says_nothing_of_colours() -> None:
    opaque = np.full(photo().shape[:2], 1, np.float32)
    image = photo().astype(np.float32) / 255
    image[20, 20] = 4.0
    assert load_image(np.dstack([image, opaque])).mean() > 100
    with pytest.raises(InputError, match="alpha"):
        load_image(np.dstack([photo().astype(np.float32) / 255, opaque * 255]))
    assert load_image(np.dstack([np.zeros_like(image), opaque * 255])).max() == 0
    assert load_image(np.dstack([np.ones_like(image), opaque * 255])).max() == 1


# --- batches: one range


def test_images_of_a_batch_have_one_range() -> None:
    batch = np.stack([photo().astype(np.float32), photo() * np.float32(1.4 / 255)])
    assert white_of_batch(batch) == white_of_batch(torch.from_numpy(batch).permute(0, 3, 1, 2)) == 255
    assert white_of_batch(batch / 255) == 1
    np.testing.assert_array_equal(from_array(batch[1], 255), np.rint(batch[1]))
    np.testing.assert_array_equal(
        from_tensor(torch.from_numpy(batch[1]).permute(2, 0, 1), 255), np.rint(batch[1])[..., ::-1]
    )
    wide = np.stack([photo().astype(np.uint16) * 257, photo().astype(np.uint16)])
    assert white_of_batch(wide) == 65_535
    with pytest.raises(InputError, match="black in 16 bits"):
        white_of_batch(wide[1:])


def test_an_image_with_nan_says_nothing_of_the_others() -> None:
    batch = np.stack([photo().astype(np.float32), photo() * np.float32(1e9)])
    batch[1, 0, 0] = np.nan
    assert white_of_batch(batch) == 255
    with pytest.raises(InputError, match="NaN"):
        from_array(batch[1], 255)


@pytest.mark.parametrize(
    "batch",
    [[photo()], photo(), photo()[None], CHW[None], np.zeros((0, 4, 4, 3)), np.zeros((1, 2, 2, 3), bool), "a.png"],
)
def test_what_is_read_image_by_image_has_no_common_range(batch: Any) -> None:
    assert white_of_batch(batch) is None


def test_a_mask_says_what_to_pass() -> None:
    mask = photo()[..., 0] > 100
    with pytest.raises(InputError, match=r"not bool.*array \* numpy.uint8\(255\)"):
        load_image(mask)
    assert set(np.unique(load_image(mask * np.uint8(255)))) == {0, 255}


# --- channels


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
