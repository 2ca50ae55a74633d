"""Files that strangers send to take a page down, made cheaply."""

import struct
import zlib
from fractions import Fraction
from pathlib import Path

from video_files import write_video

PNG = b"\x89PNG\r\n\x1a\n"


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(path: Path, width: int, height: int, data: bytes, *before: bytes) -> Path:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    path.write_bytes(PNG + header + b"".join(before) + _chunk(b"IDAT", data) + _chunk(b"IEND", b""))
    return path


def _zeros(count: int) -> bytes:
    """Zlib of so many MiB of zeros: one block, again and again, so that it is made at once."""
    packer = zlib.compressobj(9, wbits=-15)
    block = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = ((count << 20) % 65521) << 16 | 1  # Adler-32 of zeros
    return b"\x78\xda" + block * count + packer.flush() + struct.pack(">I", checksum)


def huge_png(path: Path) -> Path:
    """300 megapixels in 300 kB."""
    return _png(path, 20_000, 15_000, _zeros(300))


def text_bomb(path: Path) -> Path:
    """A small image whose text has 512 MiB when it is unpacked."""
    return _png(path, 16, 16, zlib.compress(bytes(16 * 17)), _chunk(b"zTXt", b"Comment\0\0" + _zeros(512)))


def html_as_jpeg(path: Path) -> Path:
    """A web page named as an image."""
    path.write_text("<!doctype html><html><body><script>alert(1)</script></body></html>")
    return path


def long_video(path: Path) -> Path:
    """Three hours of four frames."""
    return write_video(path, 4, rate=1, timestamps=[0, 3600, 7200, 10_800], unit=Fraction(1))
