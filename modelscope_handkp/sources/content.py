"""Which decoder takes a file, by its first bytes, and what to do with a file that none takes."""

import re

HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"mif2", b"msf1"}
AVIF_BRANDS = {b"avif", b"avis"}
_SIGNATURES = (  # of images, long enough that no strip of pixels has them by chance
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*"),
    *(b"\0\0\0\x0cjP  \r\n", b"\xff\x4f\xff\x51", b"#?RADIANCE", b"#?RGBE", b"v/1\x01"),
)
_PNM = re.compile(rb"P[1-7]\s+(#|\d|WIDTH)")

_EXPORT = "export it as JPEG or PNG"
ADVICE = {  # for `file_kind`
    "base64": "pass base64.b64decode of it, or a data URL as str",
    "archive": "unpack it",
    "PDF": "export its pages as images",
    "PostScript": f"it is not run; {_EXPORT}",
    "video": "pass it to HandTracker or to the command modelscope-handkp predict",
    "RAW": _EXPORT,
    "Photoshop": _EXPORT,
    "icon": _EXPORT,
    "DICOM": _EXPORT,
    "SVG": _EXPORT,
    "JPEG X": f"it is not read; {_EXPORT}",
    "TIFF": f"it is broken or of a kind that is not read, as many RAW files are; {_EXPORT}",
    "OpenEXR": "it has no fixed white; convert it to 8 bit",
    "Radiance": "it has no fixed white; convert it to 8 bit",
    "NumPy": "pass numpy.load of it",
    "HDF5": "pass an array of it",
    "image": "it is broken or cut off",
}
VIDEO_ADVICE = {  # for `file_kind`, where a video is expected
    "archive": "unpack it",
    "image": "pass it to HandEstimator, or its folder as the frames of a video",
    "text": "it is no video, and a playlist is not followed, since it names other files; pass the video itself",
}


def is_heif(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is HEIC or HEIF, which phones write, under any name."""
    return bool(_brands(head) & HEIF_BRANDS) and not is_avif(head)


def is_avif(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is AVIF."""
    return bool(_brands(head) & AVIF_BRANDS)


def is_read_whole(head: bytes) -> bool:
    """Whether decoders take a file that begins with ``head`` into memory as a whole: AVIF, HEIF and WebP."""
    return head[4:8] == b"ftyp" or head[:4] == b"RIFF"


def is_encoded_image(head: bytes, size: int) -> bool:
    """Whether ``size`` bytes that begin with ``head`` are the file of an image, rather than the pixels of one."""
    is_bmp = head[:2] == b"BM" and int.from_bytes(head[2:6], "little") == size
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    return is_bmp or is_webp or bool(_brands(head)) or head.startswith(_SIGNATURES) or bool(_PNM.match(head))


def _brands(head: bytes) -> set[bytes]:
    """The brands of an ISO base media file (ISO/IEC 14496-12): the major one and those that it is compatible with."""
    if head[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    return {head[8:12], *(head[place : place + 4] for place in range(16, end, 4))}
