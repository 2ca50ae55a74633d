"""Videos and streams at URLs, from servers of this machine; what they name elsewhere is not opened."""

import http.server
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not installed")
import av
from video_files import number_of, numbered, write_video

from modelscope_handkp.errors import InputError
from modelscope_handkp.sources import video_url
from modelscope_handkp.sources.video import is_video, open_video


class Server:
    """Serves what ``answers`` has by path: bytes with their length, or a callable that gives parts without one."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                outer.asked.append(path)
                answer = outer.answers.get(path)
                if isinstance(answer, str):
                    self.send_response(302)
                    self.send_header("Location", answer)
                    self.end_headers()
                elif answer is None:
                    self.send_error(404)
                else:
                    with suppress(OSError):  # the client has gone
                        self.send_body(answer)

            def send_body(self, answer: Any) -> None:
                begin = 0
                if isinstance(answer, bytes):
                    begin = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
                    self.send_response(206 if begin else 200)
                    self.send_header("Accept-Ranges", "bytes")
                    self.send_header("Content-Length", str(len(answer) - begin))
                    self.send_header("Content-Range", f"bytes {begin}-{len(answer) - 1}/{len(answer)}")
                else:
                    self.send_response(200)
                    self.send_header("Connection", "close")
                self.end_headers()
                for part in [answer[begin:]] if isinstance(answer, bytes) else answer():
                    self.wfile.write(part)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_url, "OPEN_SECONDS", 0.5)
    monkeypatch.setattr(video_url, "READ_SECONDS", 0.5)


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


# --- files


@pytest.mark.parametrize("container", [{}, {"movflags": "faststart"}])
def test_a_video_of_a_web_server_is_read_whole(server: Server, tmp_path: Path, container: dict[str, str]) -> None:
    server.answers["/a.mp4"] = write_video(tmp_path / "a.mp4", count=30, container=container).read_bytes()
    url = f"{server.url}/a.mp4?token=1#t"
    with open_video(url, start=0.4, every=4) as video:
        assert (video.source, video.name, video.size, video.rate) == (url, url, (64, 48), 25.0)
        assert (video.is_live, video.frame_count, video.duration) == (False, 5, pytest.approx(1.2))
        time.sleep(0.1)
        frames = list(video)
    assert [(frame.index, number_of(frame.image)) for frame in frames] == [(i, i) for i in range(10, 30, 4)]
    assert [frame.time for frame in frames] == pytest.approx([i / 25 for i in range(10, 30, 4)])


def test_a_download_that_breaks_off_gives_the_frames_before(server: Server, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", count=60, options={"g": "1"})
    content = path.read_bytes()
    server.answers["/a.mkv"] = content[: len(content) // 2]
    indices = []
    with suppress(InputError):
        for frame in open_video(f"{server.url}/a.mkv"):
            indices.append(number_of(frame.image))
    assert indices == list(range(len(indices)))
    assert 5 < len(indices) < 60


# --- streams


def test_a_stream_without_a_length_is_live(server: Server, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", count=60, codec="mpeg2video", options={"g": "5"})
    content = path.read_bytes()

    def slowly() -> Iterator[bytes]:
        for place in range(0, len(content), 188 * 4):
            yield content[place : place + 188 * 4]
            time.sleep(0.002)

    server.answers["/live"] = slowly
    with open_video(f"{server.url}/live") as video:
        assert (video.is_live, video.frame_count) == (True, None)
        frames = list(video)
    assert all(number_of(frame.image) == frame.index for frame in frames)
    assert [frame.time for frame in frames] == pytest.approx([frame.index / 25 for frame in frames], abs=1e-3)
    assert frames[-1].index == 59


def test_a_slow_reader_of_a_stream_gets_the_newest_frame(server: Server, tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", count=200, codec="mpeg2video", options={"g": "5"})
    content = path.read_bytes()

    def slowly() -> Iterator[bytes]:
        for place in range(0, len(content), 188):
            yield content[place : place + 188]
            time.sleep(0.001)

    server.answers["/live"] = slowly
    indices = []
    with open_video(f"{server.url}/live") as video:
        for frame in video:
            assert number_of(frame.image) == frame.index
            indices.append(frame.index)
            time.sleep(0.05)
            if len(indices) == 4:
                break
    assert np.diff(indices).max() > 1


def test_a_stream_by_udp_is_read() -> None:
    port, stop = free_port(socket.SOCK_DGRAM), threading.Event()

    def send() -> None:
        with av.open(f"udp://127.0.0.1:{port}?pkt_size=1316", "w", format="mpegts") as file:
            stream = file.add_stream("mpeg2video", rate=25, options={"g": "3"})
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            index = 0
            while not stop.is_set():
                frame = av.VideoFrame.from_ndarray(numbered(index % 4096), format="bgr24")
                frame.pts = index
                file.mux(stream.encode(frame))
                index += 1
                time.sleep(0.005)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    try:
        assert is_video(f"udp://127.0.0.1:{port}")
        with open_video(f"udp://127.0.0.1:{port}", end=0.5) as video:
            assert (video.is_live, video.size, video.frame_count) == (True, (64, 48), None)
            frames = list(video)
    finally:
        stop.set()
        thread.join()
    assert len(frames) > 2
    first = number_of(frames[0].image) - frames[0].index
    assert all(number_of(frame.image) - frame.index == first for frame in frames)
    assert np.diff([frame.time for frame in frames]).min() > 0


class Camera:
    """An RTSP server (RFC 2326) that sends H.264 (RFC 6184) in the connection of its commands."""

    SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\n" \
          "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track1\r\n"  # fmt: skip

    def __init__(self, count: int) -> None:
        self.count = count
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self.listener.getsockname()[1]}/live"
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        connection, _ = self.listener.accept()
        with connection, suppress(OSError), connection.makefile("rb") as commands:
            while command := commands.readline().decode():
                fields = {}
                while line := commands.readline().decode().strip():
                    key, _, value = line.partition(":")
                    fields[key.lower()] = value.strip()
                answer = ["RTSP/1.0 200 OK", f"CSeq: {fields['cseq']}", "Session: 1"]
                body = self.SDP if command.startswith("DESCRIBE") else ""
                if command.startswith("OPTIONS"):
                    answer.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
                if command.startswith("SETUP"):
                    answer.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
                if body:
                    answer += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
                connection.sendall(("\r\n".join(answer) + "\r\n\r\n" + body).encode())
                if command.startswith("PLAY"):
                    self.send(connection)
                    return

    def send(self, connection: socket.socket) -> None:
        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = 64, 48, "yuv420p"
        encoder.time_base, encoder.options = Fraction(1, 25), {"tune": "zerolatency", "g": "5"}
        number = 0
        for index in range(self.count):
            frame = av.VideoFrame.from_ndarray(numbered(index), format="bgr24")
            frame.pts, frame.time_base = index, encoder.time_base
            for packet in encoder.encode(frame):
                units = [unit for unit in re.split(b"\0\0\0?\1", bytes(packet)) if unit]
                for unit in units:
                    last = 0x80 if unit is units[-1] else 0
                    head = struct.pack(">BBHII", 0x80, last | 96, number & 0xFFFF, index * 3600, 1)
                    connection.sendall(struct.pack(">cBH", b"$", 0, 12 + len(unit)) + head + unit)
                    number += 1
            time.sleep(0.002)


def test_a_camera_of_the_network_is_read() -> None:
    camera = Camera(count=150)
    frames = []
    with suppress(InputError), open_video(camera.url) as video:  # it hangs up
        assert (video.is_live, video.size, video.name) == (True, (64, 48), camera.url)
        for frame in video:
            frames.append(frame)
    assert len(frames) > 5
    first = number_of(frames[0].image) - frames[0].index
    assert all(number_of(frame.image) - frame.index == first for frame in frames)
    np.testing.assert_allclose([frame.time for frame in frames], [frame.index / 25 for frame in frames], atol=0.01)
    assert number_of(frames[-1].image) > 140


# --- errors


def test_what_is_not_there_is_named(server: Server) -> None:
    with pytest.raises(InputError, match=r"^http://127\.0\.0\.1:\d+/a\.mp4 is not a video that can be read: .*404"):
        open_video(f"{server.url}/a.mp4")
    port = free_port()
    for scheme in ("http", "rtsp", "rtmp"):
        with pytest.raises(InputError, match=rf"^{scheme}://127\.0\.0\.1:{port}/a .*Connection refused"):
            open_video(f"{scheme}://127.0.0.1:{port}/a")
    with pytest.raises(InputError, match=r"^http://\[bad"):
        open_video("http://[bad/a.mp4")


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_a_server_that_says_nothing_is_given_up(scheme: str, impatient: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        with pytest.raises(InputError, match=rf"^{scheme}://.*/a is not a .*: it did not answer in time\.$"):
            open_video(f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/a")
        assert time.monotonic() - start < 5


def test_a_stream_that_stops_is_given_up(server: Server, tmp_path: Path, impatient: None) -> None:
    content = write_video(tmp_path / "a.ts", count=60, codec="mpeg2video").read_bytes()

    def stops() -> Iterator[bytes]:
        yield content
        time.sleep(5)
        yield content

    server.answers["/live"] = stops
    start, indices = time.monotonic(), []
    with pytest.raises(
        InputError, match=rf"^{server.url}/live is cut off: the last frame that can be read is .*not answer in time"
    ):
        for frame in open_video(f"{server.url}/live"):
            indices.append(frame.index)
    assert indices[-1] >= 55
    assert time.monotonic() - start < 4


def test_closing_does_not_wait_for_a_silent_stream(server: Server, tmp_path: Path) -> None:
    content = write_video(tmp_path / "a.ts", count=60, codec="mpeg2video").read_bytes()
    silent = threading.Event()

    def stops() -> Iterator[bytes]:
        yield content
        silent.wait(8)

    server.answers["/live"] = stops
    with open_video(f"{server.url}/live") as video:
        next(video)
        start = time.monotonic()
    assert time.monotonic() - start < 4
    silent.set()


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><html>no</html>", b"", b"\xff\xd8\xff" + bytes(200), bytes(5000)])
def test_what_is_no_video_is_refused(server: Server, content: bytes) -> None:
    server.answers["/a.mp4"] = content
    with pytest.raises(InputError, match=r"/a\.mp4 is not a video that can be read"):
        open_video(f"{server.url}/a.mp4")


def test_a_password_is_in_no_error() -> None:
    with pytest.raises(InputError) as caught:
        open_video(f"rtsp://me:secret@127.0.0.1:{free_port()}/a")
    assert "secret" not in str(caught.value)
    assert "rtsp://me:***@127.0.0.1" in str(caught.value)


# --- what a server names elsewhere


@pytest.mark.parametrize("name", ["/a.m3u8", "/A.M3U8", "/list.mpd", "/a.m3u"])
def test_playlists_are_refused_by_their_name(name: str) -> None:
    with pytest.raises(InputError, match="is a playlist, which is not followed"):
        open_video(f"http://127.0.0.1:9{name}?token=1")


@pytest.mark.parametrize(
    "content",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}/secret.ts\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{file}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{url}/secret.ts'\n",
        "ffconcat version 1.0\nfile 'file:{file}'\n",
        '<?xml version="1.0"?><MPD><Period><AdaptationSet><Representation><BaseURL>{url}/secret.ts</BaseURL>'
        "</Representation></AdaptationSet></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 33\n",
    ],
)
def test_playlists_are_not_followed_under_another_name(server: Server, tmp_path: Path, content: str) -> None:
    secret = write_video(tmp_path / "secret.ts", count=10, codec="mpeg2video")
    server.answers["/secret.ts"] = secret.read_bytes()
    server.answers["/a.mp4"] = content.format(url=server.url, file=secret).encode()
    with pytest.raises(InputError, match=r"/a\.mp4 is not a video that can be read"):
        open_video(f"{server.url}/a.mp4")
    assert server.asked == ["/a.mp4"] * len(server.asked)


def test_a_server_does_not_point_to_a_file(server: Server, tmp_path: Path) -> None:
    secret = write_video(tmp_path / "secret.mp4", count=10)
    for target in (
        f"file://{secret}",
        f"file:{secret}",
        str(secret),
        f"concat:{secret}",
        f"subfile,,start,0,end,0,,:{secret}",
    ):
        server.answers["/a.mp4"] = target
        with pytest.raises(InputError, match=r"/a\.mp4 is not a video that can be read"):
            open_video(f"{server.url}/a.mp4")


def test_a_local_playlist_opens_no_url(server: Server, tmp_path: Path) -> None:
    server.answers["/secret.ts"] = write_video(tmp_path / "secret.ts", count=10, codec="mpeg2video").read_bytes()
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{server.url}/secret.ts\n#EXT-X-ENDLIST\n"
    for head in ("", "\0\0\0\x18ftypisom", "\x1aE\n"):
        for suffix in (".m3u8", ".mp4"):
            (tmp_path / f"a{suffix}").write_text(head + text)
            with pytest.raises(InputError):
                open_video(tmp_path / f"a{suffix}")
    assert server.asked == []


# --- names


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("rtsp://camera/1", True),
        ("RTSP://camera/1", True),
        ("rtmp://camera/live", True),
        ("udp://@:1234", True),
        ("https://example.com/a.MP4?b=c#d", True),
        ("http://example.com/a.webm", True),
        ("http://example.com/a.m3u8", True),
        ("http://example.com/a.jpg", False),
        ("http://example.com/a.mp4/b", False),
        ("http://example.com/?a.mp4", False),
        ("https://example.com/a.gif", False),
        ("ftp://example.com/a.mp4", False),
        ("file:///a.mp4", False),
        ("data:video/mp4;base64,AAAA", False),
    ],
)
def test_urls_of_videos_are_known(url: str, expected: bool) -> None:
    assert is_video(url) is expected
