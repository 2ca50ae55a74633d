"""Files are what their content says: HEIC and AVIF under any name, and what is no image is called what it is."""

import io
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import torch

from modelscope_handkp.errors import InputError, MissingPackageError
from modelscope_handkp.sources import images
from modelscope_handkp.sources.images import load_image


def photo(height: int = 48, width: int = 64) -> np.ndarray:
    """(H, W, 3) uint8 RGB, smooth."""
    small = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)


def encoded(form: str, rgb: np.ndarray, orientation: int | None = None) -> bytes:
    image, file = PIL.Image.fromarray(np.ascontiguousarray(rgb)), io.BytesIO()
    exif = PIL.Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    if form == "HEIF":
        import pillow_heif

        pillow_heif.from_pillow(image).save(file, quality=90, exif=exif.tobytes())
    else:
        image.save(file, form, exif=exif, quality=90)
    return file.getvalue()


def assert_like(read: np.ndarray, rgb: np.ndarray) -> None:
    assert read.shape == rgb.shape
    assert np.abs(read[..., ::-1].astype(int) - rgb).mean() < 6


# --- HEIC and AVIF


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
def test_what_phones_write_is_read_under_any_name(tmp_path: Path, form: str) -> None:
    content = encoded(form, photo())
    for name in ("a.heic", "a.HEIF", "a.avif", "a.jpg", "a"):
        (tmp_path / name).write_bytes(content)
        assert_like(load_image(tmp_path / name), photo())
    assert_like(load_image(io.BytesIO(content)), photo())


def test_avif_that_names_the_container_first_is_avif() -> None:
    content = encoded("AVIF", photo())
    assert b"ftypavif" in content
    assert_like(load_image(content.replace(b"ftypavif", b"ftypmif1")), photo())


@pytest.mark.parametrize("name", ["a.heic", "a.avif", "a.png", "a.webp"])
def test_a_jpeg_is_read_under_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(encoded("JPEG", photo()))
    assert_like(load_image(tmp_path / name), photo())


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotation_is_applied_once(form: str, orientation: int) -> None:
    upright = photo()
    stored = {1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.transpose(1, 0, 2),
              6: np.rot90(upright), 7: np.rot90(upright, 2).transpose(1, 0, 2), 8: np.rot90(upright, -1)}  # fmt: skip
    assert_like(load_image(encoded(form, stored[orientation], orientation)), upright)


def test_the_rotation_of_heic_is_its_own_and_not_that_of_the_exif() -> None:
    """Phones write both, and the standard says which holds."""
    import pillow_heif

    content, exif = io.BytesIO(), PIL.Image.Exif()
    exif[0x0112] = 6
    pillow_heif.from_pillow(PIL.Image.fromarray(photo())).save(content, exif=exif.tobytes())
    rotated = content.getvalue()
    assert load_image(rotated).shape == (64, 48, 3)
    assert b"irot" in rotated
    assert load_image(rotated.replace(b"irot", b"free")).shape == (48, 64, 3)  # the EXIF alone is left


def test_heic_without_its_package_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(encoded("HEIF", photo()))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(MissingPackageError, match=r"a\.jpg is HEIC.*pip install 'modelscope-handkp\[heif\]'"):
        load_image(tmp_path / "a.jpg")


def test_avif_where_pillow_does_not_read_it_names_the_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.avif").write_bytes(encoded("AVIF", photo()))
    PIL.Image.init()
    monkeypatch.delitem(PIL.Image.EXTENSION, ".avif")
    with pytest.raises(InputError, match=r"a\.avif is AVIF.*Pillow.*11\.3"):
        load_image(tmp_path / "a.avif")


@pytest.mark.parametrize("form", ["HEIF", "AVIF"])
def test_cut_off_and_flipped_bytes_are_named(form: str) -> None:
    content, rng = encoded(form, photo()), np.random.default_rng(0)
    with pytest.raises(InputError, match="bytes"):
        load_image(content[: len(content) // 2])
    for _ in range(15):
        broken = bytearray(content)
        for place in rng.integers(min(len(broken), 300), size=3):
            broken[place] = rng.integers(256)
        try:
            assert load_image(broken).dtype == np.uint8
        except InputError as error:
            assert "bytes" in str(error)


@pytest.mark.parametrize(
    "beginning", [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"\0\0\0\x18ftypavif", b"RIFF\0\0\0\0WEBP"]
)
def test_what_decoders_take_whole_is_bounded(tmp_path: Path, beginning: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_ENCODED_BYTES", 1000)
    (tmp_path / "a.heic").write_bytes(beginning + bytes(1000))
    with pytest.raises(InputError, match=r"a\.heic is larger than 1000 bytes"):
        load_image(tmp_path / "a.heic")


# --- what is no image


ISO = b"\0\0\0\x18ftyp%s\0\0\0\0%s"


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "empty"),
        (bytes(5000), "zeros"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "Git LFS.*git lfs pull"),
        (b"/annex/objects/SHA256E-s12--ab.jpg\n", "git annex get"),
        (b"<!DOCTYPE html>\n<html><head><title>403</title>", "HTML"),
        (b"\xef\xbb\xbf\r\n <!-- saved from --><HTML lang='en'>", "HTML"),
        ("<html>".encode("utf-16"), "HTML"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "SVG.*export"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "XML.*AccessDenied"),
        (b'{"error": "forbidden"}', r"text.*forbidden"),
        (b"%PDF-1.7\n", "PDF.*export its pages"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript.*not run.*export"),
        (b"\xc5\xd0\xd3\xc6\x20\0\0\0", "PostScript"),
        (b"8BPS\0\x01" + bytes(20), "Photoshop.*export"),
        (ISO % (b"isom", b"mp42avc1"), "video.*HandTracker"),
        (ISO % (b"qt  ", b"qt  "), "video.*modelscope-handkp predict"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", "video"),
        (b"\x1aE\xdf\xa3" + bytes(30), "video"),
        (b"RIFF\0\0\0\0AVI LIST", "video"),
        (b"G" + (bytes(187) + b"G") * 3, "video"),
        (ISO % (b"crx ", b"crx isom"), "RAW.*export"),
        (b"II*\0\x10\0\0\0CR\x02\0", "RAW"),
        (b"FUJIFILMCCD-RAW 0201", "RAW"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL.*not read.*export"),
        (b"\xff\x0a\xfa\x7f", "JPEG XL"),
        (bytes(128) + b"DICM", "DICOM.*export"),
        (b"v/1\x01" + bytes(20), "OpenEXR.*convert it to 8 bit"),
        (b"PK\x03\x04" + bytes(20), "archive.*unpack"),
        (b"#?RADIANCE\n", "Radiance.*convert it to 8 bit"),
        (b"\0\0\x01\0\x01\0", "icon.*export"),
        (b"/9j/4AAQSkZJRg", r"base64\.b64decode"),
        (b"\x89HDF\r\n", "HDF5.*pass an array"),
        (b"\x93NUMPY\x01\0", r"numpy\.load"),
        (b"\xff\xd8\xff", "JPEG.*broken or cut off"),
        (b"II*\0\xff\xff\xff\xff", "TIFF.*broken.*export it"),
        (ISO % (b"avif", b"mif1"), "AVIF"),
        (bytes(range(200, 256)), "not an image that can be read"),
    ],
)
def test_what_is_no_image_is_called_what_it_is(tmp_path: Path, content: bytes, named: str) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(InputError, match=rf"^{tmp_path}/a\.jpg is .*{named}") as caught:
        load_image(tmp_path / "a.jpg")
    assert len(str(caught.value)) < len(str(tmp_path)) + 200


def test_a_raw_files_thumbnail_is_not_taken_for_the_image(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    tags = PIL.TiffImagePlugin.ImageFileDirectory_v2()
    tags[50706] = b"\x01\x04\0\0"
    PIL.Image.fromarray(photo()).save(path, "TIFF", tiffinfo=tags)
    assert load_image(path).shape == photo().shape
    tags[254] = 1  # a smaller version of another image of the file
    PIL.Image.fromarray(photo()).save(path, "TIFF", tiffinfo=tags)
    with pytest.raises(InputError, match=r"a\.dng.*RAW"):
        load_image(path)


@pytest.mark.parametrize("top", [0.9, 255.0])
def test_a_float_file_follows_the_rule_of_floats(tmp_path: Path, top: float) -> None:
    gray = photo()[..., 0]
    values: Any = gray / np.float32(255) * np.float32(top)
    PIL.Image.fromarray(values).save(tmp_path / "a.tif")
    assert_like(load_image(tmp_path / "a.tif"), gray[..., None].repeat(3, 2) * (min(top, 1) if top <= 1 else 1))
    PIL.Image.fromarray(values * 1000).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match=r"a\.tif.*0\.\.1"):
        load_image(tmp_path / "a.tif")


@pytest.mark.parametrize(("white", "outlier"), [(255, 300), (1023, 60_000), (4095, 65_535), (65_535, 65_535)])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_file_of_16_bits_may_hold_fewer(tmp_path: Path, suffix: str, white: int, outlier: int) -> None:
    colours = photo()[..., ::-1].astype(float) / photo().max()  # reaches white
    values = np.rint(colours * white).astype(np.uint16)
    values[5, 5] = outlier
    expected = np.rint(colours * 255)
    expected[5, 5] = 255
    path = tmp_path / f"a.{suffix}"
    for stored, shown in ((values, expected), (values[..., 0], expected[..., :1].repeat(3, 2))):
        cv2.imwrite(str(path), stored)
        for source in (path, path.read_bytes()):
            assert np.abs(load_image(source) - shown).max() <= 1


def test_transparency_and_rotation_hold_for_8_bits_in_16(tmp_path: Path) -> None:
    gray = np.array([[0, 100, 200]], np.uint16)
    PIL.Image.fromarray(gray).save(tmp_path / "hole.png", transparency=100)
    assert load_image(tmp_path / "hole.png")[0, :, 0].tolist() == [0, 255, 200]
    for opaque in (255, 65_535):
        bgra = np.array([[[10, 20, 30, opaque], [50, 60, 70, 0]]], np.uint16)
        cv2.imwrite(str(tmp_path / "a.png"), bgra)
        assert load_image(tmp_path / "a.png").tolist() == [[[10, 20, 30], [255, 255, 255]]]
    content = cv2.imencode(".png", bgra[..., :3])[1].tobytes()
    exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    chunk = len(exif).to_bytes(4, "big") + b"eXIf" + exif + zlib.crc32(b"eXIf" + exif).to_bytes(4, "big")
    assert load_image(content[:33] + chunk + content[33:]).tolist() == [[[10, 20, 30]], [[50, 60, 70]]]


def test_pil_images_of_wide_integers_may_hold_8_bits(tmp_path: Path) -> None:
    gray = PIL.Image.fromarray(photo()[..., 0])
    expected = photo()[..., :1].repeat(3, 2)
    gray.convert("I").save(tmp_path / "a.tif")
    for source in (gray.convert("I"), tmp_path / "a.tif"):
        np.testing.assert_array_equal(load_image(source), expected)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif", "jp2", "ppm"])
def test_an_encoded_image_may_be_a_column_or_a_row_of_bytes(suffix: str) -> None:
    content = cv2.imencode(f".{suffix}", photo())[1].reshape(-1)
    expected = load_image(content)
    for array in (content[:, None], content[None], content[:, None, None]):
        np.testing.assert_array_equal(load_image(array), expected)
        np.testing.assert_array_equal(load_image(torch.from_numpy(array)), expected)


@pytest.mark.parametrize("form", ["HEIF", "AVIF", "GIF"])
def test_what_opencv_may_not_write_is_known_in_a_column_too(form: str) -> None:
    column = np.frombuffer(encoded(form, photo()), np.uint8)[:, None]
    assert load_image(column).shape == photo().shape


@pytest.mark.parametrize(
    "strip", [b"", b"BM and more", b"P5 gray", b"P", b"\xff\xd8", b"RIFF1234WAVE", b"some text", b"{}", bytes(600)]
)
def test_a_strip_of_pixels_stays_one(strip: bytes) -> None:
    pixels = np.frombuffer(strip + bytes(range(100, 140)), np.uint8)
    assert load_image(pixels[:, None]).shape == (len(pixels), 1, 3)
    assert load_image(pixels[None]).shape == (1, len(pixels), 3)
