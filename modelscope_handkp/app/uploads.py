"""Gradio's components for what strangers send: it is passed on unread, and nothing is downloaded."""

import abc
import base64
import functools
import importlib.util
import io
from pathlib import Path
from typing import Any

from ..errors import MissingPackageError
from ..sources.encoded import decode_data_url, is_data_url
from .limits import check_pixels, refusal

DATA_URL = "data:image/jpeg;base64,"


def check_gradio() -> None:
    """Refuse to go on without Gradio, which takes seconds to import.

    Raises:
        MissingPackageError: it is not installed.
    """
    if importlib.util.find_spec("gradio") is None:
        raise MissingPackageError("the app needs Gradio: pip install 'modelscope-handkp[app]'.")


def import_gradio() -> Any:
    """Gradio.

    Raises:
        MissingPackageError: it is not installed.
    """
    check_gradio()
    import gradio

    return gradio


def image_file(**options: Any) -> Any:
    """A ``gradio.Image`` that gives a function what `given_file` or `sources.images.load_image` takes: Gradio's own
    decodes with Pillow whatever comes. It is set to the content of a JPEG, which no file is written for."""
    return _closed_file(import_gradio().Image)(**options)


def video_file(**options: Any) -> Any:
    """A ``gradio.Video`` that gives a function what `given_file` takes: Gradio's own runs FFmpeg on some files. It is
    set to the path of an mp4."""
    return _closed_file(import_gradio().Video)(**options)


def setting_as_sent(name: str, **options: Any) -> Any:
    """A component of Gradio that gives a function whatever was sent, which `Models.get` checks: Gradio's own refuses in
    words for programmers."""
    return _closed(getattr(import_gradio(), name))(**options)


def given_file(payload: Any) -> tuple[Path, str]:
    """The path of an uploaded file, and what the visitor calls it.

    Raises:
        RefusedError: it is no uploaded file, or was deleted.
    """
    if payload is None or not payload.path:
        raise refusal("no_file")
    if _is_address(payload.path):
        raise refusal("no_url")
    path = Path(payload.path)
    if not path.is_file():
        raise refusal("gone")
    return path, Path(payload.orig_name or path.name).name[-100:]


def given_frame(payload: Any, most: int) -> bytes:
    """The content of a frame of a camera, with ``most`` pixels.

    Raises:
        InputError: it is none, or has more.
    """
    if payload is None or not (payload.path or is_data_url(str(payload.url))):
        raise refusal("no_file")
    content = given_file(payload)[0].read_bytes() if payload.path else decode_data_url(payload.url, "the frame")
    check_pixels(io.BytesIO(content), most)
    return content


@functools.cache
def _closed_file(component: Any) -> Any:
    """A class of Gradio's without its readers and its downloads; `given_file` says what is wrong with a place."""

    def move(self: Any, place: Any) -> Any:
        return component.move_resource_to_block_cache(self, place) if _is_here(place) else place

    async def move_async(self: Any, place: Any) -> Any:
        return await component.async_move_resource_to_block_cache(self, place) if _is_here(place) else place

    return _closed(
        component,
        postprocess=lambda self, value: _for_the_browser(value),
        move_resource_to_block_cache=move,
        async_move_resource_to_block_cache=move_async,
    )


def _closed(component: Any, **replaced: Any) -> Any:
    """A class of Gradio's that passes on what was sent.

    It is made without the metaclass's ``__new__``, which writes a file beside this one.
    """
    replaced |= {
        "__module__": __name__,
        "is_template": True,  # the browser shows what it shows for the component
        "preprocess": lambda self, payload: payload,
    }
    return abc.ABCMeta.__new__(type(component), f"Closed{component.__name__}", (component,), replaced)


def _for_the_browser(value: Any) -> Any:
    """A data URL of the content of a JPEG, or a file."""
    from gradio.data_classes import FileData, ImageData

    if isinstance(value, bytes):
        return ImageData(url=DATA_URL + base64.b64encode(value).decode())
    return None if value is None else FileData(path=str(value), orig_name=Path(value).name)


def _is_address(place: Any) -> bool:
    return str(place).lower().startswith(("http:", "https:"))


def _is_here(place: Any) -> bool:
    return place is None or (not _is_address(place) and Path(place).is_file())
