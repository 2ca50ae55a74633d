"""What is refused before it is decoded."""

from pathlib import Path

import cv2
import hostile_files
import numpy as np
import PIL.Image
import pytest
from video_files import write_video

from modelscope_handkp.app.limits import Limits, RefusedError, check_image_file, check_video, check_video_file
from modelscope_handkp.sources.video import open_video


def refused(check, *arguments) -> tuple[str, str]:
    """The sentence in English and in Chinese."""
    with pytest.raises(RefusedError) as caught:
        check(*arguments)
    assert str(caught.value) == caught.value.in_language("en") and len(caught.value.args) == 1
    return caught.value.in_language("en"), caught.value.in_language("zh")


def test_an_image_of_the_most_pixels_is_taken_and_one_of_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.zeros((100, 200, 3), np.uint8))
    check_image_file(path, Limits(image_pixels=20_000))
    english, chinese = refused(check_image_file, path, Limits(image_pixels=19_999))
    assert "0.02 million pixels" in english and "超过 1.9999 万像素" in chinese


@pytest.mark.parametrize(("format", "library"), [("HEIF", "pillow_heif"), ("AVIF", "PIL._avif")])
def test_the_limit_of_pixels_holds_for_the_formats_of_phones(tmp_path: Path, format: str, library: str) -> None:
    found = pytest.importorskip(library)
    if format == "HEIF":
        found.register_heif_opener()
    PIL.Image.new("RGB", (200, 100)).save(path := tmp_path / "image", format)
    check_image_file(path, Limits(image_pixels=20_000))
    assert "0.02 million pixels" in refused(check_image_file, path, Limits(image_pixels=19_999))[0]


def test_300_megapixels_are_refused_by_what_the_file_states(tmp_path: Path) -> None:
    english, _ = refused(check_image_file, hostile_files.huge_png(tmp_path / "a.png"), Limits())
    assert "more than 50 million pixels" in english


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!doctype html><html>", "an HTML page"),
        (b"PK\x03\x04" + bytes(60), "a zip archive"),
        (b"%PDF-1.7", "a PDF document"),
        (b'{"a": 1}', "text"),
        (b"hello", "text"),
        (b"", "an empty file"),
    ],
)
@pytest.mark.parametrize("check", [lambda path: check_image_file(path, Limits()), check_video_file])
def test_what_is_no_image_and_no_video_is_called_what_it_is(content: bytes, kind: str, check, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    english, chinese = refused(check, path)
    assert kind in english and kind not in chinese


def test_an_image_and_a_video_are_sent_to_each_other_s_tab(tmp_path: Path, hands_image: Path) -> None:
    video = write_video(tmp_path / "a.mp4", 2)
    assert "under Video" in refused(check_image_file, video, Limits())[0]
    assert "under Image" in refused(check_video_file, hands_image)[0]
    check_video_file(video)
    check_image_file(hands_image, Limits())


def test_a_video_that_states_three_hours_is_refused(tmp_path: Path) -> None:
    with open_video(hostile_files.long_video(tmp_path / "a.mp4")) as video:
        english, chinese = refused(check_video, video, Limits())
    assert "1080" in english and "up to 60 s" in english and "60 秒" in chinese


def test_a_video_of_large_frames_is_refused(tmp_path: Path) -> None:
    with open_video(write_video(tmp_path / "a.mp4", 2, size=(64, 48))) as video:
        check_video(video, Limits(frame_pixels=64 * 48))
        assert "pixels a frame" in refused(check_video, video, Limits(frame_pixels=64 * 48 - 1))[0]
