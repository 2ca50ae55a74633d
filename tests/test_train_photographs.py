"""The training scripts on photographs: which lists are read, crops of hands, windows without one."""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

BOX = [60, 40, 100, 80]
GRID = [[60 + 8 * (k % 5), 40 + 8 * (k // 5)] for k in range(21)]  # 21 places in and around the box
SIZE = 64


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "examples" / "embedded")


@pytest.fixture
def folder(tmp_path):
    """A photograph with a white dot at each keypoint of one hand, and others whose keypoints do not count."""
    image = np.zeros((120, 160, 3), np.uint8)
    for x, y in GRID:
        image[y, x] = 255
    cv2.imwrite(str(tmp_path / "a.png"), image)
    hands = [
        {"box": BOX, "keypoints": GRID, "label": "mediapipe"},
        {"box": BOX, "keypoints": GRID, "label": "box mended by hand"},
        {"box": BOX, "keypoints": None, "label": "box drawn by hand"},
    ]
    entries = [
        {"file": "a.png", "hands": hands, "complete": False},
        {"file": "a.png", "hands": [], "complete": True},
        {"file": "a.png", "hands": hands[:1] * 2, "complete": False, "two_hands_of_one_person": True},
    ]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, entries)) + "\n")
    (tmp_path / "people.jsonl").write_text(json.dumps(entries[1]) + "\n")
    return tmp_path


def lists(*arguments):
    from photograph_lists import add_photographs, lists_of

    parser = argparse.ArgumentParser()
    add_photographs(parser)
    return lists_of(parser, parser.parse_args([str(argument) for argument in arguments]))


def test_the_lists_of_all_folders_are_read_and_people_can_be_left_out(folder, tmp_path, capsys):
    assert lists() == []
    both = [folder / "train.jsonl", folder / "people.jsonl"]
    assert lists("--photographs", folder) == both
    assert lists("--photographs", folder, "--without-people") == both[:1]
    other = tmp_path / "other"
    other.mkdir()
    (other / "people.jsonl").write_text("")
    assert lists("--photographs", folder, other) == [*both, other / "people.jsonl"]
    with pytest.raises(SystemExit):
        lists("--photographs", other, "--without-people")
    assert f"{other} holds no train.jsonl" in capsys.readouterr().err


def entry(file="a.png", complete=True, **hand):
    return {"file": file, "hands": [{"box": BOX, "keypoints": None, **hand}], "complete": complete}


NAN, INFINITY = float("nan"), float("inf")
BROKEN = [
    "{",
    "[]",
    "null",
    "[" * 100_000,
    {"file": "a.png", "hands": []},
    {"hands": [], "complete": True},
    {**entry(), "hands": None},
    {**entry(), "hands": {}},
    {**entry(), "hands": "none"},
    {**entry(), "hands": [BOX]},
    {**entry(), "hands": [{"keypoints": None}]},
    entry(complete="no"),
    {**entry(complete=False), "two_hands_of_one_person": "false"},
    *[
        entry(box=box)
        for box in ([1, 2, 3], [*BOX, *BOX], ["1", "2", "30", "40"], [False, False, True, True], None, [None] * 4,
                    [NAN] * 4, [0, 0, INFINITY, 9], [0, 0, 10**400, 9], [-1e30, 0, 1e30, 9], [[0], [0, 1], 2, 3],
                    [100, 80, 60, 40], [60, 40, 60, 80], [60, 40, 100, 40], [160, 40, 200, 80], [60, -90, 100, 0])
    ],
    *[
        entry(keypoints=keypoints)
        for keypoints in ("x", 7, [], [[1, 2]], [1] * 21, [[70]] * 21, [[70, 50, 2]] * 21, [[[70, 50]]] * 21,
                          [[NAN, 50]] * 21, [[None, None]] * 21, [[1e30, 50]] * 21, [[0.5, 0.5]] * 21)
    ],
    *[
        entry(file)
        for file in ("b.png", "", ".", 5, None, "a\0.png", "a" * 5000, "http://localhost/a.png", "../a.png",
                     "x/../../a.png", "/a.png", "text.png", "truncated.jpg", "empty.png")
    ],
]  # fmt: skip


@pytest.mark.parametrize("line", BROKEN, ids=lambda line: f"{line}"[:60])
def test_a_line_that_is_no_entry_is_named(folder, line):
    """Before anything is trained, in one short sentence."""
    from photograph_crops import read_hands
    from photograph_tiles import read_photographs

    from modelscope_handkp.errors import InputError

    (folder / "text.png").write_text("hello")
    (folder / "empty.png").write_bytes(b"")
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8)
    (folder / "truncated.jpg").write_bytes(cv2.imencode(".jpg", noise)[1].tobytes()[:4000])
    good = (folder / "train.jsonl").read_text()
    (folder / "train.jsonl").write_text(good + "\n" + (line if isinstance(line, str) else json.dumps(line)) + "\n")
    for read in (read_photographs, read_hands):
        with pytest.raises(InputError, match=r"train\.jsonl, line 5: ") as caught:
            read(folder / "train.jsonl")
        assert len(str(caught.value)) < 700 and "\n" not in str(caught.value)


def test_lists_without_anything_to_learn_from_are_named(folder):
    from photograph_crops import read_hands
    from photograph_tiles import read_photographs

    from modelscope_handkp.errors import InputError

    for read, text, named in (
        (read_photographs, "\n \n", "no image"),
        (read_hands, "", "no image"),
        (read_hands, json.dumps(entry()), "no hand has keypoints"),
    ):
        (folder / "train.jsonl").write_text(text)
        with pytest.raises(InputError, match=rf"train\.jsonl: .*{named}"):
            read(folder / "train.jsonl")
    (folder / "train.jsonl").write_text(json.dumps(entry()), "utf-16")
    with pytest.raises(InputError, match=r"train\.jsonl is not UTF-8"):
        read_photographs(folder / "train.jsonl")
    assert read_photographs() == read_hands() == []


@pytest.mark.parametrize("text", ["\ufeff", ' {"source": "one\u2028line\x85", ', "\r\n"])
def test_what_other_editors_write_is_read(folder, text):
    from photograph_tiles import read_photographs

    line = json.dumps(entry())
    line = text + line[1:] if text.endswith(", ") else text + line
    (folder / "train.jsonl").write_bytes(line.encode())
    assert len(read_photographs(folder / "train.jsonl")) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (33, 31)])
def test_images_of_any_ratio_are_learnt_from(folder, shape):
    """As tiles, as crops of a hand along them and of a tiny one, and as backgrounds."""
    from detection import scenes
    from photograph_crops import crop, read_hands
    from photograph_tiles import read_photographs, sample, without_hands

    height, width = shape
    cv2.imwrite(str(folder / "thin.png"), np.zeros((*shape, 3), np.uint8))
    middle = [[width / 2, height / 2]] * 21
    long, tiny = [0, 0, width, height], [width / 2, height / 2, width / 2 + 0.01, height / 2 + 0.01]
    hands = [{"box": box, "keypoints": middle} for box in (long, tiny)]
    entries = [{"file": "thin.png", "hands": some, "complete": True} for some in (hands, [])]
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, entries)))
    shown, rng = read_photographs(folder / "train.jsonl"), np.random.default_rng(0)
    for _ in range(20):
        assert sample(rng, lambda: shown[rng.integers(2)], SIZE).image.shape == (SIZE, SIZE, 3)
        for hand in read_hands(folder / "train.jsonl"):
            assert crop(rng, hand, SIZE)[0].shape == (3, SIZE, SIZE)
    for chunk in range(2):
        assert scenes(without_hands(shown), 3, chunk, SIZE)[0].shape == (8, 3, SIZE, SIZE)


def test_all_hands_are_known_where_the_list_says_so_or_a_person_has_two(folder):
    from photograph_tiles import read_photographs, without_hands

    shown = read_photographs(*lists("--photographs", folder))
    assert [one.complete for one in shown] == [False, True, True, True]
    assert without_hands(shown) == [folder / "a.png"] * 2


def test_only_keypoints_that_can_be_trusted_are_learnt(folder):
    from photograph_crops import read_hands

    assert len(read_hands(*lists("--photographs", folder))) == 3  # one in the first image, two in the third


@pytest.mark.parametrize("longest", [160.0, 30.0])
def test_crops_and_their_keypoints_stay_together(folder, monkeypatch, longest):
    """Wherever a crop moves them, the dots lie at the keypoints; what lies outside has the state for it."""
    import photograph_crops
    from photograph_crops import crop, read_hands

    monkeypatch.setattr(photograph_crops, "LONGEST", longest)
    (hand, *_) = read_hands(folder / "train.jsonl")
    rng = np.random.default_rng(0)
    states, angles, spans = [], [], []
    for _ in range(60):
        image, keypoints = crop(rng, hand, SIZE)
        assert image.shape == (3, SIZE, SIZE) and image.dtype == np.uint8
        inside = keypoints[:, 2] > 0
        for x, y, _ in keypoints[inside & (keypoints[:, :2] > 1).all(1) & (keypoints[:, :2] < SIZE - 2).all(1)]:
            near = image[0, round(y) - 1 : round(y) + 2, round(x) - 1 : round(x) + 2]
            assert near.max() > 0
        step = keypoints[4, :2] - keypoints[0, :2]  # 32 px to the right in the photograph
        angles.append(np.degrees(np.arctan2(step[1], step[0])))
        spans.append(np.linalg.norm(step) / SIZE)
        states.append(inside)
    assert 0.9 < np.mean(states) <= 1
    assert 10 < np.median(np.abs(angles)) < 30 and np.max(np.abs(angles)) > 60
    np.testing.assert_allclose([min(spans), max(spans)], [0.8 / 1.25 / 1.25, 0.8 / 1.25 / 0.85], rtol=0.05)


def test_a_hand_at_the_border_is_cut_there(folder):
    from photograph_crops import crop, read_hands

    at_the_border = {"box": [-10, -6, 30, 34], "keypoints": (np.array(GRID) - [70, 46]).tolist()}
    (folder / "train.jsonl").write_text(json.dumps({"file": "a.png", "hands": [at_the_border], "complete": True}))
    (hand,) = read_hands(folder / "train.jsonl")
    assert hand.box.tolist() == [-10, -6, 30, 34]
    image, keypoints = crop(np.random.default_rng(1), hand, SIZE)
    assert image.shape == (3, SIZE, SIZE) and keypoints.shape == (21, 3)


def test_photographs_take_the_place_of_some_crops():
    from keypoints import LABELS, KeypointTask
    from photograph_crops import Hand

    import modelscope_handkp
    from modelscope_handkp.model_dir.config import read_configuration

    class Crops:
        images, labels = np.full((8, 3, SIZE, SIZE), 9, np.uint8), np.full((8, *LABELS), 2.0, np.float32)

    config = read_configuration(Path(modelscope_handkp.__file__).parent / "embedded")
    hand = Hand(np.full((50, 50, 3), 200, np.uint8), np.full((21, 2), 25, np.float32), np.array([10, 10, 40, 40.0]))
    task = KeypointTask(config, Crops(), None, [hand])
    rng = np.random.default_rng(0)
    share = np.mean([task.stored(place % 8, rng)[0].max() > 9 for place in range(400)])
    assert 0.3 < share < 0.5


def test_windows_of_photographs_come_from_those_whose_hands_are_known(folder):
    from mine import photographs

    shown = list(photographs(lists("--photographs", folder), 10, 0))
    assert sorted(len(boxes) for _, (boxes,) in shown) == [0, 0, 2]
    assert len(list(photographs(lists("--photographs", folder), 1, 0))) == 1


def test_where_of_no_photograph_all_hands_are_known_there_are_no_windows(folder):
    from mine import photographs

    from modelscope_handkp.errors import InputError

    (folder / "train.jsonl").write_text(json.dumps(entry(complete=False)))
    with pytest.raises(InputError, match=r"train\.jsonl: of no image all hands are known"):
        next(photographs([folder / "train.jsonl"], 10, 0))


def test_windows_are_in_the_file_that_was_named(folder, monkeypatch, capsys):
    import mine

    found = np.zeros((3, 128, 128), np.uint8)
    monkeypatch.setattr(mine, "windows", lambda *_: [found])
    for out in ("windows", "nothing/windows"):
        monkeypatch.setattr("sys.argv", ["mine.py", str(folder / out), "--photographs", str(folder)])
        if "/" in out:
            with pytest.raises(SystemExit):
                mine.main()
            assert "nothing is no folder" in capsys.readouterr().err
        else:
            mine.main()
            assert np.load(folder / out).shape == (3, 3, 128, 128)


def test_photographs_without_a_hand_are_enough(tmp_path):
    """They are backgrounds, and tiles in which there is no hand."""
    from detection import LABELS, YOLOXTask
    from photograph_tiles import Labelled
    from train import DETECTION

    from modelscope_handkp.model_dir.config import read_python_config

    class Renders:
        images, labels = np.full((8, 3, SIZE, SIZE), 9, np.uint8), np.full((8, *LABELS), np.nan, np.float32)

    free = Labelled(np.zeros((50, 50, 3), np.uint8), np.zeros((0, 4), np.float32), complete=True)
    task = YOLOXTask({**read_python_config(DETECTION), "width": 1 / 16}, Renders(), [free])
    for seed in range(3):
        assert task.loss(np.arange(2), 0.0, np.random.default_rng(seed)).isfinite()
