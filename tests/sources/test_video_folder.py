"""The images of a folder are the frames of a video without a rate."""

from pathlib import Path

import cv2
import pytest
from video_files import number_of, numbered

from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.sources.video import is_video, open_video


def write_images(folder: Path, names: list[str]) -> Path:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        cv2.imwrite(str(folder / name), numbered(number))
    return folder


@pytest.mark.parametrize(
    "names",
    [
        ["frame1.png", "frame2.png", "frame10.png", "frame100.png"],
        ["0.png", "1.png", "9.png", "10.png", "11.png"],
        ["take1_9.png", "take1_10.png", "take2_1.png"],
        ["frame007.png", "frame8.png", "frame09.png", "frame010.png"],
        ["1.jpg", "2.png", "3.bmp"],
        ["A1.png", "a2.png", "B1.png"],
        ["frame.png", "frame1.png", "frame_1.png"],
        ["01.png", "1.png", "2.png"],
        ["20240101120000000001.png", "20240101120000000002.png"],
    ],
)
def test_frames_come_in_the_order_of_their_numbers(tmp_path: Path, names: list[str]) -> None:
    folder = write_images(tmp_path / "frames", names)
    assert set(names) <= {file.name for file in folder.iterdir()}
    with open_video(str(folder)) as video:
        assert (video.name, video.size, video.rate) == (str(folder), (64, 48), None)
        assert (video.frame_count, video.duration, video.is_live) == (len(names), None, False)
        frames = list(video)
    assert [number_of(frame.image) for frame in frames] == list(range(len(names)))
    assert [(frame.index, frame.time) for frame in frames] == [(i, float(i)) for i in range(len(names))]


def test_start_end_and_every_count_frames(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "frames", [f"{number}.png" for number in range(20)])
    video = open_video(folder, start=4, end=15, every=4)
    assert [(frame.index, number_of(frame.image)) for frame in video] == [(4, 4), (8, 8), (12, 12)]


def test_a_broken_frame_is_an_error_of_that_frame(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "frames", [f"{number}.png" for number in range(5)])
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:60])
    video, indices = open_video(folder), []
    with pytest.raises(InputError, match=r"frame 2 cannot be read: .*2\.png is broken"):
        for frame in video:
            indices.append(frame.index)
    for frame in video:
        indices.append(frame.index)
    assert indices == [0, 1, 3, 4]


def test_a_folder_without_images_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="is a folder without an image"):
        open_video(tmp_path)
    assert not is_video(tmp_path)


def test_the_first_image_is_read_at_the_door(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "frames", ["0.png"])
    (folder / "0.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"frame 0 cannot be read: .*0\.png is text"):
        open_video(folder)
