"""What a file is, seen from its first bytes: its name says little."""

import codecs
import json
import re
from collections.abc import Mapping
from types import MappingProxyType

HEAD_BYTES = 1024  # of a file, enough for `file_kind`
SHOWN = 60  # characters of a text
JSON, TEXT, BASE64, ZIP = "JSON text", "text", "base64 text", "a zip archive"
VIDEO, GIF = "a video", "a GIF image"
SENT_INSTEAD = "a server may have sent it in place of the file; check the address and download it again"

_RAW = "a camera's RAW file"
# (what a file is, the offset of its signature, the signatures); the first that fits holds
_SIGNATURES: tuple[tuple[str, int, tuple[bytes, ...]], ...] = (
    ("a Git LFS pointer, which stands for the file", 0, (b"version https://git-lfs", b"version https://hawser")),
    ("a git-annex pointer, which stands for the file", 0, (b"/annex/objects/",)),
    (BASE64, 0, (b"data:image", b"/9j/", b"iVBORw0KGgo", b"UklGR", b"R0lGOD")),  # of JPEG, PNG, WebP and GIF
    (ZIP, 0, (b"PK\x03\x04", b"PK\x05\x06")),
    ("a gzip archive", 0, (b"\x1f\x8b",)),
    ("a bzip2 archive", 0, (b"BZh",)),
    ("an xz archive", 0, (b"\xfd7zXZ\0",)),
    ("a Zstandard archive", 0, (b"(\xb5/\xfd",)),
    ("a 7z archive", 0, (b"7z\xbc\xaf\x27\x1c",)),
    ("a RAR archive", 0, (b"Rar!\x1a\x07",)),
    ("a tar archive", 257, (b"ustar",)),
    ("a PDF document", 0, (b"%PDF",)),
    ("PostScript", 0, (b"%!PS", b"\xc5\xd0\xd3\xc6")),
    ("a Photoshop file", 0, (b"8BPS",)),
    (_RAW, 0, (b"II*\0\x10\0\0\0CR", b"IIU\0", b"IIRO", b"IIRS", b"MMOR", b"FUJIFILMCCD-RAW", b"FOVb")),
    (_RAW, 4, (b"ftypcrx ",)),
    ("a TIFF image", 0, (b"II*\0", b"MM\0*")),
    ("a JPEG image", 0, (b"\xff\xd8\xff",)),
    ("a PNG image", 0, (b"\x89PNG",)),
    (GIF, 0, (b"GIF8",)),
    ("a WebP image", 8, (b"WEBPVP8",)),
    ("a JPEG XL image", 0, (b"\xff\x0a", b"\0\0\0\x0cJXL ")),
    ("a JPEG XR image", 0, (b"II\xbc\x01",)),
    ("an AVIF or HEIC image", 4, (b"ftypavi", b"ftyphe", b"ftypmi", b"ftypmsf1")),
    ("an OpenEXR image", 0, (b"v/1\x01",)),
    ("a Radiance HDR image", 0, (b"#?RADIANCE",)),
    ("an icon", 0, (b"\0\0\x01\0",)),
    ("a DICOM file", 128, (b"DICM",)),
    (VIDEO, 0, (b"\x1aE\xdf\xa3", b"\0\0\x01\xba", b"\0\0\x01\xb3", b"FLV\x01", b"0&\xb2u\x8ef\xcf\x11", b"OggS")),
    (VIDEO, 4, (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")),  # QuickTime
    (VIDEO, 8, (b"AVI LIST",)),
    ("a NumPy file", 0, (b"\x93NUMPY",)),
    ("an HDF5 file", 0, (b"\x89HDF",)),
    ("a TensorFlow Lite model", 4, (b"TFL3",)),
    ("a GGUF model", 0, (b"GGUF",)),
    ("a TensorRT engine", 0, (b"ftrt",)),
)
_PATTERNS = {
    # ONNX's protobuf: field 1, the version of the format (3 of 2017 to now), then another of ModelProto's first fields
    "an ONNX model": re.compile(rb"\x08[\x03-\x1f][\x12\x1a\x22\x28\x32\x3a\x42]"),
    # packets of an MPEG transport stream, to which cameras add the time of each
    VIDEO: re.compile(rb"G.{187}G.{187}G|.{4}G.{191}G.{191}G", re.DOTALL),
}
_MARKUP = {
    "an HTML page": re.compile(r"<(!doctype\s+)?(html|body)\b|\A<(head|title|script|meta)\b", re.IGNORECASE),
    "an SVG drawing": re.compile(r"<(!doctype\s+)?svg\b", re.IGNORECASE),
}
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # characters that no text has
_REPLACED = "\ufffd"  # what cannot be decoded

_ADVICE = {  # for any reader
    "Git LFS": "run 'git lfs pull' in its repository, or download the file from its page",
    "git-annex": "run 'git annex get' in its repository",
    "empty": "download it again",
    "zeros": "download it again",
    "HTML": SENT_INSTEAD,
}


def file_kind(head: bytes, advice: Mapping[str, str] = MappingProxyType({})) -> str | None:
    """What a file is and, behind a colon, what to do with it, such as "a zip archive: unpack it".

    Args:
        head: the first `HEAD_BYTES` of the file, or all.
        advice: what the reader says of kinds: a part of a kind's name, such as "archive", and what to do with such a
            file. The first that fits holds; "" fits each.
    Returns:
        `JSON`, `TEXT` and other texts go on with how they begin. None: nothing known.
    """
    name, text = _name(head), ""
    if name is None:
        name, text = _text(head)
    if name is None:
        return None
    begins = f" that begins with {text[:SHOWN]!r}" if text else ""
    to_do = next((what for part, what in {**_ADVICE, **advice}.items() if part in name), None)
    return f"{name}{begins}: {to_do}" if to_do else f"{name}{begins}"


def _name(head: bytes) -> str | None:
    if not head.strip(b"\0"):
        return "nothing but zeros at its beginning, as after a download that broke off" if head else "empty"
    for name, offset, signatures in _SIGNATURES:
        if head.startswith(signatures, offset) and (offset == 0 or b"\0" in head):  # a text may hold such a word
            return name
    return next((name for name, pattern in _PATTERNS.items() if pattern.match(head)), None)


def _text(head: bytes) -> tuple[str | None, str]:
    """The name of a kind of text and the text, without a byte-order mark and blanks around it; None: it is no text."""
    encoding = json.detect_encoding(head)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head).strip()  # the last character may be cut
    is_wide = not encoding.startswith("utf-8")
    if not text or _CONTROL.search(text):
        return None, ""
    if text.startswith("<"):
        return next((name for name, tag in _MARKUP.items() if tag.search(text)), "an XML document"), text
    if text.startswith(("{", "[")) and not is_wide:
        return JSON, text
    if _REPLACED in text:
        return None, ""
    return f"{encoding[:6].upper()} text" if is_wide else TEXT, text
