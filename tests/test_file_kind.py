"""Files are called what they are by their first bytes."""

import numpy as np
import pytest

from modelscope_handkp.file_kind import file_kind

RAW, VIDEO, WIDE = "a camera's RAW file", "a video", b"\0\0\0\x18ftyp%s\0\0\0\0"
KINDS: dict[str, list[bytes]] = {
    "base64 text": [b"data:image/png;base64,iV", b"/9j/4AAQ", b"iVBORw0KGgo", b"UklGRhIA", b"R0lGODlh"],
    "a zip archive": [b"PK\x03\x04\x14", b"PK\x05\x06\0\0"],
    "a gzip archive": [b"\x1f\x8b\x08"],
    "a bzip2 archive": [b"BZh91AY&SY"],
    "an xz archive": [b"\xfd7zXZ\0\0"],
    "a Zstandard archive": [b"\x28\xb5\x2f\xfd\x04"],
    "a 7z archive": [b"7z\xbc\xaf\x27\x1c\0\4"],
    "a RAR archive": [b"Rar!\x1a\x07\x01\0"],
    "a tar archive": [b"name".ljust(257, b"\0") + b"ustar\0"],
    "a PDF document": [b"%PDF-1.7\n"],
    "PostScript": [b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\xc5\xd0\xd3\xc6\x20\0"],
    "a Photoshop file": [b"8BPS\0\x01"],
    RAW: [b"II*\0\x10\0\0\0CR\x02\0", b"IIU\0\x18\0", b"IIRO\x08\0", b"IIRS\x08\0", b"MMOR\0\0",
          b"FUJIFILMCCD-RAW 0201", b"FOVb\0\0", WIDE % b"crx "],
    "a TIFF image": [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"],
    "a JPEG image": [b"\xff\xd8\xff\xe0"],
    "a PNG image": [b"\x89PNG\r\n\x1a\n"],
    "a GIF image": [b"GIF89a\1\0", b"GIF87a\1\0"],
    "a WebP image": [b"RIFF\x1a\0\0\0WEBPVP8L", b"RIFF\x1a\0\0\0WEBPVP8 "],
    "a JPEG XL image": [b"\xff\x0a\xfa\x7f", b"\0\0\0\x0cJXL \r\n\x87\n"],
    "a JPEG XR image": [b"II\xbc\x01"],
    "an AVIF or HEIC image": [WIDE % brand for brand in (b"avif", b"avis", b"heic", b"hevc", b"mif1", b"msf1")],
    "an OpenEXR image": [b"v/1\x01\2\0"],
    "a Radiance HDR image": [b"#?RADIANCE\n"],
    "an icon": [b"\0\0\x01\0\x01\0"],
    "a DICOM file": [bytes(128) + b"DICM"],
    VIDEO: [WIDE % b"isom", WIDE % b"qt  ", b"\x1aE\xdf\xa3\x9f", b"\0\0\x01\xbaD", b"\0\0\x01\xb3D", b"FLV\x01\5",
            b"OggS\0\2", b"0&\xb2u\x8ef\xcf\x11\xa6", b"RIFF\0\0\0\0AVI LIST", b"G" + (bytes(187) + b"G") * 2,
            *(b"\0\0\0\x08" + box + bytes(4) for box in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"))],
    "a NumPy file": [b"\x93NUMPY\x01\0"],
    "an HDF5 file": [b"\x89HDF\r\n\x1a\n"],
    "a TensorFlow Lite model": [b"\x1c\0\0\0TFL3"],
    "a GGUF model": [b"GGUF\3\0\0\0"],
    "a TensorRT engine": [b"ftrt\0\0\0\0"],
    "an ONNX model": [b"\x08\x08\x12\x07pytorch", b"\x08\x03\x12\x0cskl2onnx"],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "head"), [(kind, head) for kind, heads in KINDS.items() for head in heads])
def test_kinds_by_their_signatures(kind: str, head: bytes) -> None:
    assert file_kind(head) == file_kind(head + bytes(600)) == kind


LFS = "a Git LFS pointer, which stands for the file: run 'git lfs pull' in its repository, or download"


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty: download it again"),
        (bytes(9), "nothing but zeros at its beginning, as after a download that broke off: download it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", LFS),
        (b"version https://hawser.github.com/spec/v1\n", LFS),
        (
            b"/annex/objects/SHA256E-s12--ab.jpg\n",
            "a git-annex pointer, which stands for the file: run 'git annex get'",
        ),
        (b"<html>", "an HTML page that begins with '<html>': a server may have sent it in place of the file; check"),
    ],
)
def test_what_to_do_whoever_reads(head: bytes, kind: str) -> None:
    assert str(file_kind(head, {"": "name another"})).startswith(kind)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("<!DOCTYPE html>\n<title>", "an HTML page"),
        (" <!-- saved from --><HTML lang='en'>", "an HTML page"),
        ("<body>", "an HTML page"),
        ("<head>", "an HTML page"),
        ("<title>404", "an HTML page"),
        ("<script>a", "an HTML page"),
        ("<meta name='a'>", "an HTML page"),
        ("<rss><title>a</title>", "an XML document"),
        ("<?xml version='1.0'?><Error>", "an XML document"),
        ("<?xml version='1.0'?>\n<svg>", "an SVG drawing"),
        ("<!DOCTYPE svg PUBLIC>", "an SVG drawing"),
        ('{"error": "forbidden"}', "JSON text"),
        ("\n[1, 2]", "JSON text"),
        ("not free, no ftyp\n", "text"),
        ("页面不存在", "text"),
    ],
)
def test_texts_and_how_they_begin(text: str, kind: str) -> None:
    """In UTF-16 and UTF-32 the encoding matters more than what JSON or plain text it is."""
    names = {"utf-8": kind, "utf-8-sig": kind, "utf-16": "UTF-16 text", "utf-32": "UTF-32 text"}
    if text.isascii():  # without a byte-order mark
        names |= {"utf-16-le": "UTF-16 text", "utf-16-be": "UTF-16 text"}
    for encoding, name in names.items():
        shown = f"{kind if text.strip()[0] == '<' else name} that begins with {text.strip()!r}"
        assert str(file_kind(text.encode(encoding))).startswith(shown)


def test_a_long_text_is_shown_in_part_and_may_be_cut_in_a_character() -> None:
    for cut in (1, 2, 3):
        assert file_kind("页".encode() * 300 + "页".encode()[:cut]) == f"text that begins with '{'页' * 60}'"


def test_pages_in_encodings_that_are_not_told() -> None:
    assert "an HTML page" in str(file_kind("<html><title>页面不存在</title>".encode("gb18030")))


@pytest.mark.parametrize(
    "head", [b" \n", bytes(range(200, 256)), b"\xc3\x28\xa0\xa1\0\1\2", b"a\x01b", b"\xe9t\xe9", b"{\x02"]
)
def test_what_is_not_known(head: bytes) -> None:
    assert file_kind(head, {"": "name another"}) is None


def test_random_bytes_raise_nothing() -> None:
    rng = np.random.default_rng(0)
    for length in range(300):
        file_kind(rng.bytes(length))
        file_kind(b"<" + rng.bytes(length) + b"\xff\xfe"[: length % 3])


def test_a_readers_advice() -> None:
    advice = {"gzip": "unpack it", "archive": "open it", "text": "read it", "Git LFS": "wait", "": "name another"}
    for head, to_do in (
        (b"\x1f\x8b\x08", "unpack it"), (b"PK\x03\x04", "open it"), (b"hello", "read it"), (b"{}", "read it"),
        (b"%PDF-", "name another"), (b"version https://git-lfs", "wait"), (b"", "download it again"),
    ):  # fmt: skip
        assert str(file_kind(head, advice)).endswith(f": {to_do}")
    assert file_kind(b"an archive") == "text that begins with 'an archive'"
    assert file_kind(b"an archive", {"archive": "unpack it"}) == "text that begins with 'an archive'"
