"""The sound of a video is kept in what is written of it."""

from pathlib import Path

import numpy as np
import pytest
from clips import decode, write_clip

from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.results.video import VideoWriter

av = pytest.importorskip("av", reason="PyAV is not installed")

BLACK = np.zeros((48, 64, 3), np.uint8)
SOURCES = {  # how the source is written, and the codec of what is written of it
    "mp4 with AAC": ({}, "aac"),
    "mp4 that begins later": ({"offset": 2}, "aac"),
    "mkv with PCM": ({"format": "matroska", "audio": "pcm_s16le", "layout": "mono"}, "aac"),
    "avi with PCM of 8 kHz": ({"format": "avi", "codec": "mpeg4", "audio": "pcm_s16le", "rate": 8000}, "aac"),
    "avi with MP3": ({"format": "avi", "codec": "mpeg4", "audio": "libmp3lame"}, "mp3"),
    "webm with Opus": ({"format": "webm", "codec": "libvpx", "audio": "libopus"}, "opus"),
    "mkv with FLAC of 96 kHz": ({"format": "matroska", "audio": "flac", "rate": 96_000}, "flac"),
    "mkv with AC-3 of 6 channels": ({"format": "matroska", "audio": "ac3", "layout": "5.1"}, "aac"),
    "transport stream with AAC": ({"format": "mpegts"}, "aac"),
}
ENCODER_DELAY = 0.03  # s, of MP3 that says nothing of it, and the size of a packet


def rewritten(source: Path, start: float, end: float) -> Path:
    """The frames of the source from ``start`` to ``end``, black, with its sound."""
    path = source.with_name("written.mp4")
    with VideoWriter(path, (64, 48), 25, source) as writer:
        for index in range(round(25 * start), round(25 * end)):
            writer.write(BLACK, index / 25)
    return path


@pytest.mark.parametrize("name", SOURCES)
def test_sound_is_where_it_was(name: str, tmp_path: Path) -> None:
    options, codec = SOURCES[name]
    source = write_clip(tmp_path / "source", **options)
    found = decode(rewritten(source, 0, 3))
    assert found.audio == codec
    assert found.tones == pytest.approx([0, 1, 2], abs=ENCODER_DELAY)
    assert found.times == pytest.approx([index / 25 for index in range(75)])
    assert found.duration == pytest.approx(3)
    assert found.sound == pytest.approx((0, 3), abs=0.13)  # to a packet of AAC at 8 kHz


@pytest.mark.parametrize("name", ["mp4 with AAC", "mkv with PCM", "transport stream with AAC"])
def test_sound_is_cut_with_the_frames(name: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / "source", **SOURCES[name][0], seconds=5)
    found = decode(rewritten(source, 1.6, 3.6))
    assert found.tones == pytest.approx([0.4, 1.4], abs=0.005)
    assert found.sound == pytest.approx((0, 2), abs=0.05)
    assert found.duration == pytest.approx(2)


def test_sound_that_is_shorter_than_the_frames_ends_before_them(tmp_path: Path) -> None:
    found = decode(rewritten(write_clip(tmp_path / "source.mp4", seconds=1), 0, 3))
    assert found.sound == pytest.approx((0, 1), abs=0.05)
    assert found.duration == pytest.approx(3)


def test_a_video_without_sound_gives_none(tmp_path: Path) -> None:
    assert decode(rewritten(write_clip(tmp_path / "source.mp4", audio=None), 0, 1)).audio is None


def test_what_is_no_video_is_refused_before_a_frame_is_written(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"there is no file .*nothing\.mp4"):
        VideoWriter(tmp_path / "a.mp4", (64, 48), audio_from=tmp_path / "nothing.mp4")
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nsource.ts\n#EXT-X-ENDLIST\n")
    write_clip(tmp_path / "source.ts", "mpegts")
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile source.ts\n")
    for name in ("text.mp4", "list.mp4", "concat.mp4"):
        with (
            pytest.raises(InputError, match=rf"the sound of .*{name} cannot be read"),
            VideoWriter(tmp_path / "a.mp4", (64, 48), audio_from=tmp_path / name),
        ):
            pass
    assert {path.name for path in tmp_path.iterdir()} == {"text.mp4", "list.mp4", "concat.mp4", "source.ts"}


def test_the_source_is_not_written_over(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "a.mp4")
    with pytest.raises(InputError, match="the video that the sound comes from"):
        VideoWriter(source, (64, 48), audio_from=source)


@pytest.mark.parametrize("name", ["mkv with PCM", "mp4 with AAC", "transport stream with AAC"])
def test_a_source_that_is_damaged_costs_no_frame(name: str, tmp_path: Path) -> None:
    content = write_clip(tmp_path / "whole", **SOURCES[name][0]).read_bytes()
    chance = np.random.default_rng(0)
    for _ in range(4):
        damaged = np.frombuffer(content, np.uint8).copy()
        places = chance.integers(len(content) // 4, len(content) * 3 // 4, 300)
        damaged[places] = chance.integers(0, 256, 300)
        (tmp_path / "source").write_bytes(damaged.tobytes())
        try:
            path = rewritten(tmp_path / "source", 0, 3)
        except InputError as error:
            assert "cannot be read" in str(error)
            continue
        with av.open(str(path)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 75
