"""benchmarks/photographs.py: what counts as found, as missed and as false."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from modelscope_handkp.errors import InputError, MissingFileError

SIDE = 200
BOX = [20, 20, 60, 60]
INSIDE = [24, 20, 60, 60]  # IoU 0.9
BESIDE = [20, 40, 60, 80]  # IoU 1 / 3
FARTHER = [20, 44, 60, 84]  # IoU 1 / 4
FAR = [120, 120, 160, 160]


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "benchmarks")
    import photographs

    return photographs


class Model:
    """Finds ``boxes`` in any image, with keypoints at their centre; its detector offers ``offered``."""

    def __init__(self, boxes, offered=()):
        self.boxes, self.offered, self.detector = boxes, offered, self

    def detect(self, images):
        return [(np.array(self.offered, np.float32).reshape(-1, 4), np.ones(len(self.offered))) for _ in images]

    def __call__(self, image, boxes=None):
        from modelscope_handkp import Hands

        boxes = np.array(self.boxes if boxes is None else boxes, np.float32).reshape(-1, 4)
        keypoints = np.ones((len(boxes), 21, 3), np.float32)
        keypoints[..., :2] = ((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None]
        scores = np.ones(len(boxes), np.float32)
        return Hands(keypoints, boxes, scores, scores, image.shape[1::-1], keypoint_threshold=0.0)


def hand(box, keypoints=None, label="mediapipe"):
    return {"box": box, "keypoints": keypoints, "label": label}


def listed(benchmark, folder, *images):
    """The photographs of a list with these hands and whether they are complete."""
    cv2.imwrite(str(folder / "a.png"), np.zeros((100, SIDE, 3), np.uint8))
    lines = [json.dumps({"file": "a.png", "hands": hands, "complete": complete}) for hands, complete in images]
    (folder / "val.jsonl").write_text("\n".join(lines) + "\n")
    return benchmark.read_photographs(folder, "val")


def measured(benchmark, model, photographs):
    return benchmark.numbers([benchmark.look(model, photograph) for photograph in photographs])


def test_hands_are_found_and_boxes_are_false_by_their_overlap(benchmark, tmp_path):
    photographs = listed(benchmark, tmp_path, ([hand(BOX), hand(FAR)], True), ([], True))
    found = measured(benchmark, Model([INSIDE], offered=[BESIDE, FARTHER, FAR]), photographs)
    assert (found["photographs"], found["hands"], found["hand-free"]) == (2, 2, 1)
    assert (found["recall@0.5"], found["recall@0.3"]) == (0.5, 0.5)
    assert (found["false boxes an image"], found["... a hand-free one"]) == (0.5, 1)
    assert (found["detector's recall@0.5"], found["detector's recall@0.3"]) == (0.5, 1)
    assert (found["detector's false boxes an image"], found["detector's ... a hand-free one"]) == (2, 3)
    assert found["boxes offered an image"] == 3
    assert found["seconds at worst"] >= found["seconds an image"] > 0


def test_where_hands_may_have_no_label_no_box_is_false(benchmark, tmp_path):
    photographs = listed(benchmark, tmp_path, ([hand(BOX)], False), ([], False), ([], True))
    model = Model([INSIDE, FAR])
    found = measured(benchmark, model, photographs)
    assert [benchmark.look(model, photograph).false for photograph in photographs] == [0, 0, 2]
    assert found["recall@0.5"] == 1
    assert (found["hand-free"], found["false boxes an image"]) == (1, 2)


def test_without_a_hand_only_false_boxes_are_counted(benchmark, tmp_path):
    found = measured(benchmark, Model([FAR, BOX], offered=[FAR]), listed(benchmark, tmp_path, ([], True)))
    assert found["false boxes an image"] == 2
    assert not any("recall" in name or "pck" in name for name in found)
    assert not any(np.isnan(value) for value in found.values())


def test_recall_by_the_share_of_the_longer_side(benchmark, tmp_path):
    """200 pixels: 10, 20, 40 and 80 are in one bin each; the second and the fourth are found."""
    boxes = [[0, 0, 10, 5], [20, 0, 40, 5], [50, 0, 60, 40], [100, 0, 180, 80]]
    photographs = listed(benchmark, tmp_path, ([hand(box) for box in boxes], True))
    found = measured(benchmark, Model(boxes[1::2]), photographs)
    bins = [value for name, value in found.items() if name.startswith("recall@0.5 ")]
    assert bins == [0, 1, 0, 1]
    nothing = measured(benchmark, Model([]), listed(benchmark, tmp_path, ([hand(boxes[0])], True)))
    assert np.isnan(nothing["recall@0.5 from 1/3"])


def test_keypoints_count_where_their_label_is_trusted(benchmark, tmp_path):
    centre = [[40, 40]] * 21
    hands = [
        hand(BOX, centre),
        hand(FAR, centre, label="box mended by hand"),
        hand(FAR, None),
        hand([150, 0, 190, 40], centre),
    ]
    found = measured(benchmark, Model([INSIDE]), listed(benchmark, tmp_path, (hands, True)))
    assert found["pck@0.2 given boxes"] == 0.5  # the last one's are at (40, 40), 130 pixels from its box
    assert found["pck@0.2 end to end"] == 0.5
    nothing = measured(benchmark, Model([]), listed(benchmark, tmp_path, (hands[:1], True)))
    assert (nothing["pck@0.2 given boxes"], nothing["pck@0.2 end to end"]) == (1, 0)


def test_the_worst_photographs_come_first_and_are_drawn(benchmark, tmp_path):
    photographs = listed(benchmark, tmp_path, ([hand(BOX)], True), ([], True), ([hand(FAR), hand(FARTHER)], True))
    outcomes = [benchmark.look(Model([INSIDE]), photograph) for photograph in photographs]
    worst = benchmark.worst_first(outcomes)
    assert [(outcome.missed, outcome.false) for outcome in worst] == [(2, 1), (0, 1)]
    sheet = benchmark.draw_sheet(worst)
    assert sheet.dtype == np.uint8
    assert sheet.ndim == 3
    assert (sheet == (0, 200, 0)).all(-1).any() and (sheet == (0, 0, 255)).all(-1).any()


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        '{"file": "a.png", "hands": [{}], "complete": true}',
        '{"file": "a.png", "hands": [{"box": [1, 2, 3]}], "complete": true}',
        '{"file": "a.png", "hands": [{"box": [NaN, 2, 3, 4]}], "complete": true}',
        '{"file": "a.png", "hands": [{"box": [9, 2, 3, 4]}], "complete": true}',
        '{"file": "a.png", "hands": [{"box": [1, 2, 3, 4], "keypoints": [1], "label": "mediapipe"}], "complete": true}',
        '{"file": "a.png", "hands": []}',
        '{"file": "b.png", "hands": [], "complete": true}',
    ],
)
def test_a_line_that_is_no_photograph_is_named_before_anything_is_measured(benchmark, tmp_path, line):
    listed(benchmark, tmp_path, ([], True))
    with (tmp_path / "val.jsonl").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(InputError, match=r"val\.jsonl, line 2(:| is no photograph:) "):
        benchmark.read_photographs(tmp_path, "val")


def test_a_list_of_nothing_and_none_at_all_are_named(benchmark, tmp_path):
    with pytest.raises(MissingFileError, match=r"val\.jsonl does not exist"):
        benchmark.read_photographs(tmp_path, "val")
    (tmp_path / "val.jsonl").write_text("\n")
    with pytest.raises(InputError, match=r"val\.jsonl lists no image"):
        benchmark.read_photographs(tmp_path, "val")


def test_a_hand_needs_neither_keypoints_nor_a_label(benchmark, tmp_path):
    (shown,) = listed(benchmark, tmp_path, ([{"box": BOX}], True))
    assert shown.boxes.tolist() == [BOX]
    assert not shown.keypoints.any()


def test_an_image_of_any_ratio_is_drawn(benchmark, tmp_path):
    (shown,) = listed(benchmark, tmp_path, ([hand([0, 0, 1, 1])], True))
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((1, 3000, 3), np.uint8))
    assert benchmark.tile(benchmark.look(Model([]), shown)).shape == (320, 320, 3)
