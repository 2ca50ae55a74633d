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
    from photograph_tiles import add_photographs, lists_of

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


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"file": "a.png", "hands": []}',
        '{"file": "a.png", "hands": [{"keypoints": null}], "complete": true}',
        '{"file": "a.png", "hands": [{"box": [1, 2, 3]}], "complete": true}',
        '{"file": "a.png", "hands": [{"box": [1, 2, 3, 4, 5, 6, 7, 8]}], "complete": true}',
        '{"file": "a.png", "hands": [{"box": [1, 2, 3, 4], "keypoints": [[1, 2]]}], "complete": true}',
        '{"file": "a.png", "hands": [], "complete": "no"}',
        '{"file": "b.png", "hands": [], "complete": true}',
    ],
)
def test_a_line_that_is_no_entry_is_named(folder, line):
    from photograph_crops import read_hands
    from photograph_tiles import read_photographs

    from modelscope_handkp.errors import InputError

    good = (folder / "train.jsonl").read_text()
    (folder / "train.jsonl").write_text(good + "\n" + line + "\n")
    for read in (read_photographs, read_hands):
        with pytest.raises(InputError, match=r"train\.jsonl, line 5: "):
            read(folder / "train.jsonl")


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
    assert 0.5 < share < 0.7


def test_windows_of_photographs_come_from_those_whose_hands_are_known(folder):
    from mine import photographs

    shown = list(photographs(lists("--photographs", folder), 10, 0))
    assert sorted(len(boxes) for _, (boxes,) in shown) == [0, 0, 2]
    assert len(list(photographs(lists("--photographs", folder), 1, 0))) == 1
