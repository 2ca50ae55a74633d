"""Gestures over time: started, held and ended by the frames' own times, without flicker, each hand on its own."""

from typing import NamedTuple

import numpy as np
import pytest

from modelscope_handkp import Hands
from modelscope_handkp.errors import InputError
from modelscope_handkp.gestures import GestureExamples, GestureStream, recognize
from modelscope_handkp.tracking.tracker import TrackedFrame


class Frame(NamedTuple):
    time: float
    hands: Hands


@pytest.fixture(scope="module")
def shown(keypoints_of, as_hands):
    """shown("fist", "call", ids=(1, 2)) -> Hands, one hand a name; "doubtful ..." and "hardly ...": with a fifth and a
    tenth of its confidence."""

    def make(*names, ids=None):
        rows = []
        for name in names:
            poses, count = ({"phone"}, 40) if name == "none" else (None, 1)
            keypoints = keypoints_of(name.split()[-1], count, 31, variety=0.0, poses=poses)[0]
            keypoints[4, 2] = 0.3 * {"doubtful": 0.2, "hardly": 0.1}.get(name.split()[0], 1.0)
            rows.append(keypoints)
        if not rows:
            return Hands.empty()
        return as_hands(np.array(rows), ids=np.array(ids or range(1, len(rows) + 1)))

    return make


@pytest.fixture
def run(shown):
    """run("fist fist ...", step=0.1) -> events as "time kind name" of one hand; "-" is no hand."""

    def play(names, step=0.1, **options):
        stream = GestureStream(**options)
        frames = [
            Frame(
                index * step, shown(*([] if name == "-" else [name.replace("??", "hardly ").replace("?", "doubtful ")]))
            )
            for index, name in enumerate(names.split())
        ]
        return [(round(event.time, 3), event.kind, event.name) for event in stream.stream(frames)]

    return play


def test_a_gesture_starts_when_it_has_been_seen_for_a_while_is_held_and_ends_when_it_is_gone_for_a_while(run):
    assert run("fist fist fist fist none none none none none") == [
        (0.2, "started", "fist"),
        *((time, "held", "fist") for time in (0.3, 0.4, 0.5)),
        (0.6, "ended", "fist"),
    ]


def test_a_gesture_that_is_seen_for_a_moment_does_not_start(run):
    assert run("fist fist none fist fist none fist fist") == []
    assert run("fist call fist call fist call") == []


def test_a_gap_does_not_end_it(run):
    kinds = [kind for _, kind, _ in run("fist fist fist none none fist fist none fist")]
    assert kinds == ["started", *["held"] * 6, "ended"]


def test_another_gesture_ends_the_one_before_in_the_same_frame(run):
    assert run("fist fist fist call call call call") == [
        (0.2, "started", "fist"), (0.3, "held", "fist"), (0.4, "held", "fist"),
        (0.5, "ended", "fist"), (0.5, "started", "call"), (0.6, "held", "call"), (0.6, "ended", "call"),
    ]  # fmt: skip


def test_a_hand_that_vanishes_ends_its_gesture_in_time_and_at_the_end_of_the_video(run):
    assert run("fist fist fist - - - - -")[-1] == (0.5, "ended", "fist")
    assert run("fist fist fist -")[-2:] == [(0.3, "held", "fist"), (0.3, "ended", "fist")]


def test_the_times_are_those_of_the_frames_not_their_number(run):
    assert run(" ".join(["fist"] * 6), step=0.05)[0] == (0.15, "started", "fist")
    assert run(" ".join(["fist"] * 6), step=0.01) == []
    assert run("fist fist fist", step=0.29)[:1] == [(0.29, "started", "fist")]
    assert [kind for _, kind, _ in run("fist fist fist none", step=0.5)] == ["started", "held", "ended"], "slow frames"
    assert run("fist - fist fist") == [], "a hand that was away is seen anew"


def test_start_and_end_may_be_set(run):
    assert run("fist fist fist fist fist", start_seconds=0.35)[0] == (0.4, "started", "fist")
    assert run("fist fist none none", start_seconds=0.0)[0] == (0.1, "started", "fist"), "two frames at least"
    assert run("fist fist fist none none", end_seconds=0.05)[-1] == (0.3, "ended", "fist")
    assert run("fist fist fist none fist", end_seconds=0.15)[-2:] == [(0.4, "held", "fist"), (0.4, "ended", "fist")]


def test_what_has_started_goes_on_with_less_confidence_than_a_start_needs(run, shown):
    assert recognize(shown("doubtful thumbs_up"))[0].name == "none"
    assert run("?thumbs_up ?thumbs_up ?thumbs_up ?thumbs_up") == []
    kinds = [kind for _, kind, _ in run("thumbs_up thumbs_up thumbs_up" + " ?thumbs_up" * 8)]
    assert kinds == ["started", *["held"] * 8, "ended"]
    assert run("thumbs_up thumbs_up thumbs_up" + " ??thumbs_up" * 8)[-1] == (0.5, "ended", "thumbs_up")


def test_the_times_are_exact_but_for_rounding(run, shown):
    assert run("fist fist fist", step=0.07) == [], "0.14 s"
    ended = run("fist fist fist none none none none", step=0.09)[-1]
    assert ended == (0.54, "ended", "fist"), "not after 0.27 s"
    stream = GestureStream()
    events = [event for time in (0.2, 0.3, 0.35, 0.4) for event in stream.update(shown("fist"), time)]
    assert [event.kind for event in events] == ["started", "held"]
    assert [event.kind for event in stream.update(Hands.empty(), 0.7)] == ["ended"]


def test_each_hand_has_its_own_gesture(shown):
    stream = GestureStream()
    frames = [Frame(0.1 * i, shown("fist", "call", ids=(7, 3)) if i < 4 else shown("call", ids=(3,))) for i in range(9)]
    events = list(stream.stream(frames))
    assert {(event.id, event.name) for event in events} == {(7, "fist"), (3, "call")}
    ends = {event.id: event for event in events if event.kind == "ended"}
    assert ends[7].time == pytest.approx(0.6) and ends[3].time == pytest.approx(0.8)
    assert ends[7].seconds == pytest.approx(0.3), "from first to last sight"
    assert ends[3].seconds == pytest.approx(0.8)
    assert all(0.2 <= event.confidence <= 1 for event in events)


def test_update_gives_the_events_of_a_frame_and_end_those_that_are_left(shown):
    stream = GestureStream()
    assert stream.update(shown("fist"), 1.0) == [] and stream.update(shown("fist"), 1.1) == []
    (started,) = stream.update(shown("fist"), 1.2)
    assert started[:4] == ("started", 1, "fist", 1.2) and started.seconds == pytest.approx(0.2)
    (ended,) = stream.end()
    assert ended.kind == "ended" and ended.time == 1.2
    assert stream.end() == []
    assert stream.update(shown("fist"), 0.0) == [], "another video begins"


def test_of_two_hands_with_one_id_the_better_one_counts(shown):
    stream = GestureStream()
    events = [event for i in range(4) for event in stream.update(shown("fist", "call", ids=(1, 1)), 0.1 * i)]
    assert {event.name for event in events} == {"fist"}


def test_frames_of_the_tracker_are_taken_as_they_are(shown):
    image = np.zeros((4, 4, 3), np.uint8)
    frames = (TrackedFrame(i, 0.1 * i, image, shown("fist")) for i in range(4))
    assert [event.kind for event in GestureStream().stream(frames)] == ["started", "held", "ended"]


def test_gestures_of_ones_own_start_too(shown, keypoints_of):
    examples = GestureExamples(["mine"], keypoints_of("none", 40, 3, poses={"hook"})[:1])
    hook = Hands(examples.keypoints.repeat(1, axis=0)[:, :, [0, 1, 1]] * (1, 1, 0) + (0, 0, 1), np.zeros((1, 4)), [1.0],
                 ids=[1])  # fmt: skip
    stream = GestureStream(examples)
    events = [event for i in range(4) for event in stream.update(hook, 0.1 * i)]
    assert [(event.kind, event.name) for event in events] == [("started", "mine"), ("held", "mine")]


def test_what_cannot_be_followed_is_refused(shown, hands_of):
    stream = GestureStream()
    with pytest.raises(InputError, match="need ids"):
        stream.update(hands_of("fist"), 0.0)
    with pytest.raises(InputError, match="hands must be Hands"):
        stream.update([], 0.0)
    stream.update(shown("fist"), 1.0)
    for time in (1.0, 0.5, np.nan, "2"):
        with pytest.raises(InputError, match="order of their times"):
            stream.update(shown("fist"), time)
    assert stream.update(shown("fist"), 1.1) == [], "and goes on"
    for options in ({"start_seconds": -1}, {"end_seconds": np.nan}, {"start_seconds": "1"}):
        with pytest.raises(InputError, match="number of seconds"):
            GestureStream(**options)
    with pytest.raises(InputError, match="examples must be GestureExamples"):
        GestureStream("file.json")


def test_hands_that_are_seen_once_start_nothing(keypoints_of, as_hands):
    stream, keypoints = GestureStream(), keypoints_of("fist", 1, 31, variety=0.0)
    for index in range(100):
        assert stream.update(as_hands(keypoints, ids=[index]), 0.1 * index) == []
    assert stream.end() == []
