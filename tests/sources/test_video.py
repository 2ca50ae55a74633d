"""Videos give their frames in order, with true times and numbers, and only those that are asked for."""

import gc
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

pytest.importorskip("av", reason="PyAV is not installed")
import av
from video_files import number_of, numbered, write_video

from modelscope_handkp.errors import InputError, MissingFileError, MissingPackageError
from modelscope_handkp.sources.video import Frame, is_video, open_video


def numbers(video: Any) -> list[int]:
    """The numbers that the frames show, which are to be their indices."""
    frames = list(video)
    shown = [number_of(frame.image) for frame in frames]
    assert shown == [frame.index for frame in frames]
    return shown


def open_files() -> set[str]:
    return {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.exists()}


# --- all frames


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".avi", ".mkv", ".webm", ".gif"])
def test_every_frame_is_given_with_its_number_and_time(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"a{suffix}", count=12, size=(64, 48), rate=25)
    with open_video(path) as video:
        assert (video.source, video.name, video.size, video.is_live) == (path, str(path), (64, 48), False)
        assert video.rate == pytest.approx(25, rel=0.02)
        assert video.duration == pytest.approx(12 / 25, abs=0.05)
        assert video.frame_count == 12
        frames = list(video)
    assert [number_of(frame.image) for frame in frames] == list(range(12))
    assert [frame.index for frame in frames] == list(range(12))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(12) / 25, atol=1e-3)
    for frame in frames:
        assert isinstance(frame, Frame)
        assert (frame.image.shape, frame.image.dtype, frame.image.flags.c_contiguous) == ((48, 64, 3), np.uint8, True)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_a_video_is_known_by_its_content(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"a{suffix}", count=3)
    renamed = path.rename(tmp_path / "a.jpg")
    assert is_video(renamed)
    assert is_video(str(renamed))
    assert numbers(open_video(str(renamed))) == [0, 1, 2]


def test_images_and_what_is_no_video_are_none(tmp_path: Path) -> None:
    PIL.Image.fromarray(numbered(1)).save(tmp_path / "still.gif")
    PIL.Image.fromarray(numbered(1)).save(tmp_path / "still.png")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "hostile.gif").write_bytes(b"GIF89a" + bytes(range(256)))
    for name in ("still.gif", "still.png", "text.mp4", "empty.mp4", "hostile.gif", "missing.mp4", ".", "x" * 5000):
        assert not is_video(tmp_path / name), name
    for other in (0, None, b"bytes", numbered(0)):
        assert not is_video(other)  # type: ignore[arg-type]


def test_a_gif_of_several_frames_is_a_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.gif", count=2)
    assert is_video(path)
    assert open_video(path).frame_count in (2, None)


# --- which frames


@pytest.mark.parametrize(
    ("start", "end", "every", "expected"),
    [
        (None, None, 1, range(50)),
        (0.4, None, 1, range(10, 50)),
        (None, 0.4, 1, range(10)),
        (0.41, 0.79, 1, range(11, 20)),
        (1.0, 1.6, 4, range(25, 40, 4)),
        (None, None, 7, range(0, 50, 7)),
        (1.2, None, 3, range(30, 50, 3)),
        (np.float32(1.0), np.int64(2), np.int64(5), range(25, 50, 5)),
        (1.96, None, 1, [49]),
        (0, 1e9, 100, [0]),
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".gif"])
def test_start_end_and_every_choose_frames(
    clips: dict[str, Path], suffix: str, start: Any, end: Any, every: Any, expected: Any
) -> None:
    with open_video(clips[suffix], start, end, every) as video:
        assert video.frame_count == len(expected)
        assert numbers(video) == list(expected)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """50 frames at 25 a second, with a keyframe each 6 frames where that can be said."""
    folder = tmp_path_factory.mktemp("clips")
    options = {"g": "6", "bf": "2"}
    return {
        suffix: write_video(folder / f"a{suffix}", count=50, options={} if suffix == ".gif" else options)
        for suffix in (".mp4", ".mkv", ".avi", ".gif")
    }


@pytest.mark.parametrize(
    ("codec", "suffix", "options"),
    [
        ("libx264", ".mp4", {"g": "6", "bf": "3", "b-pyramid": "normal"}),
        ("libx264", ".mkv", {"g": "6", "bf": "3", "x264-params": "open-gop=1"}),
        ("libx264", ".mp4", {"g": "12", "x264-params": "intra-refresh=1"}),
        ("libx265", ".mp4", {"x265-params": "keyint=6:min-keyint=6:open-gop=1:log-level=none"}),
        ("libvpx-vp9", ".webm", {"g": "6", "auto-alt-ref": "1", "lag-in-frames": "12", "deadline": "realtime"}),
        ("libvpx", ".webm", {"g": "6", "auto-alt-ref": "1", "lag-in-frames": "12"}),
        ("mpeg4", ".mp4", {"g": "6", "bf": "2"}),
        ("mpeg2video", ".ts", {"g": "6", "bf": "2"}),
        ("mjpeg", ".mov", {}),
    ],
)
def test_start_gives_the_same_frames_as_reading_from_the_beginning(
    tmp_path: Path, codec: str, suffix: str, options: dict[str, str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 60, (30, 48, 64, 3), np.uint8)
    images = [numbered(index) // 2 + part for index, part in enumerate(noise)]
    pixels = "yuvj420p" if codec == "mjpeg" else None
    path = write_video(tmp_path / f"a{suffix}", images=images, codec=codec, pixels=pixels, options=options)
    whole = list(open_video(path))
    assert len(whole) == 30
    for start in (0.1, 0.5, 0.98):
        part = list(open_video(path, start=start))
        expected = [frame for frame in whole if frame.time >= start]
        assert [(frame.index, frame.time) for frame in part] == [(frame.index, frame.time) for frame in expected]
        for frame, other in zip(part, expected, strict=True):
            np.testing.assert_array_equal(frame.image, other.image)


def test_start_is_reached_without_decoding_what_comes_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a late start in a long video takes minutes."""
    path = write_video(tmp_path / "a.mp4", count=40, options={"g": "10"})
    broken = bytearray(path.read_bytes())
    place = broken.index(b"mdat") + 8
    broken[place + 40 : place + 400] = bytes(360)  # in the first frames
    path.write_bytes(broken)
    assert numbers(open_video(path, start=1.0)) == list(range(25, 40))


def same_from(path: Path, start: float) -> list[int]:
    """The numbers of the frames from ``start`` on, which are to be those of reading from the beginning."""
    whole, part = frames_before_an_error(open_video(path)), frames_before_an_error(open_video(path, start=start))
    expected = [(frame.index, frame.time, number_of(frame.image)) for frame in whole if frame.time >= start]
    assert [(frame.index, frame.time, number_of(frame.image)) for frame in part] == expected
    return [frame.index for frame in part]


def frames_before_an_error(video: Any) -> list[Frame]:
    frames = []
    with suppress(InputError):
        for frame in video:
            frames.append(frame)
    return frames


def test_a_keyframe_that_cannot_be_decoded_is_not_begun_with(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", 40, options={"g": "10", "bf": "0"})
    with av.open(str(path)) as file:
        keyframes = [(packet.pts / 1000, bytes(packet)) for packet in file.demux(video=0) if packet.is_keyframe]
    start, content = keyframes[2]
    path.write_bytes(path.read_bytes().replace(content, bytes(len(content))))
    assert len(same_from(path, start)) > 8


def test_an_index_that_points_elsewhere_is_not_believed(tmp_path: Path) -> None:
    options, container = {"x264-params": "keyint=5:min-keyint=5:scenecut=0"}, {"cluster_time_limit": "190"}
    path = write_video(tmp_path / "a.mkv", 40, options=options, container=container)
    content = bytearray(path.read_bytes())
    cues = content.rindex(b"\x1c\x53\xbb\x6b")
    places = [place for place in range(cues, len(content)) if content[place : place + 2] == b"\xf1\x82"]
    assert len(places) > 5
    for place, following in zip(places, [*places[2:], places[-1], places[-1]], strict=True):
        content[place : place + 4] = content[following : following + 4]
    path.write_bytes(content)
    assert same_from(path, start=0.5) == list(range(13, 40))


def test_equal_timestamps_count_the_same(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", 30, codec="mjpeg", pixels="yuvj420p")
    content = bytearray(path.read_bytes())
    images = [place for place in range(len(content) - 3) if content[place : place + 3] == b"\xff\xd8\xff"]
    for number in (5, 6, 7, 11):  # the time of a block stands before its flags, which stand before its content
        content[images[number] - 3 : images[number] - 1] = content[images[4] - 3 : images[4] - 1]
    path.write_bytes(content)
    same_from(path, start=0.8)


def test_frames_before_the_first_keyframe_count_the_same(tmp_path: Path) -> None:
    """As in a recording of a broadcast, whose first frames refer to some that are not there."""
    options = {"g": "8", "bf": "3", "x264-params": "open-gop=1:scenecut=0"}
    whole, path = write_video(tmp_path / "whole.mkv", 60, options=options), tmp_path / "a.mkv"
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream, keyframes = target.add_stream_from_template(source.streams.video[0]), 0
        for packet in source.demux(video=0):
            keyframes += packet.is_keyframe
            if packet.size and keyframes > 1:
                packet.stream = stream
                target.mux(packet)
    indices = [frame.index for frame in open_video(path)]
    assert 40 < len(indices) < 60
    for start in (0.4, 1.0, 1.5):
        frames = list(open_video(path, start=start))
        expected = [frame for frame in open_video(path) if frame.time >= start]
        assert [frame[:2] for frame in frames] == [frame[:2] for frame in expected]
        assert [number_of(frame.image) for frame in frames] == [number_of(frame.image) for frame in expected]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"start": -1}, "start must be seconds from 0 on, got -1"),
        ({"start": "1"}, "start must be seconds"),
        ({"start": True}, "start must be seconds"),
        ({"end": float("nan")}, "end must be seconds"),
        ({"end": float("inf")}, "end must be seconds"),
        ({"end": 0}, "end must come after start, got start 0 s and end 0 s"),
        ({"start": 2, "end": 2}, "end must come after start, got start 2 s and end 2 s"),
        ({"every": 0}, "every must be a positive integer, got 0"),
        ({"every": 1.5}, "every must be a positive integer"),
    ],
)
def test_wrong_arguments_are_refused(clips: dict[str, Path], arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        open_video(clips[".mp4"], **arguments)


def test_a_start_behind_the_end_is_named(clips: dict[str, Path]) -> None:
    with pytest.raises(InputError, match=r"a\.mp4 has no frame from 2 s on: its last is at 1\.960 s"):
        list(open_video(clips[".mp4"], start=2))


# --- times


def test_times_are_the_timestamps_of_a_variable_rate(tmp_path: Path) -> None:
    timestamps = [0, 10, 11, 50, 90, 500, 501, 1000]
    path = write_video(tmp_path / "a.mkv", count=8, timestamps=timestamps, unit=Fraction(1, 1000))
    assert [frame.time for frame in open_video(path)] == pytest.approx([stamp / 1000 for stamp in timestamps])
    assert numbers(open_video(path, start=0.05, end=0.501)) == [3, 4, 5]


@pytest.mark.parametrize(
    ("suffix", "first"), [(".mkv", -3000), (".mkv", 7000), (".mp4", 7000), (".ts", -3000), (".ts", 7000)]
)
def test_times_count_from_the_first_frame(tmp_path: Path, suffix: str, first: int) -> None:
    options = {"avoid_negative_ts": "disabled"}
    timestamps = [first + 40 * index for index in range(20)]
    path = write_video(tmp_path / f"a{suffix}", 20, timestamps=timestamps, unit=Fraction(1, 1000), container=options)
    assert [frame.time for frame in open_video(path)] == pytest.approx(np.arange(20) / 25, abs=1e-3)
    assert numbers(open_video(path, start=0.4, end=0.6)) == list(range(10, 15))


def test_times_increase_where_timestamps_do_not(tmp_path: Path) -> None:
    """As in two recordings that were put together."""
    parts = [write_video(tmp_path / f"{part}.ts", count=10, codec="mpeg2video") for part in range(2)]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = list(open_video(joined))
    assert len(frames) == 20
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(20) / 25, atol=0.05)
    assert np.diff([frame.time for frame in frames]).min() > 0


# --- once, and closed


def test_a_video_is_read_once(clips: dict[str, Path]) -> None:
    video = open_video(clips[".mp4"])
    assert len(list(video)) == 50
    with pytest.raises(InputError, match=r"a\.mp4 was read to its end or is closed: open it again"):
        list(video)
    closed = open_video(clips[".mp4"])
    closed.close()
    closed.close()
    with pytest.raises(InputError, match="open it again"):
        iter(closed)
    assert next(closed, None) is None


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_the_file_is_closed_when_reading_stops(clips: dict[str, Path]) -> None:
    path = str(clips[".mp4"])
    with open_video(path, start=0.5) as video:
        next(video)
        assert path in open_files()
    assert path not in open_files()
    for _ in open_video(path):
        break
    gc.collect()
    assert path not in open_files()
    list(open_video(path, end=0.2))
    open_video(path)
    assert path not in open_files()


def test_a_fork_does_not_read_on(clips: dict[str, Path]) -> None:
    """The threads that decode are not in it, and it would wait for them for ever."""
    video = open_video(clips[".mp4"])
    next(video)
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        try:
            next(video)
        except InputError as error:
            os._exit(0 if "fork" in str(error) else 1)
        os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_a_video_that_was_opened_before_a_fork_is_read_behind_it(clips: dict[str, Path]) -> None:
    video = open_video(clips[".mp4"])
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        os._exit(0 if len(list(video)) == 50 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(video)) == 50


# --- what is opened


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    for source in (None, 1.5, True, b"bytes", numbered(0)):
        with pytest.raises(InputError, match=f"the number of a camera, not a {type(source).__name__}"):
            open_video(source)
    with pytest.raises(MissingFileError, match=r"missing\.mp4 does not exist"):
        open_video(tmp_path / "missing.mp4")


def test_without_pyav_the_command_is_named(clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingPackageError, match=r"a\.mp4.*needs PyAV: pip install 'modelscope-handkp\[video\]'"):
        open_video(clips[".mp4"])
    assert is_video(clips[".mp4"])


# --- memory and threads


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_no_frame_but_the_current_is_held(tmp_path: Path) -> None:
    """Also none that Python's garbage collector has yet to find: it counts objects, not bytes."""
    size, count = (1280, 720), 90
    images = [numbered(index, size) for index in range(2)] * (count // 2)
    path = write_video(tmp_path / "a.mp4", images=images, size=size, options={"preset": "ultrafast"})
    gc.disable()
    try:
        for frame in open_video(path):
            if frame.index == 20:
                before = resident_bytes()
    finally:
        gc.enable()
    assert resident_bytes() - before < 10 * size[0] * size[1] * 3 / 2


READ_AND_WEIGH = """
import os, sys
from pathlib import Path
from modelscope_handkp.sources.video import open_video

for frame in open_video(sys.argv[1]):
    if frame.index % 1000 == 400:
        print(int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_is_flat_in_a_long_video(tmp_path: Path) -> None:
    """In a process of its own, where nothing else takes or gives back memory."""
    path = write_video(tmp_path / "a.mp4", count=3500, size=(160, 120), options={"preset": "ultrafast"})
    done = subprocess.run([sys.executable, "-c", READ_AND_WEIGH, path], capture_output=True, text=True, check=True)
    used = [int(line) for line in done.stdout.split()]
    assert len(used) == 4
    assert used[-1] - used[0] < 2_000_000


def test_threads_read_videos_beside_each_other(clips: dict[str, Path]) -> None:
    paths = list(clips.values()) * 3
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda path: numbers(open_video(path)), paths)) == [list(range(50))] * len(paths)


def test_a_video_may_be_read_in_another_thread_than_it_was_opened(clips: dict[str, Path]) -> None:
    video = open_video(clips[".mp4"])
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(numbers, video).result(10) == list(range(50))


def test_start_in_a_file_of_fragments_gives_the_same_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 40, options={"g": "5"}, container={"movflags": "frag_keyframe+empty_moov"})
    assert numbers(open_video(path, start=1.0)) == list(range(25, 40))
