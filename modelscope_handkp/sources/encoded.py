"""Encoded images that are no files on disk: file objects and data URLs -> their bytes, bounded in size."""

import base64
import binascii
import io
from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from urllib.parse import unquote_to_bytes

from ..errors import InputError
from .download import MAX_DOWNLOAD_BYTES

MAX_ENCODED_BYTES = 512 * 1024**2  # the largest image that is read has about as many, uncompressed in 16 bits
DATA_URL_SCHEME = "data:"
URL_SAFE_TO_BASE64 = bytes.maketrans(b"-_", b"+/")
_CHUNK = 1 << 20


def is_data_url(source: str) -> bool:
    """Whether it begins as a data URL does."""
    return source[: len(DATA_URL_SCHEME)].lower() == DATA_URL_SCHEME


def decode_data_url(url: str, name: str) -> bytes:
    """The content of a data URL, in base64 or percent-encoded (RFC 2397).

    White space, the URL-safe alphabet and a missing padding are accepted, as browsers accept them.

    Args:
        name: what errors call it.
    Raises:
        InputError: no comma, broken base64, or more than `MAX_DOWNLOAD_BYTES`.
    """
    if len(url) > MAX_DOWNLOAD_BYTES * 4 // 3:
        raise InputError(f"{name} holds more than {MAX_DOWNLOAD_BYTES} bytes.")
    head, comma, text = url.partition(",")
    if not comma:
        raise InputError(f"{name} has no comma: a data URL is data:image/jpeg;base64,... .")
    content = unquote_to_bytes(text)
    if not head.lower().rstrip().endswith(";base64"):
        return content
    content = b"".join(content.split()).rstrip(b"=").translate(URL_SAFE_TO_BASE64)
    try:
        return base64.b64decode(content + b"=" * (-len(content) % 4), validate=True)
    except binascii.Error as error:
        raise InputError(f"{name} is broken base64: {error}.") from None


def is_file_object(source: Any) -> bool:
    """Whether it is read as files are. Files are iterators, too, of lines; cameras may have a read() of frames."""
    return hasattr(source, "read") and (hasattr(source, "readline") or not isinstance(source, Iterable))


def read_file_object(file: Any, name: str) -> bytes:
    """What a binary file object holds from where it stands on. One that can seek is left where it stood.

    Args:
        name: what errors call it.
    Raises:
        InputError: it cannot be read, gives text, is at its end, or holds more than `MAX_ENCODED_BYTES`.
    """
    if isinstance(file, io.TextIOBase):
        raise InputError(f"{name} is open as text: open it in binary mode, 'rb'.")
    start = _position(file)
    content = bytearray()
    try:
        while chunk := file.read(min(_CHUNK, MAX_ENCODED_BYTES + 1 - len(content))):
            if not isinstance(chunk, (bytes, bytearray, memoryview)):
                raise InputError(f"{name} is no binary file: its read() gives {type(chunk).__name__}, not bytes.")
            content += chunk
            if len(content) > MAX_ENCODED_BYTES:
                raise InputError(f"{name} holds more than {MAX_ENCODED_BYTES} bytes.")
    except InputError:
        raise
    except Exception as error:  # whatever a stranger's read() raises
        raise InputError(f"{name} cannot be read: {error}.") from None
    finally:
        if start is not None:
            with suppress(Exception):
                file.seek(start)
    if not content and start:
        raise InputError(f"{name} is at its end, byte {start}: seek(0) before it is read.")
    return bytes(content)


def _position(file: Any) -> int | None:
    """Where a file object that can seek stands."""
    try:
        return int(file.tell()) if getattr(file, "seekable", lambda: True)() else None
    except Exception:  # a pipe, a closed file: reading says what is wrong
        return None
