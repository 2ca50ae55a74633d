"""Files of visitors -> what the page shows."""

import csv
import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import hostile_files
import numpy as np
import pytest
from video_files import write_video

from modelscope_handkp.app import Limits, Models
from modelscope_handkp.app.answers import Answer, answer_image, answer_video
from modelscope_handkp.errors import HandkpError
from modelscope_handkp.results import draw, read

LIMITS = Limits()


@pytest.fixture
def image_answer(models: Models, tmp_path: Path) -> Callable[..., Answer]:
    """image_answer(path, language="en", limits=Limits()) -> the answer of the embedded model."""

    def answer(path: Path, language: str = "en", limits: Limits = LIMITS) -> Answer:
        estimator = models.get("embedded", "eager", 0, 0, "full")
        return answer_image(path, "mine.jpg", estimator, limits, tmp_path, language)

    return answer


@pytest.fixture
def video_answer(models: Models, tmp_path: Path) -> Callable[..., Answer]:
    """video_answer(path, limits=Limits()) -> the answer of the embedded model; ``.progress`` is what it told."""

    def answer(path: Path, limits: Limits = LIMITS) -> Answer:
        estimator = models.get("embedded", "eager", 0, 0, "none")
        return answer_video(path, "mine.mp4", estimator, limits, tmp_path, "en", told.append)

    told: list[float] = []
    answer.progress = told
    return answer


def test_an_image_has_its_hands_in_words_in_a_drawing_and_in_files(
    image_answer: Callable[..., Answer], hands_image: Path
) -> None:
    answer = image_answer(hands_image)
    assert "3 hands were found." in answer.words and answer.words.count("<tr>") == 4
    drawn = cv2.imdecode(np.frombuffer(answer.drawn, np.uint8), cv2.IMREAD_COLOR)
    plain = cv2.imread(str(hands_image))
    assert drawn.shape == plain.shape and (np.abs(drawn.astype(int) - plain) > 60).any()
    listed, table = answer.files
    (entry,) = json.loads(listed.read_text())["images"]
    assert entry["source"] == "mine.jpg" and len(entry["hands"]) == 3
    with table.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 3
    assert [len(record.hands) for record in read(table)] == [3]


def test_the_drawing_has_the_numbers_of_the_table_and_the_files_have_none(
    image_answer: Callable[..., Answer], hands_image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels: list[str] = []
    monkeypatch.setattr(draw, "draw_text", lambda canvas, text, *others: labels.append(text))
    answer = image_answer(hands_image)
    rows = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td>", answer.words)
    assert labels == [f"{number} {confidence}" for number, confidence, _ in rows]
    assert [number for number, _, _ in rows] == ["1", "2", "3"]
    assert all("id" not in hand for hand in json.loads(answer.files[0].read_text())["images"][0]["hands"])


def test_the_words_are_in_the_language_of_the_visitor(image_answer: Callable[..., Answer], hands_image: Path) -> None:
    assert "找到 3 只手" in image_answer(hands_image, "zh").words


def test_a_large_drawing_is_made_smaller_and_its_coordinates_are_not(
    image_answer: Callable[..., Answer], hands_image: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    cv2.imwrite(str(large), cv2.resize(cv2.imread(str(hands_image)), None, fx=4, fy=4))
    answer = image_answer(large)
    drawn = cv2.imdecode(np.frombuffer(answer.drawn, np.uint8), cv2.IMREAD_COLOR)
    assert max(drawn.shape) == 1600
    (entry,) = json.loads(answer.files[0].read_text())["images"]
    assert max(entry["width"], entry["height"]) > 2000
    assert max(max(hand["box"]) for hand in entry["hands"]) > 1700


def test_an_image_without_hands_is_answered(image_answer: Callable[..., Answer], tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "gray.png"), np.full((64, 64, 3), 128, np.uint8))
    answer = image_answer(tmp_path / "gray.png")
    assert "No hand found in this image." in answer.words and answer.drawn
    assert json.loads(answer.files[0].read_text())["images"][0]["hands"] == []


@pytest.mark.parametrize("name", ["huge_png", "text_bomb", "html_as_jpeg", "long_video"])
def test_hostile_images_are_refused_at_once_and_leave_nothing(
    name: str, image_answer: Callable[..., Answer], tmp_path: Path
) -> None:
    path = getattr(hostile_files, name)(tmp_path / ("a.mp4" if name == "long_video" else "a.jpg"))
    begun = time.monotonic()
    with pytest.raises(HandkpError) as caught:
        image_answer(path)
    assert time.monotonic() - begun < 5
    assert str(tmp_path) not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


def test_an_image_that_is_cut_off_is_called_what_the_visitor_calls_it(
    image_answer: Callable[..., Answer], hands_image: Path, tmp_path: Path
) -> None:
    (tmp_path / "cut.jpg").write_bytes(hands_image.read_bytes()[:5000])
    with pytest.raises(HandkpError, match=r"^mine\.jpg"):
        image_answer(tmp_path / "cut.jpg")


def test_a_video_has_its_hands_followed_and_its_gestures_with_their_times(
    video_answer: Callable[..., Answer], clip: list[np.ndarray], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "a.mp4", images=clip, size=(320, 240), rate=12)
    answer = video_answer(path)
    assert "18 frames, 1.4 s. Tracked hands: 1." in answer.words and "open palm" in answer.words
    assert answer.drawn.suffix == ".mp4" and answer.drawn.stat().st_size > 1000
    frames = json.loads(answer.files[0].read_text())["images"]
    assert [frame["index"] for frame in frames] == list(range(18))
    assert {hand["id"] for frame in frames for hand in frame["hands"]} == {1}
    assert video_answer.progress == sorted(video_answer.progress) and video_answer.progress[-1] == 1


def test_a_video_that_takes_too_long_is_answered_with_its_beginning(
    video_answer: Callable[..., Answer], tmp_path: Path
) -> None:
    answer = video_answer(write_video(tmp_path / "a.mp4", 10), Limits(work_seconds=0))
    assert "1 frames" in answer.words and "time for one request was over" in answer.words
    assert len(json.loads(answer.files[0].read_text())["images"]) == 1


def test_a_video_that_breaks_off_is_answered_with_its_beginning(
    video_answer: Callable[..., Answer], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "a.mkv", 40, options={"g": "1"})
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    answer = video_answer(path)
    assert "breaks off" in answer.words and "mine.mp4" in answer.words and str(tmp_path) not in answer.words
    assert json.loads(answer.files[0].read_text())["images"]


def test_a_video_that_states_no_length_is_refused_when_it_is_too_long(
    video_answer: Callable[..., Answer], tmp_path: Path
) -> None:
    path = write_video(tmp_path / "a.webm", 30, container={"live": "1"})
    with pytest.raises(HandkpError, match=r"up to 0\.5 s"):
        video_answer(path, Limits(video_seconds=0.5))


@pytest.mark.parametrize("name", ["html_as_jpeg", "long_video"])
def test_hostile_videos_are_refused_at_once_and_leave_nothing(
    name: str, video_answer: Callable[..., Answer], tmp_path: Path
) -> None:
    path = getattr(hostile_files, name)(tmp_path / "a.mp4")
    with pytest.raises(HandkpError):
        video_answer(path)
    assert list(tmp_path.iterdir()) == [path]
