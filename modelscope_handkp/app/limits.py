"""What one visitor of the page may ask for, so that others are answered, too."""

from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import PIL.Image

from ..errors import InputError
from ..file_kind import GIF, HEAD_BYTES, VIDEO, file_kind
from ..sources.content import is_heif
from ..sources.images import FORMATS
from ..sources.video import Video
from .words import say

MEGA = 1_000_000
MEGABYTE = 1024**2
NO_MEDIA = {  # how kinds of files begin -> what the page calls them
    "an HTML page": "html",
    "an XML": "text",
    "UTF": "text",
    "JSON": "text",
    "text": "text",
    "a zip": "zip",
    "a PDF": "pdf",
    "empty": "empty",
}


@dataclass(frozen=True)
class Limits:
    """The limits of a page.

    Attributes:
        file_bytes: of an uploaded file. body_bytes: of any other request.
        folder_bytes: of all uploads and results on disk; beyond it, uploads wait until old files are deleted.
        image_pixels, frame_pixels: of an image, and of a frame of a video.
        video_seconds: the length of a video.
        work_seconds: after which a video is answered with what is done.
        camera_seconds: after which a camera stops, and may be started again.
        images, videos, cameras: answered at the same time. waiting: requests of all kinds that wait for their turn.
        keep_seconds: after which uploads and results are deleted.
    """

    file_bytes: int = 100 * MEGABYTE
    body_bytes: int = 4 * MEGABYTE
    folder_bytes: int = 4096 * MEGABYTE
    image_pixels: int = 50 * MEGA
    frame_pixels: int = 4096 * 2304
    video_seconds: float = 60.0
    work_seconds: float = 90.0
    camera_seconds: int = 120
    images: int = 2
    videos: int = 1
    cameras: int = 4
    waiting: int = 40
    keep_seconds: int = 600


class RefusedError(InputError):
    """What a page does not take; `in_language` says it in either language."""

    name = ""
    values: dict[str, Any] = {}  # noqa: RUF012  set for each by `refusal`

    def in_language(self, language: str) -> str:
        """The sentence in a language of `words.LANGUAGES`."""
        values = {key: say(language, value) if key == "kind" else value for key, value in self.values.items()}
        return say(language, self.name, **values)


def refusal(name: str, **values: Any) -> RefusedError:
    """The error that says a sentence of `words.SENTENCES`."""
    error = RefusedError(name)
    error.name, error.values = name, values
    error.args = (error.in_language("en"),)
    return error


def check_image_file(path: Path, limits: Limits) -> None:
    """Refuse a file that its first bytes show to be no image or too large, before it is decoded.

    Raises:
        RefusedError: it says why.
    """
    if _media_kind(path, "no_image") == VIDEO:
        raise refusal("video_for_image")
    with path.open("rb") as file:
        check_pixels(file, limits.image_pixels)


def check_pixels(file: IO[bytes], most: int) -> None:
    """Refuse an encoded image that states more pixels.

    Raises:
        RefusedError: it says so.
    """
    try:
        with _opened(file) as image:
            pixels = image.width * image.height
    except PIL.Image.DecompressionBombError:
        pixels = most + 1
    except Exception:  # a hostile file makes Pillow raise anything; load_image says what is wrong
        return
    if pixels > most:
        raise refusal("too_many_pixels", pixels=most)


def _opened(file: IO[bytes]) -> PIL.Image.Image:
    """An image of any format of `load_image`, not decoded."""
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if is_heif(head):
        from pillow_heif import HeifImageFile

        image: PIL.Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call]
        return image
    return PIL.Image.open(file, formats=(*FORMATS, "AVIF"))


def check_video_file(path: Path) -> None:
    """Refuse a file that its first bytes show to be no video.

    Raises:
        RefusedError: it says why.
    """
    kind = _media_kind(path, "no_video")
    if kind not in (VIDEO, GIF) and "image" in kind:
        raise refusal("image_for_video")


def check_video(video: Video, limits: Limits) -> None:
    """Refuse a video that states that it is too long, or whose frames are too large.

    Raises:
        RefusedError: it says why.
    """
    if video.duration is not None and video.duration > limits.video_seconds:
        raise refusal("too_long", seconds=f"{video.duration:.0f}", most=f"{limits.video_seconds:g}")
    if video.size[0] * video.size[1] > limits.frame_pixels:
        raise refusal("too_many_pixels_a_frame", pixels=limits.frame_pixels)


def _media_kind(path: Path, otherwise: str) -> str:
    """What a file is.

    Raises:
        RefusedError: the sentence ``otherwise``, for what is neither an image nor a video.
    """
    with path.open("rb") as file:
        kind = file_kind(file.read(HEAD_BYTES)) or ""
    for begin, name in NO_MEDIA.items():
        if kind.startswith(begin):
            raise refusal(otherwise, kind=name)
    return kind
