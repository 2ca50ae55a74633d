"""Frames are written as mp4."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import decode, write_clip

from modelscope_handkp.errors import InputError, MissingFileError, MissingPackageError
from modelscope_handkp.results.video import VideoWriter

av = pytest.importorskip("av", reason="PyAV is not installed")


def gray(value: int, size: tuple[int, int] = (64, 48)) -> np.ndarray:
    return np.full((*size[::-1], 3), value, np.uint8)


def boxes_of(path: Path) -> list[bytes]:
    """The names of the file's top boxes, as ISO/IEC 14496-12 has them."""
    content, names, place = path.read_bytes(), [], 0
    while place < len(content):
        names.append(content[place + 4 : place + 8])
        place += int.from_bytes(content[place : place + 4], "big")
    return names


def test_what_is_written_is_decoded_again(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with VideoWriter(path, (64, 48), 25) as writer:
        for index in range(50):
            writer.write(gray(5 * index), index / 25)
        assert not path.exists()  # it appears whole
    found = decode(path)
    assert found.times == pytest.approx([index / 25 for index in range(50)])
    assert found.duration == pytest.approx(2)
    assert [image.shape for image in found.images] == [(48, 64, 3)] * 50
    for index, image in enumerate(found.images):
        assert abs(image.mean() - 5 * index) < 3
    assert found.audio is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]
    assert writer.count == 50
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 25


def test_it_is_what_browsers_play(tmp_path: Path) -> None:
    """H.264 in yuv420p, with the index before the data, of one piece."""
    with VideoWriter(tmp_path / "a.mp4", (64, 48)) as writer:
        for index in range(100):
            writer.write(gray(index), index / 30)
    names = boxes_of(tmp_path / "a.mp4")
    assert names.index(b"moov") < names.index(b"mdat") and b"moof" not in names
    with av.open(str(tmp_path / "a.mp4")) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)  # BT.709
        assert context.color_range == 1  # 16 to 235


def test_colours_stay(tmp_path: Path) -> None:
    colors = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (51, 153, 204)]
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        for index, color in enumerate(colors):
            writer.write(np.full((48, 64, 3), color, np.uint8), index / 25)
    for color, image in zip(colors, decode(tmp_path / "a.mp4").images):
        assert np.abs(image.reshape(-1, 3).mean(axis=0) - color).max() < 6


def test_each_frame_has_its_own_time(tmp_path: Path) -> None:
    times = [5.0, 5.04, 5.1, 5.1001, 6.0, 9.5]  # the first frame is the beginning
    for rate, last in ((10, 0.1), (None, 3.5)):  # without a rate the last frame stays as long as the one before
        with VideoWriter(tmp_path / "a.mp4", (64, 48), rate) as writer:
            for index, time in enumerate(times):
                writer.write(gray(40 * index), time)
        found = decode(tmp_path / "a.mp4")
        assert found.times == pytest.approx([time - 5 for time in times], abs=1e-5)
        assert found.duration == pytest.approx(4.5 + last)


@pytest.mark.parametrize("rate", [None, 30])
def test_frames_that_are_hours_apart(rate: float | None, tmp_path: Path) -> None:
    times = [0.0, 20_000.0, 40_000.0, 60_000.0]
    with VideoWriter(tmp_path / "a.mp4", (64, 48), rate) as writer:
        for time in times:
            writer.write(gray(1), time)
    assert decode(tmp_path / "a.mp4").times == pytest.approx(times)


def test_a_single_frame_is_shown_for_the_time_of_one(tmp_path: Path) -> None:
    for rate, expected in ((10, 0.1), (None, 1 / 30)):
        with VideoWriter(tmp_path / "a.mp4", (64, 48), rate) as writer:
            writer.write(gray(100), 3.0)
        found = decode(tmp_path / "a.mp4")
        assert found.times == [0] and found.duration == pytest.approx(expected, abs=1e-4)


def test_times_that_do_not_increase_are_made_to(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        for index, time in enumerate([0, 0.04, 0.04, 0.02, 0.08]):
            writer.write(gray(50 * index), time)
    found = decode(tmp_path / "a.mp4")
    assert len(found.times) == 5 and (np.diff(found.times) > 0).all()
    assert found.times == pytest.approx([0, 0.04, 0.04, 0.04, 0.08], abs=1e-4)


@pytest.mark.parametrize("size", [(65, 49), (64, 49), (1, 1), (3, 200), (200, 1)])
def test_odd_sizes_repeat_the_last_column_and_row(size: tuple[int, int], tmp_path: Path) -> None:
    width, height = size
    with VideoWriter(tmp_path / "a.mp4", size, 25) as writer:
        for index in range(3):
            image = gray(100, size)
            image[:, -1] = image[-1] = 250
            writer.write(image, index / 25)
    for image in decode(tmp_path / "a.mp4").images:
        assert image.shape == (height + height % 2, width + width % 2, 3)
        assert image[-1, -1].min() > 230


def test_an_image_that_is_a_view_is_written_and_left_alone(tmp_path: Path) -> None:
    image = np.zeros((96, 128, 3), np.uint8)[::2, ::-2]
    image[...] = 77
    image.flags.writeable = False
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        writer.write(image, 0)
    assert abs(decode(tmp_path / "a.mp4").images[0].mean() - 77) < 3


def test_without_a_frame_there_is_no_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", (64, 48)):
        pass
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4", (64, 48)):
        raise KeyboardInterrupt
    assert (tmp_path / "a.mp4").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_what_ends_the_block_leaves_a_video_of_the_frames_before(stop: type[BaseException], tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("old")
    with pytest.raises(stop), VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        for index in range(33):
            writer.write(gray(5 * index), index / 25)
        raise stop
    found = decode(tmp_path / "a.mp4")
    assert found.times == pytest.approx([index / 25 for index in range(33)])
    assert b"moof" not in boxes_of(tmp_path / "a.mp4")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("sound", [True, False])
def test_a_full_disk_keeps_a_video_of_the_frames_before(sound: bool, tmp_path: Path, disk_of: Any) -> None:
    source = write_clip(tmp_path / "source.mp4", seconds=12) if sound else None
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8)
    written = 0
    with (
        disk_of(250_000),
        pytest.raises(OSError, match=r"too large: .*a\.mp4"),
        VideoWriter(tmp_path / "a.mp4", (64, 48), 25, source) as writer,
    ):
        for index in range(300):
            writer.write(noise[index % 40], index / 25)
            written += 1
    found = decode(tmp_path / "a.mp4")
    assert 70 < len(found.times) < written < 299
    assert found.times == pytest.approx([index / 25 for index in range(len(found.times))])
    assert {entry.name for entry in tmp_path.iterdir()} <= {"a.mp4", "source.mp4"}


@pytest.mark.parametrize("frames", [10, 30])  # the first are written at the end
def test_a_disk_that_is_full_from_the_beginning_leaves_the_old_file(frames: int, tmp_path: Path, disk_of: Any) -> None:
    (tmp_path / "a.mp4").write_text("old")
    full = pytest.raises(OSError, match="too large")
    with disk_of(500), full, VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        for index in range(frames):
            writer.write(gray(index), index / 25)
    assert (tmp_path / "a.mp4").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


def test_no_room_for_the_final_form_keeps_the_fragments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, fragments: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("modelscope_handkp.results.video.write_faststart", full)
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        for index in range(60):
            writer.write(gray(index), index / 25)
    assert decode(tmp_path / "a.mp4").times == pytest.approx([index / 25 for index in range(60)])
    assert "No space left" in caplog.text
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.mp4"]


def test_what_is_on_the_disk_plays_at_every_moment(tmp_path: Path) -> None:
    """A process that is killed leaves whole seconds of a video, under a temporary name."""
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        for index in range(200):
            writer.write(gray(index), index / 25)
        (partial,) = tmp_path.glob(".a.mp4.*.partial")
        (tmp_path / "copy.mp4").write_bytes(partial.read_bytes())
    assert 100 <= len(decode(tmp_path / "copy.mp4").times) < 200


@pytest.mark.parametrize(
    ("image", "time", "message"),
    [
        (gray(1, (64, 47)), 0.0, r"takes frames of shape \(48, 64, 3\) uint8 BGR, not uint8 \(47, 64, 3\)"),
        (gray(1)[..., 0], 0.0, r"not uint8 \(48, 64\)"),
        (gray(1).astype(float), 0.0, "not float64"),
        ("a.jpg", 0.0, "not a str"),
        (gray(1), float("nan"), "time must be a number of seconds, got nan"),
        (gray(1), None, "got None"),
        (gray(1), "1", "got '1'"),
        (gray(1), 1e9, "more than 20000 s after the one before"),
        (gray(1), 20_001, "more than 20000 s after the one before"),
    ],
)
def test_a_frame_that_cannot_be_is_refused_and_costs_no_other(
    image: np.ndarray, time: float, message: str, tmp_path: Path
) -> None:
    with VideoWriter(tmp_path / "a.mp4", (64, 48), 25) as writer:
        writer.write(gray(0), 0.0)
        with pytest.raises(InputError, match=message):
            writer.write(image, time)
        writer.write(gray(0), 0.04)
    assert decode(tmp_path / "a.mp4").times == pytest.approx([0, 0.04])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": "a.avi"}, r"a\.avi must end in \.mp4"),
        ({"path": "a"}, r"must end in \.mp4"),
        ({"size": (0, 4)}, "the width of a video must be a positive integer, got 0"),
        ({"size": (4, 2.5)}, "the height of a video"),
        ({"size": 4}, "size must be width and height, got 4"),
        ({"size": (20_000, 4)}, "at most 16384 x 16384 pixels, not 20000 x 4"),
        ({"rate": 0}, "rate must be frames a second"),
        ({"rate": float("nan")}, "rate must be"),
        ({"rate": 1e9}, "rate must be"),
        ({"rate": "25"}, "rate must be"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(options: dict, message: str, tmp_path: Path) -> None:
    path = tmp_path / options.pop("path", "a.mp4")
    with pytest.raises(InputError, match=message):
        VideoWriter(path, **{"size": (64, 48), **options})
    assert list(tmp_path.iterdir()) == []


def test_a_place_where_no_file_can_be_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"there is no folder .*nowhere"):
        VideoWriter(tmp_path / "nowhere" / "a.mp4", (64, 48))
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match="not a file that can be written anew"):
        VideoWriter(tmp_path / "folder.mp4", (64, 48))
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(InputError, match="not a file that can be written anew"):
        VideoWriter(tmp_path / "pipe.mp4", (64, 48))


def test_frames_are_written_inside_the_block(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "a.mp4", (64, 48))
    with pytest.raises(InputError, match="inside 'with VideoWriter"):
        writer.write(gray(1), 0)
    with writer:
        writer.write(gray(1), 0)
    with pytest.raises(InputError, match="inside 'with VideoWriter"):
        writer.write(gray(1), 1)
    assert len(decode(tmp_path / "a.mp4").times) == 1


def test_a_name_with_a_colon_is_a_file(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "http:a, b.mp4", (64, 48)) as writer:
        writer.write(gray(1), 0)
    assert len(decode(tmp_path / "http:a, b.mp4").times) == 1


def test_pyav_is_named_where_it_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    message = r"writing a video needs PyAV: pip install 'modelscope-handkp\[video\]'"
    with pytest.raises(MissingPackageError, match=message), VideoWriter(tmp_path / "a.mp4", (64, 48)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_build_without_an_encoder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str, mode: str) -> None:
        raise av.codec.codec.UnknownCodecError(name)

    monkeypatch.setattr(av.codec, "Codec", unknown)
    with pytest.raises(MissingPackageError, match=r"no H\.264 encoder"), VideoWriter(tmp_path / "a.mp4", (64, 48)):
        pass
    assert list(tmp_path.iterdir()) == []
