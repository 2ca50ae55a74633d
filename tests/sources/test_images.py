"""Images from anywhere, bounded in size and time."""

import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.sources.images import load_image

RGB = np.array([[[250, 0, 0], [0, 250, 0]], [[0, 0, 250], [10, 20, 30]]], np.uint8)
BGR = RGB[..., ::-1]


def smooth(height: int = 24, width: int = 32) -> np.ndarray:
    """(H, W, 3) RGB, smooth so that JPEG keeps it."""
    small = np.random.default_rng(0).integers(0, 255, (3, 4, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def saved(path: Path, image: Image.Image, **options: Any) -> Path:
    image.save(path, **options)
    return path


# --- what a viewer would see


def test_files_keep_their_colours(tmp_path: Path) -> None:
    for suffix in (".png", ".bmp", ".tif", ".webp", ".gif"):
        path = saved(tmp_path / f"a{suffix}", Image.fromarray(RGB), **({"lossless": True} if suffix == ".webp" else {}))
        for source in (path, str(path)):
            read = load_image(source)
            assert (read.dtype, read.flags.c_contiguous) == (np.uint8, True)
            np.testing.assert_array_equal(read, BGR)
    big = smooth()
    read = load_image(saved(tmp_path / "a.jpg", Image.fromarray(big), quality=95))
    assert np.abs(read[..., ::-1].astype(int) - big).mean() < 4


def test_pil_is_rgb_and_arrays_are_bgr() -> None:
    np.testing.assert_array_equal(load_image(Image.fromarray(RGB)), BGR)
    np.testing.assert_array_equal(load_image(BGR), BGR)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("as_object", [True, False])
def test_exif_is_applied(tmp_path: Path, orientation: int, as_object: bool) -> None:
    upright = np.zeros((16, 24, 3), np.uint8)
    upright[:8, :8] = 255  # white where the viewer sees the upper left
    turns = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
             6: np.rot90(upright), 7: np.rot90(upright, 2).transpose(1, 0, 2), 8: np.rot90(upright, -1)}  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "a.jpg", Image.fromarray(np.ascontiguousarray(turns[orientation])), exif=exif, quality=100)
    read = load_image(Image.open(path) if as_object else path)
    assert np.abs(read.astype(int) - upright).max() < 40


def rotated(path: Path, image: np.ndarray, orientation: int) -> Path:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(path, Image.fromarray(image), exif=exif)


@pytest.mark.parametrize("orientation", [1, 3, 5, 6, 7, 8])
@pytest.mark.parametrize("as_object", [True, False])
@pytest.mark.parametrize("suffix", ["png", "tif"])  # Pillow rotates the second one itself
def test_a_stated_size_says_whether_the_stored_or_the_upright_pixels_are_meant(
    tmp_path: Path, orientation: int, as_object: bool, suffix: str
) -> None:
    path = rotated(tmp_path / f"a.{suffix}", smooth(24, 32), orientation)

    def read(*size: int) -> np.ndarray:
        return load_image(Image.open(path) if as_object else path, size or None)

    upright = read()
    assert upright.shape == ((24, 32, 3) if orientation < 5 else (32, 24, 3))
    np.testing.assert_array_equal(read(*upright.shape[1::-1]), upright)
    np.testing.assert_array_equal(read(32, 24), upright if orientation < 5 else smooth(24, 32)[..., ::-1])
    with pytest.raises(InputError, match=f"{upright.shape[1]} x {upright.shape[0]} pixels, but 64 x 48"):
        read(64, 48)


def test_a_stated_size_holds_for_arrays(tmp_path: Path) -> None:
    np.testing.assert_array_equal(load_image(BGR[:1], (2, 1)), BGR[:1])
    with pytest.raises(InputError, match="2 x 1 pixels, but 1 x 2"):
        load_image(BGR[:1], (1, 2))


def test_broken_exif_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff\0\0garbage")
    assert load_image(tmp_path / "a.jpg").shape == (24, 32, 3)


def test_grayscale_one_bit_and_palette(tmp_path: Path) -> None:
    gray = np.array([[0, 100], [200, 255]], np.uint8)
    np.testing.assert_array_equal(
        load_image(saved(tmp_path / "g.png", Image.fromarray(gray))), gray[..., None].repeat(3, 2)
    )
    bits = load_image(saved(tmp_path / "b.png", Image.fromarray(gray > 150)))
    assert bits[..., 0].tolist() == [[0, 0], [255, 255]]
    palette = Image.fromarray(RGB).quantize(4)
    np.testing.assert_array_equal(load_image(saved(tmp_path / "p.png", palette)), BGR)


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    rgba = np.dstack([RGB, np.array([[255, 0], [128, 255]], np.uint8)])
    expected = BGR.copy()
    expected[0, 1] = 255
    expected[1, 0] = [252, 127, 127]
    path = saved(tmp_path / "a.png", Image.fromarray(rgba))
    for source in (path, Image.open(path), rgba[..., [2, 1, 0, 3]]):
        assert np.abs(load_image(source).astype(int) - expected).max() <= 1
    palette = Image.fromarray(RGB).quantize(4)
    index = palette.getpixel((1, 0))
    read = load_image(saved(tmp_path / "p.png", palette, transparency=index))
    assert read[0, 1].tolist() == [255, 255, 255]
    assert read[0, 0].tolist() == BGR[0, 0].tolist()
    gray = Image.fromarray(np.dstack([np.array([[0, 0]], np.uint8), np.array([[0, 255]], np.uint8)]), "LA")
    assert load_image(saved(tmp_path / "la.png", gray))[0, :, 0].tolist() == [255, 0]


def test_sixteen_bits(tmp_path: Path) -> None:
    wide = np.array([[0, 257, 25700], [65535, 32896, 128]], np.uint16)
    expected = np.array([[0, 1, 100], [255, 128, 0]])
    cv2.imwrite(str(tmp_path / "a.png"), wide)
    cv2.imwrite(str(tmp_path / "a.tif"), wide)
    for source in (tmp_path / "a.png", tmp_path / "a.tif", Image.open(tmp_path / "a.png"), wide, wide.astype(">u2")):
        np.testing.assert_array_equal(load_image(source)[..., 0], expected)
    hole = saved(tmp_path / "hole.png", Image.fromarray(wide), transparency=257)
    np.testing.assert_array_equal(load_image(hole)[..., 0], np.where(wide == 257, 255, expected))
    cv2.imwrite(str(tmp_path / "c.png"), np.dstack([wide] * 3))
    assert np.abs(load_image(tmp_path / "c.png")[..., 1].astype(int) - expected).max() <= 1


def test_cmyk(tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), (200, 40, 30), np.uint8)
    path = saved(tmp_path / "a.jpg", Image.fromarray(flat).convert("CMYK"), quality=100)
    assert np.abs(load_image(path).astype(int) - flat[..., ::-1]).max() < 12


def test_a_animation_gives_its_first_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (10, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert load_image(tmp_path / "a.gif").max() <= 12


@pytest.mark.parametrize(
    ("array", "value"),
    [
        (np.full((2, 3), 7, np.uint8), 7),
        (np.full((2, 3, 1), 7, np.uint8), 7),
        (np.full((2, 3, 3), 7, np.int64), 7),
        (np.full((2, 3, 3), 0.5, np.float32), 128),
        (np.full((2, 3, 3), 200.4, np.float64), 200),
        (np.full((2, 3, 3), 1, np.float16), 255),
        (np.full((2, 3, 3), 1, np.int32), 1),
        (np.zeros((1, 1, 3), np.uint8), 0),
    ],
)
def test_arrays(array: np.ndarray, value: int) -> None:
    before = array.copy()
    array.flags.writeable = False
    read = load_image(array)
    assert (read.shape, read.dtype) == ((*array.shape[:2], 3), np.uint8)
    assert (read == value).all()
    np.testing.assert_array_equal(array, before)


def test_arrays_of_any_layout() -> None:
    wide = smooth()
    for view in (wide[::-1, ::-1], wide[:, ::2], np.asfortranarray(wide), wide[..., ::-1]):
        read = load_image(view)
        assert read.flags.c_contiguous
        np.testing.assert_array_equal(read, view)


# --- bad input: one clear error


@pytest.mark.parametrize(
    ("array", "named"),
    [
        (np.zeros((0, 4, 3), np.uint8), r"\(0, 4, 3\)"),
        (np.zeros(0), r"\(0,\)"),
        (np.zeros((2, 2, 2), np.uint8), r"\(2, 2, 2\)"),
        (np.zeros((1, 2, 2, 3), np.uint8), r"\(1, 2, 2, 3\)"),
        (np.full((2, 2), np.nan), "nan"),
        (np.full((2, 2), np.inf), "inf"),
        (np.full((2, 2, 3), 400.5), "400.5"),
        (np.full((2, 2, 3), -0.1), "-0.1"),
        (np.full((2, 2), 256), "256"),
        (np.full((2, 2), -1), "-1"),
        (np.zeros((2, 2), bool), "bool"),
        (np.zeros((2, 2), complex), "complex"),
        (np.full((2, 2), "a"), "<U1"),
        (np.full((2, 2), None), "object"),
    ],
)
def test_bad_arrays_are_named(array: np.ndarray, named: str) -> None:
    with pytest.raises(InputError, match=named):
        load_image(array)


@pytest.mark.parametrize("source", [None, 5, b"bytes", ["a.jpg"], {"a": 1}, object()])
def test_other_things_are_no_image(source: Any) -> None:
    with pytest.raises(InputError, match=type(source).__name__):
        load_image(source)


@pytest.mark.parametrize("name", ["nothing.jpg", "", "x" * 5000, "a\0b", "file:///etc/passwd", "ftp://127.0.0.1/a.jpg"])
def test_missing_files_are_named(name: str) -> None:
    with pytest.raises(MissingFileError, match="does not exist") as caught:
        load_image(name)
    assert name[:100] in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(path: Path, mode: str) -> Any:
        raise PermissionError(13, "Permission denied", str(path))

    saved(tmp_path / "a.png", Image.fromarray(RGB))
    monkeypatch.setattr(Path, "open", refused)  # the permission itself does not hold for root
    with pytest.raises(InputError, match=r"a\.png cannot be opened: Permission denied"):
        load_image(tmp_path / "a.png")


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=f"{tmp_path} is a folder without an image"):
        load_image(tmp_path)
    (tmp_path / "a.psd").touch()
    with pytest.raises(MissingFileError, match=r"without an image, but with 1 file \('a\.psd'\)"):
        load_image(tmp_path)
    saved(tmp_path / "a.png", Image.fromarray(RGB))
    with pytest.raises(InputError, match=f"{tmp_path} is a folder with 1 images.*list"):
        load_image(tmp_path)


@pytest.mark.parametrize("content", [b"", b"just text", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"\0" * 100])
def test_what_is_no_image_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=str(tmp_path / "a.jpg")):
        load_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_truncated_images_are_named(tmp_path: Path, suffix: str) -> None:
    content = saved(tmp_path / f"a.{suffix}", Image.fromarray(smooth(64, 64))).read_bytes()
    path = tmp_path / f"b.{suffix}"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=str(path)):
        load_image(path)
    if suffix == "png":
        with pytest.raises(InputError, match="PIL image"):
            load_image(Image.open(path))


def test_postscript_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_, **__: pytest.fail("Ghostscript was run"))
    (tmp_path / "a.jpg").write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    )
    with pytest.raises(InputError, match=r"a\.jpg"):
        load_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "gif", "bmp", "webp"])
def test_flipped_bytes_raise_nothing_else(tmp_path: Path, suffix: str, capfd: pytest.CaptureFixture[str]) -> None:
    content = saved(tmp_path / f"a.{suffix}", Image.fromarray(smooth())).read_bytes()
    rng, path = np.random.default_rng(0), tmp_path / f"b.{suffix}"
    for _ in range(15):
        broken = bytearray(content)
        for place in rng.integers(min(len(broken), 200), size=rng.integers(1, 6)):
            broken[place] = rng.integers(256)
        path.write_bytes(broken)
        try:
            assert load_image(path).dtype == np.uint8
        except InputError as error:
            assert str(path) in str(error)


def test_decompression_bombs_are_refused_unread(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    for side, named in ((40_000, "40000 x 40000|bomb"), (10_000, "10000 x 10000")):
        content[16:24] = side.to_bytes(4, "big") * 2
        content[29:33] = __import__("zlib").crc32(bytes(content[12:29])).to_bytes(4, "big")
        (tmp_path / "b.png").write_bytes(content)
        with warnings.catch_warnings(), pytest.raises(InputError, match=named) as caught:
            warnings.simplefilter("ignore")  # Pillow's own, from 89 million pixels
            load_image(tmp_path / "b.png")
        assert "b.png" in str(caught.value)


def test_the_pixel_limits_hold_for_arrays_and_pil_images() -> None:
    with pytest.raises(InputError, match="80000000"):
        load_image(np.broadcast_to(np.uint8(0), (10_000, 10_000, 3)))
    with pytest.raises(InputError, match="32767"):
        load_image(np.zeros((1, 32_767), np.uint8))
    with pytest.raises(InputError, match="32767"):
        load_image(Image.new("L", (32_767, 1)))
    with pytest.raises(InputError, match="0 x 5"):
        load_image(Image.new("RGB", (0, 5)))
    assert load_image(np.zeros((1, 32_766), np.uint8)).shape == (1, 32_766, 3)
