"""The command line over videos, alone and beside images."""

import errno
import io
import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from modelscope_handkp import cli
from modelscope_handkp.cli.exit_codes import INTERRUPTED, OK, REFUSED, SOME_FAILED
from modelscope_handkp.results.video import VideoWriter

av = pytest.importorskip("av", reason="videos need the extra video")
SIZE, RATE = (96, 64), 10.0


def frame(number: int) -> np.ndarray:
    small = np.random.default_rng(number).integers(0, 255, (4, 6, 3), np.uint8)
    return np.asarray(cv2.resize(small, SIZE), np.uint8)


def write_video(path: Path, frames: int = 12) -> Path:
    with VideoWriter(path, SIZE, RATE) as writer:
        for number in range(frames):
            writer.write(frame(number), number / RATE)
    return path


def predict(model: str, *arguments: Any) -> int:
    return cli.main(["predict", "--model", model, "--device", "cpu", "--hand-threshold", "1e-6", *map(str, arguments)])


def lines(path: str = "hands/v.jsonl") -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def names(folder: str | Path = "hands") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def times(path: str | Path) -> list[float]:
    with av.open(str(path)) as container:
        return [round(decoded.time, 3) for decoded in container.decode(video=0)]


def test_a_video_is_drawn_at_its_rate_and_listed_a_frame_a_line(
    folder: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    video = write_video(folder / "v.mp4")
    assert predict(model, video) == OK
    found = lines()
    assert [(line["index"], round(line["time"], 3)) for line in found] == [(i, i / RATE) for i in range(12)]
    assert {(line["source"], line["width"], line["height"]) for line in found} == {(str(video), *SIZE)}
    for line in found:
        (hand,) = line["hands"]
        assert hand["id"] == 1 and len(hand["keypoints"]) == 21 and len(hand["box"]) == 4
        assert {"score", "confidence"} < set(hand)
    assert times("hands/v.mp4") == times(video)
    assert names() == ["v.jsonl", "v.mp4"]
    assert capsys.readouterr().out == f"12 frames of {video}: drawn in hands/v.mp4, listed in hands/v.jsonl\n"


def test_images_and_videos_are_mixed(folder: Path, model: str) -> None:
    write_video(folder / "v.mov.mp4")
    cv2.imwrite(str(folder / "a.png"), frame(0))
    cv2.imwrite(str(folder / "v.mov.jpg"), frame(1))
    assert predict(model, folder) == OK
    assert names() == ["a.jpg", "hands.json", "v.mov.jpg", "v.mov.jsonl", "v.mov.mp4"]
    assert [Path(entry["source"]).name for entry in json.loads(Path("hands/hands.json").read_text())["images"]] == [
        "a.png",
        "v.mov.jpg",
    ]


def test_a_part_of_a_video(folder: Path, model: str) -> None:
    video = write_video(folder / "v.mp4", 30)
    assert predict(model, video, "--start", 0.5, "--end", 2.0, "--every", 5) == OK
    assert [line["index"] for line in lines()] == [5, 10, 15]
    assert times("hands/v.mp4") == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("format", "name"), [("json", "json"), ("coco", "json"), ("csv", "csv"), ("parquet", "parquet")]
)
def test_the_format_is_chosen(folder: Path, model: str, format: str, name: str) -> None:
    from modelscope_handkp.results import read

    assert predict(model, write_video(folder / "v.mp4", 3), "--format", format) == OK
    found = [record.source if format == "coco" else record.index for record in read(f"hands/v.{name}")]
    assert found == (["0", "1", "2"] if format == "coco" else [0, 1, 2])


def test_a_video_that_fails_keeps_its_frames_and_the_others(
    folder: Path, model: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_video(folder / "v.mp4")
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("hello\n" * 20)
    with VideoWriter(folder / "cut.mp4", SIZE, RATE) as writer:
        for number in range(60):
            writer.write(np.random.default_rng(number).integers(0, 255, (*SIZE[::-1], 3), np.uint8), number / RATE)
    content = (folder / "cut.mp4").read_bytes()
    (folder / "cut.mp4").write_bytes(content[: len(content) // 2])
    assert predict(model, folder / "empty.mp4", folder / "text.mp4", folder / "cut.mp4", whole) == SOME_FAILED
    failures = [line for line in capsys.readouterr().err.split("\n") if "failed: " in line]
    assert [any(f"{name}.mp4" in line for line in failures) for name in ("empty", "text", "cut", "v")] == [1, 1, 1, 0]
    assert len(failures) == 3
    assert len(lines()) == len(times("hands/v.mp4")) == 12
    assert 0 < len(lines("hands/cut.jsonl")) == len(times("hands/cut.mp4")) < 60
    assert names() == ["cut.jsonl", "cut.mp4", "v.jsonl", "v.mp4"]


def test_a_video_in_the_output_folder_is_left_alone(folder: Path, model: str) -> None:
    video = write_video(folder / "v.mp4")
    content = video.read_bytes()
    assert predict(model, video, "--out", folder) == OK
    assert video.read_bytes() == content
    assert names(folder) == ["v-2.jsonl", "v-2.mp4", "v.mp4"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name images or videos .* --camera N"),
        (["in/a.png", "--start", "1"], "--start: for videos and cameras"),
        (["in/a.png", "--show", "--every", "2"], "--every, --show: for videos and cameras"),
        (["in/v.mp4", "--line-width", "0"], "line_width must be"),
        (["in/v.mp4", "--show"], "--show needs a display"),
        (["in/v.mp4", "--every", "0"], "every must be a positive integer, got 0"),
        (["in/v.mp4", "--start", "nan"], "start must be seconds from 0 on, got nan"),
        (["in/v.mp4", "--start", "2", "--end", "1"], "end must come after start"),
        (["in/v.mp4", "--trails", "0"], "--trails must be a positive integer, got 0"),
        (["in/v.mp4", "--font", "nothing.ttf"], "there is no font nothing.ttf"),
        (["in/v.mp4", "--json", "all.json"], "--json: for images, of which none is given"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(
    folder: Path, model: str, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    write_video(folder / "v.mp4")
    cv2.imwrite(str(folder / "a.png"), frame(0))
    assert predict(model, *arguments) == REFUSED
    (line,) = (line for line in capsys.readouterr().err.split("\n") if line.startswith("modelscope-handkp: "))
    assert re.search(message, line)
    assert not Path("hands").exists()


def test_a_camera_that_is_not_there_fails_by_name(folder: Path, model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert predict(model, "--camera", 77) == SOME_FAILED
    assert "camera 77" in capsys.readouterr().err
    assert names() == []


def test_a_video_of_which_no_frame_is_taken_replaces_no_file(folder: Path, model: str) -> None:
    video = write_video(folder / "v.mp4", 3)
    assert predict(model, video) == OK
    before = [Path("hands", name).read_bytes() for name in names()]
    assert predict(model, video, "--start", 100) == SOME_FAILED
    assert [Path("hands", name).read_bytes() for name in names()] == before


def test_frames_that_are_far_apart(folder: Path, model: str) -> None:
    video = write_video(folder / "v.mp4", 3)
    assert predict(model, video, "--every", 10**6) == OK
    assert [line["index"] for line in lines()] == [0]
    assert times("hands/v.mp4") == [0.0]


def test_names_that_the_terminal_cannot_show(folder: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    video = write_video(folder / "v.mp4", 2).rename(folder / "\udcff\u6c49.mp4")
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)
    monkeypatch.setattr(sys, "stdout", terminal)
    assert predict(model, video) == OK
    assert b"2 frames of " in terminal.buffer.getvalue()
    assert names() == ["\udcff\u6c49.jsonl", "\udcff\u6c49.mp4"]


def test_what_is_not_there_is_not_said_to_be(
    folder: Path, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mp4 goes first: on a full disk that makes room for the end of the list."""
    ended = []

    class FullWriter(VideoWriter):
        def write(self, image: np.ndarray, time: float) -> None:
            if time:
                raise OSError(errno.ENOSPC, "No space left on device")

        def __exit__(self, *error: Any) -> None:
            super().__exit__(*error)
            ended.extend(names())

    monkeypatch.setattr("modelscope_handkp.cli.predict_video.VideoWriter", FullWriter)
    assert predict(model, write_video(folder / "v.mp4", 3)) == SOME_FAILED
    assert [Path(name).suffix for name in ended] == [".partial"]
    assert names() == ["v.jsonl"] and len(lines()) == 1
    assert capsys.readouterr().out == "1 frames of in/v.mp4: listed in hands/v.jsonl\n".replace("in/", f"{folder}/")


@pytest.mark.slow  # a process, which is interrupted
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, INTERRUPTED), (signal.SIGTERM, 143)])
def test_an_interruption_leaves_a_video_that_plays_and_whole_lines(
    folder: Path, model: str, number: signal.Signals, code: int
) -> None:
    video = write_video(folder / "v.mp4", 3000)
    command = [sys.executable, "-m", "modelscope_handkp", "predict", "--model", model, str(video)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not any(path.stat().st_size > 20_000 for path in Path().glob("hands/.v.jsonl*")):
        assert child.poll() is None, child.communicate()[1][-500:]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == code, errors[-500:]
    assert 0 < len(lines()) < 3000
    assert abs(len(times("hands/v.mp4")) - len(lines())) <= 1
    assert names() == ["v.jsonl", "v.mp4"]
