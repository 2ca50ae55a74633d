"""Keypoints <-> heatmaps."""

from typing import Any

import numpy as np
import pytest

from modelscope_handkp.errors import ConfigError
from modelscope_handkp.pose.codec import HeatmapCodec


@pytest.mark.parametrize(
    ("name", "sigma", "unbiased"),
    [("biased_sigma3", 3, False), ("biased_sigma2", 2, False), ("unbiased_sigma3", 3, True)],
)
def test_targets_are_easycvs(golden: Any, name: str, sigma: float, unbiased: bool) -> None:
    """golden/target.npz, 1e-6."""
    arrays = golden("target.npz")
    codec = HeatmapCodec(sigma=sigma, unbiased=unbiased)
    for i, (joints, visible) in enumerate(zip(arrays["joints"], arrays["visible"])):
        target, weight = codec.encode(joints, visible)
        np.testing.assert_allclose(target, arrays[f"{name}_target"][i], atol=1e-6)
        np.testing.assert_allclose(weight, arrays[f"{name}_weight"][i], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("argmax", {"post_process": None}),
        ("default", {"post_process": "default"}),
        ("dark11", {"kernel": 11}),
        ("dark17", {"kernel": 17}),
    ],
)
def test_decoding_is_easycvs(golden: Any, name: str, options: dict[str, Any]) -> None:
    """golden/decode.npz, 1e-3 px."""
    arrays = golden("decode.npz")
    decoded = HeatmapCodec(**options).decode(arrays["heatmaps"], arrays["center"], arrays["scale"])
    np.testing.assert_allclose(decoded, arrays[name], atol=1e-3)


@pytest.mark.parametrize(("image", "heatmap"), [((256, 256), (64, 64)), ((192, 256), (48, 64)), ((128, 128), (64, 64))])
@pytest.mark.parametrize(("unbiased", "tolerance"), [(True, 0.05), (False, 0.75)])
def test_round_trip(image: tuple[int, int], heatmap: tuple[int, int], unbiased: bool, tolerance: float) -> None:
    """What is encoded comes back: exact targets to a fraction of a heatmap pixel, rounded ones to 3/4 of one."""
    rng = np.random.default_rng(0)
    codec = HeatmapCodec(image, heatmap, sigma=2.0, unbiased=unbiased, kernel=3)
    joints = rng.uniform(0.2, 0.8, (21, 2)) * image
    target, weight = codec.encode(joints, np.ones((21, 3)))
    assert (weight == 1).all()
    center, scale = np.array(image) / 2, np.array(image) / 200  # the image is the crop
    decoded = codec.decode(target[None], center[None], scale[None])[0]
    stride = np.array(image) / heatmap
    assert np.abs((decoded[:, :2] - joints) / stride).max() < tolerance
    np.testing.assert_allclose(decoded[:, 2], target.max(axis=(1, 2)), rtol=1e-6)


def test_unseen_and_outside_joints_have_no_target() -> None:
    joints = np.array([[100, 100], [100, 100], [-500, 100], [100, 900]], float)
    target, weight = HeatmapCodec().encode(joints, np.array([[1], [0], [1], [1]]))
    assert weight.tolist() == [[1], [0], [0], [0]]
    assert target[0].max() == 1
    assert not target[1:].any()


@pytest.mark.parametrize("kernel", [11, 31])
def test_softmax_finds_the_peak_of_one_blob(kernel: int) -> None:
    """Wherever in the heatmap it lies, to a tenth of a heatmap pixel; the score is the heatmap's maximum."""
    rng = np.random.default_rng(0)
    joints = rng.uniform(20, 108, (21, 2))
    target, _ = HeatmapCodec((128, 128), (32, 32), sigma=1.5, unbiased=True).encode(joints, np.ones((21, 1)))
    codec = HeatmapCodec((128, 128), (32, 32), kernel=kernel, temperature=10.0)
    decoded = codec.decode(target[None], [[64, 64]], [[0.64, 0.64]])[0]
    np.testing.assert_allclose(decoded[:, :2], joints, atol=0.4)
    np.testing.assert_array_equal(decoded[:, 2], target.max(axis=(1, 2)))


def test_softmax_goes_where_most_of_the_probability_is() -> None:
    """One pixel is the highest, but many nearly as high lie together elsewhere; DARK alone stays at the first."""
    heatmaps = np.zeros((1, 1, 32, 32), np.float32)
    heatmaps[0, 0, 8, 6] = 1.0
    heatmaps[0, 0, 20:25, 20:25] = 0.9
    place = ([[16, 16]], [[0.16, 0.16]])  # a crop of 32 pixels at the image's corner
    apart = HeatmapCodec(kernel=11).decode(heatmaps, *place)[0, 0]
    together = HeatmapCodec(kernel=11, temperature=10.0).decode(heatmaps, *place)[0, 0]
    assert np.abs(apart[:2] - (6, 8)).max() < 1
    np.testing.assert_allclose(together, (22, 22, 1), atol=0.1)


@pytest.mark.parametrize(
    "options",
    [{"post_process": None}, {"post_process": "default"}, {"post_process": "unbiased"}, {"temperature": 10.0}],
)
def test_no_response_gives_the_easycv_mark(options: dict[str, Any]) -> None:
    """A heatmap without anything positive decodes as (-1, -1) of the heatmap, score not above 0."""
    decoded = HeatmapCodec(**options).decode(np.full((1, 21, 64, 64), -0.5), [[32, 32]], [[0.32, 0.32]])
    assert np.isfinite(decoded).all()
    np.testing.assert_allclose(decoded[0, :, :2], -1, atol=1e-5)
    assert (decoded[0, :, 2] == -0.5).all()


@pytest.mark.parametrize("temperature", [None, 10.0])
def test_peaks_at_the_border_stay_where_they_are(temperature: float | None) -> None:
    """DARK reads two pixels to each side; a neighbour half as high would move a peak that has them."""
    peaks = [(0, 0), (63, 63), (1, 30), (30, 1), (62, 30), (30, 62), (62, 62), (2, 30), (30, 61)]
    heatmaps = np.zeros((1, len(peaks), 64, 64), np.float32)
    for k, (x, y) in enumerate(peaks):
        heatmaps[0, k, y, x + 1 : x + 2] = heatmaps[0, k, y + 1 : y + 2, x] = 0.5
        heatmaps[0, k, y, x] = 1
    decoded = HeatmapCodec(kernel=3, temperature=temperature).decode(heatmaps, [[32, 32]], [[0.32, 0.32]])
    np.testing.assert_allclose(decoded[0, :7, :2], peaks[:7], atol=1e-5)
    assert (np.abs(decoded[0, 7:, :2] - peaks[7:]).max(axis=1) > 1e-3).all()


def test_targets_are_biased_unless_said_otherwise() -> None:
    """A keypoint between pixels has its peak of 1 on the nearest one."""
    target, _ = HeatmapCodec().encode([[101.0, 98.0]], [[1]])  # heatmap pixels 25.25, 24.5
    assert target[0, 25, 25] == 1
    assert HeatmapCodec(unbiased=True).encode([[101.0, 98.0]], [[1]])[0].max() < 1


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize(
    ("place", "seen"), [(-12.0, False), (-9.9, True), (72.4, True), (73.0, False), (30.0, True), (-40, False)]
)
def test_a_keypoint_counts_while_its_blob_reaches_the_heatmap(place: float, seen: bool, unbiased: bool) -> None:
    """Heatmap pixels; a blob reaches 9 of them, and EasyCV counts one more at the upper end."""
    codec = HeatmapCodec(unbiased=unbiased)
    for joint in ([place, 30], [30, place]):
        assert codec.encode(np.array([joint]) * 4, [[1]])[1].tolist() == [[float(seen)]]


def test_an_exact_blob_counts_by_its_exact_place() -> None:
    assert HeatmapCodec(unbiased=True).encode([[-42.0, 120.0]], [[1]])[1].tolist() == [[0]]  # heatmap pixel -10.5
    assert HeatmapCodec(unbiased=False).encode([[-42.0, 120.0]], [[1]])[1].tolist() == [[1]]  # pixel -10


def test_a_half_seen_keypoint_has_a_weight_but_no_blob() -> None:
    """Data sets give fractions; EasyCV draws from above a half."""
    target, weight = HeatmapCodec().encode([[100, 100]] * 3, [[0.4], [0.5], [0.6]])
    assert weight.ravel().tolist() == [np.float32(0.4), 0.5, np.float32(0.6)]
    assert target.any(axis=(1, 2)).tolist() == [False, False, True]


CORNER = ([[16, 16]], [[0.16, 0.16]])  # a crop of 32 pixels at the image's corner, as large as its heatmap


def test_dark_takes_nothing_for_ten_to_the_minus_ten() -> None:
    """As EasyCV: two pixels before the peak the blur is 0, of which there is no logarithm.

    OpenCV blurs by 1/4, 1/2, 1/4 to 0, 0.4, 1, 0.8, 0.2 of the maximum: the step is ln(2) / 2 by -ln(0.2e-10) / 4, and
    by -ln(0.2e-7) / 4 where the maximum is a thousandth.
    """
    heatmaps = np.zeros((1, 1, 32, 32), np.float32)
    heatmaps[0, 0, 16, 16:18] = 1, 0.5
    points = [HeatmapCodec(kernel=3).decode(heatmaps * size, *CORNER)[0, 0] for size in (1, 1e-3)]
    np.testing.assert_allclose([point[0] for point in points], [16.05627, 16.07820], atol=2e-4)
    np.testing.assert_allclose([point[1] for point in points], [16, 16], atol=1e-5)


def test_a_faint_heatmap_is_read_at_its_maximum() -> None:
    heatmaps = np.zeros((1, 1, 32, 32), np.float32)
    heatmaps[0, 0, 20, 10] = 1e-12
    np.testing.assert_allclose(HeatmapCodec().decode(heatmaps, *CORNER)[0, 0], [10, 20, 1e-12], rtol=1e-6)


def test_softmax_leaves_a_maximum_at_the_border_for_the_most_probability() -> None:
    heatmaps = np.zeros((1, 1, 32, 32), np.float32)
    heatmaps[0, 0, 8, 0] = 1.0
    heatmaps[0, 0, 20:25, 20:25] = 0.9
    decoded = HeatmapCodec(kernel=11, temperature=10.0).decode(heatmaps, *CORNER)[0, 0]
    np.testing.assert_allclose(decoded, (22, 22, 1), atol=0.1)


@pytest.mark.parametrize("temperature", [0.5, 1e3, 1e6])
def test_a_temperature_of_any_size_gives_a_place(temperature: float) -> None:
    target, _ = HeatmapCodec((32, 32), (32, 32), sigma=1.5, unbiased=True).encode([[20, 12]], [[1]])
    decoded = HeatmapCodec(kernel=3, temperature=temperature).decode(target[None], *CORNER)[0, 0]
    np.testing.assert_allclose(decoded, (20, 12, 1), atol=1e-3)


def test_a_quarter_shift_needs_a_neighbour_on_each_side() -> None:
    """48 x 64 heatmaps; the second highest pixel lies at the right and below."""
    peaks = [(30, 30), (46, 62), (47, 63), (47, 30), (30, 63), (1, 30), (30, 1), (2, 2), (0, 0), (46, 30), (30, 60)]
    heatmaps = np.zeros((1, len(peaks), 64, 48), np.float32)
    for k, (x, y) in enumerate(peaks):
        heatmaps[0, k, y, x + 1 : x + 2] = heatmaps[0, k, y + 1 : y + 2, x] = 0.5
        heatmaps[0, k, y, x] = 1
    decoded = HeatmapCodec((48, 64), (48, 64), post_process="default").decode(heatmaps, [[24, 32]], [[0.24, 0.32]])
    shifted = [1 < x < 47 and 1 < y < 63 for x, y in peaks]
    assert shifted == [True, True, False, False, False, False, False, True, False, True, True]
    np.testing.assert_allclose(decoded[0, :, :2] - peaks, [[0.25 * move] * 2 for move in shifted], atol=1e-5)


def test_options_up_to_their_limit_are_taken() -> None:
    HeatmapCodec((1024, 1024), (1, 1024), kernel=255, temperature=1e6, sigma=0.1)
    HeatmapCodec(np.array([8, 8]), [np.int64(8), 8], kernel=1, temperature=1)


def test_inputs_stay_as_they_were() -> None:
    rng = np.random.default_rng(0)
    arrays = [
        rng.random((2, 21, 64, 64)),
        rng.random((2, 2)),
        rng.random((2, 2)) + 1,
        rng.random((21, 3)),
        np.ones((21, 3)),
    ]
    for array in arrays:
        array.flags.writeable = False
    HeatmapCodec().decode(*arrays[:3])
    HeatmapCodec().encode(*arrays[3:])


def test_lists_are_decoded_like_arrays() -> None:
    heatmaps = np.random.default_rng(0).random((2, 3, 8, 8))
    codec, place = HeatmapCodec((32, 32), (8, 8), kernel=3), (np.full((2, 2), 16.0), np.full((2, 2), 0.16))
    decoded = codec.decode(heatmaps.tolist(), *(array.tolist() for array in place))
    np.testing.assert_array_equal(decoded, codec.decode(heatmaps.astype(np.float32), *place))
    assert decoded.dtype == np.float32


def test_no_crops() -> None:
    assert HeatmapCodec().decode(np.zeros((0, 21, 64, 64)), np.zeros((0, 2)), np.zeros((0, 2))).shape == (0, 21, 3)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"post_process": "megvii"}, "'megvii'"),
        ({"post_process": ["unbiased"]}, "unbiased"),
        ({"kernel": 10}, "10"),
        ({"kernel": 0}, "0"),
        ({"kernel": 257}, "257"),
        ({"kernel": -3}, "-3"),
        ({"kernel": "11"}, "'11'"),
        ({"kernel": 10**9 + 1}, "1000000001"),
        ({"temperature": 0}, "softmax_temperature.*0"),
        ({"temperature": "10"}, "'10'"),
        ({"temperature": float("nan")}, "softmax_temperature"),
        ({"temperature": 1e300}, "1e\\+300"),
        ({"sigma": 0}, "sigma"),
        ({"sigma": "3"}, "'3'"),
        ({"image_size": (10**9, 256)}, "image_size"),
        ({"image_size": (1024, 1025)}, "image_size"),
        ({"heatmap_size": (64, 64, 64)}, "heatmap_size"),
        ({"temperature": 1.1e6}, "softmax_temperature"),
        ({"sigma": float("nan")}, "sigma"),
        ({"sigma": -1}, "sigma"),
        ({"image_size": 256}, "image_size"),
        ({"image_size": [[1], 256]}, "image_size"),
        ({"heatmap_size": (64,)}, "heatmap_size"),
        ({"heatmap_size": ("64", 64)}, "heatmap_size"),
        ({"heatmap_size": None}, "heatmap_size"),
        ({"heatmap_size": (0, 64)}, "heatmap_size"),
    ],
)
def test_bad_options_are_named(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        HeatmapCodec(**options)
