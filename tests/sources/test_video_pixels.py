"""Frames are upright, of 8 bits and of the right colours, whatever the file holds."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed")
import av
from video_files import number_of, numbered, write_video

from modelscope_handkp.sources.video import open_video

UNIT = 1 << 16


def scene(size: tuple[int, int] = (96, 64)) -> np.ndarray:
    """(H, W, 3) uint8 BGR: four quarters of colours, each edge another."""
    width, height = size
    image = np.empty((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = 40, 60, 220
    image[: height // 2, width // 2 :] = 60, 200, 50
    image[height // 2 :, : width // 2] = 210, 70, 40
    image[height // 2 :, width // 2 :] = 128, 128, 128
    return image


def read_one(path: Path) -> np.ndarray:
    return next(open_video(path)).image


def assert_like(read: np.ndarray, expected: np.ndarray, tolerance: float = 6) -> None:
    assert read.shape == expected.shape
    assert np.median(np.abs(read.astype(int) - expected).max(axis=2)) <= tolerance
    assert np.abs(read.astype(int) - expected).mean() <= tolerance


# --- rotation


@pytest.mark.parametrize(
    ("matrix", "as_shown"),
    [
        ((1, 0, 0, 1), lambda image: image),
        ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),  # as phones write upright videos: 90 degrees clockwise
        ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
        ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
        ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
        ((1, 0, 0, -1), lambda image: image[::-1]),
        ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
        ((0, -1, -1, 0), lambda image: np.rot90(image, 2).transpose(1, 0, 2)),
        ((0.94, 0.34, -0.34, 0.94), lambda image: image),  # 20 degrees: nearest to none
        ((0.34, 0.94, -0.94, 0.34), lambda image: np.rot90(image, -1)),  # 70 degrees
        ((0, 0, 0, 0), lambda image: image),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_frames_are_upright(
    tmp_path: Path, suffix: str, matrix: tuple[float, ...], as_shown: Callable[[np.ndarray], np.ndarray]
) -> None:
    path = write_video(tmp_path / f"a{suffix}", images=[scene()] * 3, size=(96, 64))
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(value * UNIT) for value in matrix)
    assert struct.unpack_from(">9i", content, place) == (UNIT, 0, 0, 0, UNIT, 0, 0, 0, UNIT << 14)
    struct.pack_into(">5i", content, place, a, b, 0, c, d)
    path.write_bytes(content)
    expected = as_shown(scene())
    with open_video(path) as video:
        assert video.size == expected.shape[1::-1]
        for frame in video:
            assert frame.image.flags.c_contiguous
            assert_like(frame.image, expected)


@pytest.mark.parametrize(("angle", "turns"), [(0, 0), (90, 1), (180, 2), (-90, -1)])
def test_a_rotation_is_applied_as_opencv_applies_it(tmp_path: Path, angle: int, turns: int) -> None:
    path = write_video(tmp_path / "a.mp4", images=[scene()] * 3, size=(96, 64), rotation=(angle,))
    assert_like(read_one(path), np.rot90(scene(), turns))
    capture = cv2.VideoCapture(str(path))
    is_read, image = capture.read()
    assert is_read
    assert_like(image, np.rot90(scene(), turns))


def test_a_rotation_of_matroska_is_applied(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", images=[scene()] * 3, size=(96, 64), rotation=(90,))
    assert_like(read_one(path), np.rot90(scene(), 1))


# --- colours


@pytest.mark.parametrize(
    ("codec", "pixels", "suffix"),
    [
        ("libx264", "yuv420p", ".mp4"),
        ("libx264", "yuv422p", ".mp4"),
        ("libx264", "yuv444p", ".mp4"),
        ("libx264", "yuvj420p", ".mp4"),
        ("libx264", "yuv420p10le", ".mp4"),
        ("libx264", "nv12", ".mp4"),
        ("libx264rgb", "rgb24", ".mkv"),
        ("libx265", "yuv420p10le", ".mp4"),
        ("libx265", "yuv420p12le", ".mkv"),
        ("ffv1", "bgra", ".mkv"),
        ("ffv1", "yuva444p", ".mkv"),
        ("ffv1", "yuv444p16le", ".mkv"),
        ("ffv1", "gbrp14le", ".mkv"),
        ("ffv1", "rgb48le", ".mkv"),
        ("libvpx-vp9", "yuva420p", ".webm"),
        ("prores_ks", "yuv422p10le", ".mov"),
        ("mjpeg", "yuvj422p", ".avi"),
        ("rawvideo", "bgr24", ".avi"),
        ("rawvideo", "uyvy422", ".mov"),
        ("png", "rgba", ".mov"),
        ("huffyuv", "yuv422p", ".avi"),
        ("mpeg2video", "yuv420p", ".mpg"),
        ("flv", "yuv420p", ".flv"),
        ("wmv2", "yuv420p", ".wmv"),
    ],
)
def test_each_kind_of_pixels_is_read(tmp_path: Path, codec: str, pixels: str, suffix: str) -> None:
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {"qscale": "2", "global_quality": "2"}
    path = write_video(
        tmp_path / f"a{suffix}", images=[scene()] * 3, size=(96, 64), codec=codec, pixels=pixels, options=options
    )
    image = read_one(path)
    assert (image.dtype, image.shape) == (np.uint8, (64, 96, 3))
    assert_like(image, scene())


@pytest.mark.parametrize(
    ("codec", "pixels"), [("libx264", "gray"), ("ffv1", "gray16le"), ("ffv1", "gray10le"), ("rawvideo", "gray")]
)
def test_gray_has_three_equal_channels(tmp_path: Path, codec: str, pixels: str) -> None:
    path = write_video(tmp_path / "a.mkv", count=10, codec=codec, pixels=pixels)
    for frame in open_video(path):
        assert number_of(frame.image) == frame.index
        assert np.ptp(frame.image, axis=2).max() == 0


@pytest.mark.parametrize("size", [(65, 47), (63, 64), (64, 49), (2, 2), (1, 1), (17, 200)])
def test_odd_sizes_are_read(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "a.mkv", images=[np.full((size[1], size[0], 3), 90, np.uint8)] * 2, size=size,
                       codec="ffv1", pixels="yuv420p")  # fmt: skip
    with open_video(path) as video:
        assert video.size == size
        assert np.abs(next(video).image.astype(int) - 90).max() <= 4
    gray = write_video(tmp_path / "b.mkv", count=2, size=(97, 33), codec="ffv1", pixels="yuv444p", rotation=(90,))
    assert read_one(gray).shape == (97, 33, 3)


@pytest.mark.parametrize(("matrix", "limited"), [(1, True), (1, False), (5, True), (5, False), (9, True)])
def test_the_matrix_and_the_range_of_colours_hold(tmp_path: Path, matrix: int, limited: bool) -> None:
    """BT.709, BT.601 and BT.2020; in 16..235 and in 0..255. The formula is that of ITU-T H.273, 8.3."""
    red, green, blue = 0.8, 0.3, 0.1
    of_red, of_blue = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    luma = of_red * red + (1 - of_red - of_blue) * green + of_blue * blue
    chroma = (blue - luma) / (2 - 2 * of_blue), (red - luma) / (2 - 2 * of_red)
    values = [round(16 + 219 * luma) if limited else round(255 * luma)]
    values += [round(128 + (224 if limited else 255) * part) for part in chroma]
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 1 if limited else 2
        frame = av.VideoFrame(64, 48, "yuv444p")
        for plane, value in zip(frame.planes, values, strict=True):
            plane.update(bytes([value]) * plane.buffer_size)
        frame.colorspace, frame.color_range = matrix, 1 if limited else 2
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    image = read_one(path)
    np.testing.assert_allclose(image[24, 32], np.array([blue, green, red]) * 255, atol=3)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm", ".mkv"])
def test_frames_are_those_of_opencv(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (12, 6, 8, 3), np.uint8)
    images = [cv2.resize(image, (128, 96), interpolation=cv2.INTER_CUBIC) for image in small]
    path = write_video(tmp_path / f"a{suffix}", images=images, size=(128, 96))
    capture, count = cv2.VideoCapture(str(path)), 0
    for frame in open_video(path):
        is_read, image = capture.read()
        assert is_read
        difference = np.abs(frame.image.astype(int) - image)
        assert difference.mean() < 1.5
        assert np.percentile(difference, 99) <= 8
        count += 1
    assert not capture.read()[0]
    assert count == 12


def test_each_frame_has_the_size_that_it_has(tmp_path: Path) -> None:
    """The resolution changes in the middle."""
    parts = [
        write_video(tmp_path / f"{size[0]}.ts", count=5, size=size, options={"bf": "0"})
        for size in ((64, 48), (128, 80))
    ]
    path = tmp_path / "a.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with open_video(path) as video:
        assert video.size == (64, 48)
        frames = list(video)
    assert [frame.image.shape for frame in frames] == [(48, 64, 3)] * 5 + [(80, 128, 3)] * 5
    assert [number_of(frame.image) for frame in frames] == [*range(5), *range(5)]


def test_interlaced_video_is_read(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "top": "1"}
    path = write_video(tmp_path / "a.mpg", count=8, codec="mpeg2video", options=options)
    assert [number_of(frame.image) for frame in open_video(path)] == list(range(8))


def test_a_frame_may_be_written_to(tmp_path: Path) -> None:
    frames: list[Any] = list(open_video(write_video(tmp_path / "a.mp4", count=4)))
    for frame in frames:
        frame.image[:] = 0
    assert numbered(0).any()


def test_a_transparent_gif_has_a_colour_below(tmp_path: Path) -> None:
    import PIL.Image

    images = [PIL.Image.new("RGBA", (32, 32), (0, 0, 0, 0)) for _ in range(2)]
    images[1].paste((255, 0, 0, 255), (8, 8, 24, 24))
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=100, disposal=2)
    frames = list(open_video(tmp_path / "a.gif"))
    assert [frame.time for frame in frames] == pytest.approx([0, 0.1])
    assert frames[1].image[16, 16].tolist() == [0, 0, 255]
