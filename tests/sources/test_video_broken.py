"""Files that are no video, broken or hostile are refused in one sentence; what can be read of them is given."""

import resource
import struct
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed")
import av
from video_files import number_of, numbered, write_video

from modelscope_handkp.errors import InputError, MissingFileError
from modelscope_handkp.sources import samples
from modelscope_handkp.sources.video import open_video

FAST_START = {"movflags": "faststart"}


def read_until_error(path: Path) -> tuple[list[int], str]:
    """The numbers that the frames show, and the error after them."""
    shown = []
    with pytest.raises(InputError) as caught:
        for frame in open_video(path):
            assert number_of(frame.image) == frame.index
            shown.append(frame.index)
    return shown, str(caught.value)


# --- no video


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is empty: download it again"),
        (bytes(3000), "zeros"),
        (b"This is not a video.", "is text that begins with 'This is not a video.'"),
        (b"<!DOCTYPE html><html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"PK\x03\x04" + bytes(40), "a zip archive: unpack it"),
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a PNG image: pass it to HandEstimator"),
        (b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/secret.ts\n", "text that begins .*a playlist is not followed"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "a playlist is not followed"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n", "a playlist is not followed"),
        (bytes(range(200, 256)), "not a video that can be read"),
        (b"\x1aE\xdf\xa3" + bytes(40), "not a video that can be read"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "its index, the moov box, is not there"),
    ],
)
def test_what_is_no_video_is_called_what_it_is(tmp_path: Path, content: bytes, named: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{path} .*{named}") as caught:
        open_video(path)
    assert len(str(caught.value)) < len(str(path)) + 250


def test_sound_alone_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=16000)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16000
        file.mux(stream.encode(silence))
        file.mux(stream.encode(None))
    with pytest.raises(InputError, match=r"a\.mp4 has no video, only audio\.$"):
        open_video(path)


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(numbered(3), format="bgr24")
        file.mux(cover.encode(frame))
        file.mux(cover.encode(None))
    with pytest.raises(InputError, match=r"a\.mp4 has no video"):
        open_video(path)


def test_no_frames_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "empty_moov"}) as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.start_encoding()
    with pytest.raises(InputError, match=r"a\.mp4 has no frame of 1 to 80000000 pixels that can be decoded\.$"):
        open_video(path)


# --- cut off and damaged


def noisy(count: int) -> list[np.ndarray]:
    """Frames of some kilobytes each."""
    rng = np.random.default_rng(0)
    return [
        np.clip(numbered(index, (160, 96)) + rng.integers(-6, 7, (96, 160, 3)), 0, 255).astype(np.uint8)
        for index in range(count)
    ]


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm", ".avi", ".gif"])
def test_a_file_that_is_cut_off_gives_the_frames_before(tmp_path: Path, suffix: str) -> None:
    container = FAST_START if suffix in (".mp4", ".mov") else {}
    options = {} if suffix == ".gif" else {"g": "1", "deadline": "realtime"}
    whole = write_video(tmp_path / f"a{suffix}", images=noisy(40), size=(160, 96), options=options, container=container)
    content = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for share in (0.5, 0.9):
        cut.write_bytes(content[: int(len(content) * share)])
        shown, error = read_until_error(cut)
        assert 3 < len(shown) < 40
        assert shown == list(range(len(shown)))
        time = shown[-1] / 25
        assert f"{cut} is cut off: the last frame that can be read is {shown[-1]}, at {time:.3f} s (" in error
        assert (suffix == ".gif") or f"({len(content[: int(len(content) * share)])} of its {len(content)} " in error
    assert len(list(open_video(whole))) == 40


def test_a_recording_that_was_not_finished_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", images=noisy(20), size=(160, 96))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"a\.mp4 is not a video that can be read: its index.* is not there"):
        open_video(path)


def test_a_size_that_counts_its_own_head_is_no_cut(tmp_path: Path) -> None:
    """As some programs write AVI."""
    path = write_video(tmp_path / "a.avi", count=5)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, 4, len(content))
    path.write_bytes(content)
    assert len(list(open_video(path))) == 5


def test_what_is_asked_of_a_cut_file_is_given_where_it_is_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", images=noisy(40), size=(160, 96), container=FAST_START)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    assert [frame.index for frame in open_video(path, end=0.4)] == list(range(10))


def test_damage_in_the_middle_leaves_the_frames_around_it(tmp_path: Path) -> None:
    """With the numbers that they have in the whole video, from wherever it is read."""
    path = write_video(tmp_path / "a.mkv", images=noisy(20), size=(160, 96), codec="mjpeg", pixels="yuvj420p")
    content = bytearray(path.read_bytes())
    places = [place for place in range(len(content) - 3) if content[place : place + 3] == b"\xff\xd8\xff"]
    content[places[7] : places[8] - 100] = bytes(places[8] - 100 - places[7])
    path.write_bytes(content)
    frames = []
    with pytest.raises(InputError, match=r"a\.mkv is damaged: 1 of its packets .* last frame .* is 19, at 0\.760 s"):
        for frame in open_video(path):
            assert number_of(frame.image) == frame.index
            frames.append(frame.index)
    assert frames == [number for number in range(20) if number != 7]
    for start in (0.2, 0.4):
        part = [frame.index for frame in open_video(path, start=start, end=0.6)]
        assert part == [number for number in frames if start * 25 <= number < 0.6 * 25]


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "3"}], ids=["in order", "reordered"])
def test_numbers_stay_where_packets_are_lost(tmp_path: Path, options: dict[str, str]) -> None:
    path = write_video(tmp_path / "a.mp4", images=noisy(40), size=(160, 96), options={"g": "10", **options})
    with av.open(str(path)) as file:
        lost = [(packet.pos, packet.size) for packet in file.demux(video=0) if packet.size][12:15]
    content = bytearray(path.read_bytes())
    for place, size in lost:
        content[place : place + size] = b"\xff" * size
    path.write_bytes(content)
    whole = []
    with pytest.raises(InputError, match=r"a\.mp4 is damaged"):
        for frame in open_video(path):
            assert frame.index == round(frame.time * 25)
            whole.append(frame.index)
    assert 30 < len(whole) < 40
    assert [frame.index for frame in open_video(path, start=1.2, end=1.5)] == list(range(30, 38))


@pytest.mark.parametrize("tail", [b"\0" * 5000, b"some text behind the video" * 20])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".gif"])
def test_what_stands_behind_a_whole_file_does_not_matter(tmp_path: Path, suffix: str, tail: bytes) -> None:
    path = write_video(tmp_path / f"a{suffix}", count=5)
    path.write_bytes(path.read_bytes() + tail)
    assert [number_of(frame.image) for frame in open_video(path)] == list(range(5))


# --- claims


def patched(path: Path, box: bytes, offset: int, *numbers: int) -> Path:
    """The file with 32-bit numbers written ``offset`` bytes behind the type of a box."""
    content = bytearray(path.read_bytes())
    place = content.index(box) + 4 + offset
    content[place : place + 4 * len(numbers)] = struct.pack(f">{len(numbers)}I", *numbers)
    path.write_bytes(content)
    return path


def put_box(content: bytearray, start: int, length: int, box: bytes, parents: list[bytes]) -> None:
    """Put a box in place of ``length`` bytes, which makes the boxes around it longer."""
    for parent in parents:
        place = content.rindex(parent, 0, start) - 4
        struct.pack_into(">I", content, place, struct.unpack_from(">I", content, place)[0] + len(box) - length)
    content[start : start + length] = box


def test_a_claimed_count_of_frames_is_not_believed(tmp_path: Path) -> None:
    path = patched(write_video(tmp_path / "a.mp4", count=10, container=FAST_START), b"stts", 8, 10**9)
    with open_video(path) as video:
        assert video.frame_count is None or video.frame_count <= path.stat().st_size
        assert len(list(video)) == 10


@pytest.mark.parametrize("count", [2_000_000, 80_000_000, 10**9])
@pytest.mark.parametrize("where", ["stsz", "stz2", "trun", "deep"])
def test_more_samples_than_bytes_are_refused(tmp_path: Path, where: str, count: int) -> None:
    """libav takes 24 bytes for each before it reads any: 3 kilobytes would take gigabytes."""
    if where == "trun":
        path = write_video(tmp_path / "a.mp4", container={"movflags": "frag_keyframe+empty_moov"})
        patched(path, b"trun", 0, 0, count)
    else:
        path = patched(write_video(tmp_path / "a.mp4", container=FAST_START), b"stsz", 4, 1, count)
        content = path.read_bytes()
        if where == "stz2":
            path.write_bytes(content.replace(b"stsz", b"stz2"))
        if where == "deep":  # in a box that hides it from those who read only the usual ones
            path.write_bytes(content.replace(b"stbl", b"wave"))
    with pytest.raises(
        InputError, match=rf"a\.mp4 states {count}\d* samples, which its \d+ bytes cannot hold"
    ) as caught:
        open_video(path)
    assert str(caught.value).count("\n") == 0


def test_a_box_of_64_bits_is_read_as_such(tmp_path: Path) -> None:
    content = bytearray(write_video(tmp_path / "a.mp4", count=5).read_bytes())
    start = content.index(b"stsz") - 4
    length = struct.unpack_from(">I", content, start)[0]
    body = bytearray(content[start + 8 : start + length])
    parents = [b"stbl", b"minf", b"mdia", b"trak", b"moov"]
    put_box(content, start, length, struct.pack(">I4sQ", 1, b"stsz", 16 + len(body)) + body, parents)
    path = tmp_path / "b.mp4"
    path.write_bytes(content)
    assert len(list(open_video(path))) == 5
    struct.pack_into(">II", content, start + 16 + 4, 1, 80_000_000)
    path.write_bytes(content)
    with pytest.raises(InputError, match="states 80000000 samples"):
        open_video(path)


@pytest.mark.parametrize("chunk", range(40, 72))
def test_boxes_are_found_where_the_file_is_read_in_parts(
    tmp_path: Path, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "CHUNK", chunk)
    path = write_video(tmp_path / "a.mp4", count=2)
    assert len(list(open_video(path))) == 2
    patched(path, b"stsz", 4, 1, 80_000_000)
    with pytest.raises(InputError, match="states 80000000 samples"):
        open_video(path)


def test_text_that_looks_like_a_box_is_none(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4", count=2, title="a stsz\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f or cmov"
    )
    assert b"stsz\x7f" in path.read_bytes()
    assert len(list(open_video(path))) == 2


def test_names_that_are_no_unicode_do_not_matter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", count=2, title="title")
    path.write_bytes(path.read_bytes().replace(b"title", b"\xfft\xff\xc3\x28"))
    assert len(list(open_video(path))) == 2


def test_samples_of_many_boxes_are_summed(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4", count=40, options={"g": "4"}, container={"movflags": "frag_keyframe+empty_moov"}
    )
    content = path.read_bytes()
    parts = content.split(b"trun")
    assert len(parts) > 3
    path.write_bytes(b"trun".join([parts[0], *[p[:4] + struct.pack(">I", 500_000) + p[8:] for p in parts[1:]]]))
    with pytest.raises(InputError, match="states 1500000 samples"):
        open_video(path)


def test_a_compressed_index_is_refused(tmp_path: Path) -> None:
    """It hides what it states."""
    path = write_video(tmp_path / "a.mov", container=FAST_START)
    path.write_bytes(path.read_bytes().replace(b"mvhd", b"cmov"))
    with pytest.raises(InputError, match=r"a\.mov has a compressed index"):
        open_video(path)


@pytest.mark.parametrize(("width", "height"), [(100_000, 100_000), (12_000, 12_000), (40_000, 100)])
def test_a_claimed_size_is_refused(tmp_path: Path, width: int, height: int) -> None:
    path = write_video(tmp_path / "a.mkv", size=(300, 300), count=2, codec="ffv1")
    content = path.read_bytes()
    for tag, value in ((b"\xb0", width), (b"\xba", height)):  # PixelWidth, PixelHeight of two bytes
        content = content.replace(tag + b"\x82\x01\x2c", tag + b"\x84" + value.to_bytes(4, "big"), 1)
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.mkv has no frame of 1 to 80000000 pixels that can be decoded"):
        open_video(path)


@pytest.mark.parametrize("suffix", [".gif", ".avi"])
def test_a_size_is_refused_before_room_is_made(tmp_path: Path, suffix: str) -> None:
    """The decoder learns of it after the container, and for an avi while libav looks for its kind of pixels."""
    codec, pixels = (None, None) if suffix == ".gif" else ("mjpeg", "yuvj420p")
    path = write_video(tmp_path / f"a{suffix}", count=3, codec=codec, pixels=pixels)
    content = path.read_bytes()
    if suffix == ".gif":
        content = content[:6] + struct.pack("<HH", 12_000, 12_000) + content[10:]
    size = struct.pack(">HH", 48, 64)
    path.write_bytes(
        content.replace(b"\xff\xc0\0\x11\x08" + size, b"\xff\xc0\0\x11\x08" + struct.pack(">HH", 12_000, 12_000))
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=rf"a\{suffix} has no frame of 1 to 80000000 pixels"):
        open_video(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_frame_that_is_larger_than_stated_is_refused(tmp_path: Path) -> None:
    image = np.full((4, 40_000, 3), 90, np.uint8)
    path = write_video(tmp_path / "a.mov", images=[image], size=(40_000, 4), codec="png", pixels="rgb24")
    content = path.read_bytes()
    assert content.count(struct.pack(">HH", 40_000, 4)) == 1
    path.write_bytes(content.replace(struct.pack(">HH", 40_000, 4), struct.pack(">HH", 64, 4)))
    with pytest.raises(InputError, match=r"a\.mov.* has 40000 x 4 pixels; .* at most 32766 a side"):
        open_video(path)


# --- what a file names is not opened


@pytest.mark.parametrize("head", ["#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n", "ffconcat version 1.0\nfile "])
def test_a_playlist_does_not_open_what_it_names(tmp_path: Path, head: str) -> None:
    secret = write_video(tmp_path / "secret.ts", codec="mpeg2video", count=5)
    for suffix in (".m3u8", ".mp4", ".ts", ".ffconcat"):
        path = tmp_path / f"a{suffix}"
        path.write_text(f"{head}{secret}\n")
        with pytest.raises(InputError, match="playlist is not followed"):
            open_video(path)


def test_a_playlist_behind_the_head_of_a_video_is_not_followed(tmp_path: Path) -> None:
    """libav probes more than the first bytes."""
    secret = write_video(tmp_path / "secret.ts", codec="mpeg2video", count=5)
    for head in (
        b"\0\0\0\x18ftypisom\0\0\0\0isommp42",
        b"\x1aE\xdf\xa3\n",
        b"G" + bytes(187) + b"G" + bytes(187) + b"G",
    ):
        path = tmp_path / "a.mp4"
        path.write_bytes(head + f"\n#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{secret}\n".encode())
        with pytest.raises(InputError):
            list(open_video(path))


def test_a_path_is_never_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """libav knows addresses such as concat:a|b and subfile,,start,0,end,9,,:a."""
    video = write_video(tmp_path / "a.mp4", count=3)
    odd = tmp_path / "subfile,,start,0,end,0,,:a.mp4"
    odd.write_bytes(video.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert len(list(open_video("subfile,,start,0,end,0,,:a.mp4"))) == 3
    for name in ("concat:a.mp4|a.mp4", "file:a.mp4", "data:video/mp4;base64,AAAA", "pipe:0"):
        with pytest.raises(MissingFileError):
            open_video(name)


def test_a_movie_that_names_another_file_does_not_open_it(tmp_path: Path) -> None:
    """QuickTime keeps the media of a movie in other files, if asked to; an alias names such a file."""
    content = bytearray(write_video(tmp_path / "a.mov", count=5).read_bytes())
    secret = write_video(tmp_path / "secret.mov", count=5)
    start = content.index(b"url ", content.index(b"dref")) - 4
    name = secret.name.encode()
    alias = bytes(10) + bytes(28) + bytes(12) + bytes([len(name)]) + name.ljust(63, b"\0") + bytes(16)
    alias += struct.pack(">HH", 1, 1) + bytes(16) + struct.pack(">HH", 2, len(name)) + name + b"\0" * (len(name) % 2)
    alias += struct.pack(">hH", -1, 0)
    box = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    put_box(content, start, 12, box, [b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"])
    path = tmp_path / "b.mov"
    path.write_bytes(content)
    with av.open(str(path), options={"enable_drefs": "1"}) as file:  # the alias is right
        assert len(list(file.decode(video=0))) > 0
    with pytest.raises(InputError, match=r"b\.mov has no frame"):
        open_video(path)


# --- nothing is said on stderr


def test_broken_files_say_nothing_on_stderr(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """libav and OpenCV write to it past Python."""
    path = write_video(tmp_path / "a.mp4", images=noisy(20), size=(160, 96), container=FAST_START)
    content = bytearray(path.read_bytes())
    content[-3000:] = bytes(3000)
    path.write_bytes(content)
    capfd.readouterr()
    for source in (path, 0, 99, "http://127.0.0.1:9/a.mp4"):
        with pytest.raises(InputError):
            list(open_video(source))
    assert capfd.readouterr() == ("", "")
