"""What the first bytes of a file say that it is."""

import codecs

HEAD_BYTES = 1024
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
AVIF_BRANDS = {b"avif", b"avis"}

_VIDEO = "a video: pass its frames to stream(), read with cv2.VideoCapture for one"
_RAW = "a camera's RAW file: export it as JPEG or PNG"
_OTHER_TIFF = "a TIFF that is broken or of a kind that is not read, as many RAW files are: export it as JPEG or PNG"
_ARCHIVE = "an archive: unpack it"
_POSTSCRIPT = "PostScript, which is not run: export it as PNG"
_BASE64 = "base64 text: pass base64.b64decode of it, or a data URL as str"
_BEGINNINGS = {
    b"version https://git-lfs": "a Git LFS pointer in place of the file: run git lfs pull",
    b"/annex/objects/": "a git-annex pointer in place of the file: run git annex get",
    b"data:image": _BASE64,
    b"/9j/": _BASE64,
    b"iVBORw0KGgo": _BASE64,
    b"%PDF": "a PDF: export its pages as images",
    b"%!PS": _POSTSCRIPT,
    b"\xc5\xd0\xd3\xc6": _POSTSCRIPT,
    b"8BPS": "a Photoshop file: export it as JPEG or PNG",
    b"\xff\x0a": "JPEG XL, which is not read: export it as JPEG or PNG",
    b"\0\0\0\x0cJXL ": "JPEG XL, which is not read: export it as JPEG or PNG",
    b"II\xbc\x01": "JPEG XR, which is not read: export it as JPEG or PNG",
    b"v/1\x01": "OpenEXR, which has no fixed white: convert it to 8 bit",
    b"#?RADIANCE": "Radiance HDR, which has no fixed white: convert it to 8 bit",
    b"\0\0\x01\0": "an icon: export it as PNG",
    b"II*\0\x10\0\0\0CR": _RAW,
    b"IIU\0": _RAW,
    b"IIRO": _RAW,
    b"IIRS": _RAW,
    b"MMOR": _RAW,
    b"FUJIFILMCCD-RAW": _RAW,
    b"FOVb": _RAW,
    b"II*\0": _OTHER_TIFF,
    b"MM\0*": _OTHER_TIFF,
    b"\xff\xd8\xff": "a JPEG that is broken or cut off",
    b"\x89PNG": "a PNG that is broken or cut off",
    b"GIF8": "a GIF that is broken or cut off",
    b"\x1aE\xdf\xa3": _VIDEO,
    b"\0\0\x01\xba": _VIDEO,
    b"\0\0\x01\xb3": _VIDEO,
    b"FLV\x01": _VIDEO,
    b"0&\xb2u\x8ef\xcf\x11": _VIDEO,
    b"OggS": _VIDEO,
    b"PK\x03\x04": _ARCHIVE,
    b"\x1f\x8b": _ARCHIVE,
    b"7z\xbc\xaf\x27\x1c": _ARCHIVE,
    b"Rar!": _ARCHIVE,
    b"(\xb5/\xfd": _ARCHIVE,
    b"\xfd7zXZ": _ARCHIVE,
    b"BZh": _ARCHIVE,
    b"\x93NUMPY": "a NumPy file: pass numpy.load of it",
    b"\x89HDF": "an HDF5 file: pass an array of it",
}
_QUICKTIME_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_MARKUP = {
    b"<svg": "SVG: export it as PNG",
    b"<html": "an HTML page, such as a login or an error in place of the image",
}


def is_heif(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is HEIC or HEIF, which phones write, under any name."""
    brands = _brands(head)
    return bool(brands & HEIF_BRANDS) and not is_avif(head)


def is_avif(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is AVIF."""
    return bool(_brands(head) & AVIF_BRANDS)


def is_read_whole(head: bytes) -> bool:
    """Whether decoders take a file that begins with ``head`` into memory as a whole: AVIF, HEIF and WebP."""
    return head[4:8] == b"ftyp" or head[:4] == b"RIFF"


def what_it_is(head: bytes) -> str | None:
    """What a file that begins with ``head`` (`HEAD_BYTES` or all) is, if no image, and what to do; None: unknown."""
    if not head.strip(b"\0"):
        return "nothing but zeros, as a download or copy that was cut off leaves them" if head else "empty"
    for beginning, what in _BEGINNINGS.items():
        if head.startswith(beginning):
            return what
    return _container(head) or _text(head)


def _container(head: bytes) -> str | None:
    if is_avif(head) or is_heif(head):
        return "an AVIF or HEIC image that is broken or cut off"
    if head[4:8] == b"ftyp":
        return _RAW if b"crx " in _brands(head) else _VIDEO
    if head[4:8] in _QUICKTIME_BOXES or (head[:4] == b"RIFF" and head[8:12] == b"AVI ") or head[::188][:3] == b"GGG":
        return _VIDEO
    if head[128:132] == b"DICM":
        return "DICOM: export it as PNG"
    return _ARCHIVE if head[257:262] == b"ustar" else None


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO base media file (ISO/IEC 14496-12): the major one and those that it is compatible with."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[place : place + 4] for place in range(16, end, 4))}


def _text(head: bytes) -> str | None:
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head).strip()  # the last character may be cut
    except UnicodeDecodeError:
        return None
    lower = text.lower().encode().replace(b"<!doctype ", b"<")
    if lower.startswith(b"<"):
        for tag, what in _MARKUP.items():
            if tag in lower:
                return what
    if not all(character.isprintable() or character.isspace() for character in text):
        return None
    return f"text, which begins {text[:40]!r}"
