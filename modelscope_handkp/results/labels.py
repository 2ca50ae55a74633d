"""Text on images, with a dark rim, in OpenCV's font or in one with Chinese characters."""

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from ..arrays import Image
from ..errors import InputError, MissingFileError
from .style import Color

FONT_SCALE, FONT_SCALE_PER_LINE = 0.4, 0.12  # of OpenCV's font
FONT_HEIGHT = 22  # pixels of its digits at scale 1
HEIGHT_OF_CHARACTER = 1.4  # of a Chinese character, in heights of a digit
MAX_RIM = 8  # pixels
FAR = 1 << 24  # pixels; beyond any image
CHINESE = "手"
# Fonts that have Chinese characters, by the names that Linux, macOS and Windows give them; the first found is used.
CHINESE_FONTS = (
    *("NotoSansCJK-Regular.ttc", "NotoSansCJKsc-Regular.otf", "NotoSansSC-Regular.otf", "NotoSansSC-Regular.ttf"),
    *("NotoSansSC[wght].ttf", "NotoSansCJK-VF.otf.ttc", "SourceHanSansSC-Regular.otf", "SourceHanSansCN-Regular.otf"),
    *("SourceHanSans.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc", "DroidSansFallbackFull.ttf", "DroidSansFallback.ttf"),
    *("PingFang.ttc", "Hiragino Sans GB.ttc", "STHeiti Medium.ttc", "STHeiti Light.ttc", "Songti.ttc"),
    *("Arial Unicode.ttf", "msyh.ttc", "msyh.ttf", "Deng.ttf", "simhei.ttf", "simsun.ttc", "NotoSerifCJK-Regular.ttc"),
    *("uming.ttc", "ukai.ttc"),
)
MAX_FILES = 100_000  # that are looked at in folders of fonts
ADVICE = "install one, such as the package fonts-noto-cjk or fonts-wqy-microhei, or name its file (font=, --font)"


def draw_text(canvas: Image, text: str, box: Any, line: int, color: Color, font: str | Path | None) -> None:
    """Write ``text`` on ``canvas`` (H, W, 3) above the left upper corner of a box, or as near as the image has room.

    Args:
        box: (4,) xyxy in image pixels. line: the width of its line, by which the text grows.
        font: a font's file; None: OpenCV's, for ASCII.
    """
    scale = FONT_SCALE + FONT_SCALE_PER_LINE * line
    mask, baseline = _opencv_mask(text, scale, line) if font is None else _pillow_mask(text, scale, str(font))
    left, top = np.clip(np.asarray(box)[:2], -FAR, FAR).astype(int).tolist()
    left = max(0, min(left + line, canvas.shape[1] - mask.shape[1]))
    bottom = max(top - 2 * line, int(FONT_HEIGHT * scale))
    rim = min(max(1, line // 2), MAX_RIM)
    mask = np.pad(mask, rim)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    place = left - rim, bottom - baseline - rim
    _blend(canvas, np.asarray(cv2.dilate(mask, kernel), np.uint8), place, (0, 0, 0))
    _blend(canvas, mask, place, color)


def _blend(canvas: Image, mask: Image, place: tuple[int, int], color: Color) -> None:
    """Paint ``color`` where ``mask`` (h, w) says, 0 to 255, with its left upper corner at ``place``."""
    (left, top), (height, width) = place, mask.shape
    x, y = slice(max(left, 0), max(left + width, 0)), slice(max(top, 0), max(top + height, 0))
    below = canvas[y, x]
    alpha = mask[y.start - top :, x.start - left :][: below.shape[0], : below.shape[1], None] / np.float32(255)
    below[...] = np.rint(below * (1 - alpha) + np.array(color, np.float32) * alpha)


def _opencv_mask(text: str, scale: float, line: int) -> tuple[Image, int]:
    """The text as a mask (h, w) and the row of its base line."""
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, line)
    margin = below + line
    mask = np.zeros((height + 2 * margin, width + 2 * margin), np.uint8)
    place = (0, height + margin)
    cv2.putText(mask, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, 255, line, cv2.LINE_AA)
    return mask, height + margin


def _pillow_mask(text: str, scale: float, path: str) -> tuple[Image, int]:
    font = _font(path, max(1, round(FONT_HEIGHT * scale * HEIGHT_OF_CHARACTER)))
    _, top, right, bottom = font.getbbox(text, anchor="ls")
    canvas = PIL.Image.new("L", (max(1, int(right)), max(1, int(bottom - top))))
    PIL.ImageDraw.Draw(canvas).text((0, -top), text, 255, font, anchor="ls")
    return np.array(canvas), -int(top)


@lru_cache(maxsize=16)
def _font(path: str, size: int) -> PIL.ImageFont.FreeTypeFont:
    if not Path(path).is_file():
        raise MissingFileError(f"there is no font {path}.")
    try:
        return PIL.ImageFont.truetype(path, size)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is no font that can be read: {error}.") from None


def font_of(language: str | None, font: str | Path | None) -> str | Path | None:
    """The font's file that labels in a language are written in; None: OpenCV's.

    Args:
        font: the one that is asked for.
    Raises:
        MissingFileError: there is no such file. InputError: it is no font, it has no Chinese characters for "zh", or
            there is no font with Chinese characters on this system; it says what to do.
    """
    if language != "zh":
        return font if font is None else _checked(str(font))
    if font is None:
        return chinese_font()
    if not _has_chinese(str(font)):
        raise InputError(f"the font {font} has no Chinese characters: {ADVICE}.")
    return font


def _checked(path: str) -> str:
    _font(path, FONT_HEIGHT)
    return path


def _has_chinese(path: str) -> bool:
    font = _font(path, FONT_HEIGHT)
    return bytes(font.getmask(CHINESE)) != bytes(font.getmask("\U0010ffff"))  # which no font has


@lru_cache(maxsize=1)
def chinese_font() -> str:
    """A font of this system that has Chinese characters.

    Raises:
        InputError: there is none; it says what to do.
    """
    found: dict[str, str] = {}
    wanted = {name.lower() for name in CHINESE_FONTS}
    looked_at = 0
    for folder in font_folders():
        for parent, _, names in os.walk(folder):
            looked_at += len(names)
            for name in names:
                if name.lower() in wanted:
                    found.setdefault(name.lower(), os.path.join(parent, name))
            if looked_at > MAX_FILES:
                break
    for name in CHINESE_FONTS:
        path = found.get(name.lower())
        if path is not None and _has_chinese(path):
            return path
    raise InputError(f"no font with Chinese characters is found on this system: {ADVICE}.")


def font_folders() -> list[Path]:
    """Where Linux, macOS and Windows keep fonts."""
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home / "AppData" / "Local"))
        return [Path(os.environ.get("WINDIR", "C:\\Windows")) / "Fonts", local / "Microsoft" / "Windows" / "Fonts"]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    data = Path(os.environ.get("XDG_DATA_HOME", home / ".local" / "share"))
    return [data / "fonts", home / ".fonts", Path("/usr/local/share/fonts"), Path("/usr/share/fonts")]
