"""Rendered data sets on disk: read back as they were rendered, left and right told apart, the same for one seed."""

import json

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.data.annotations import read_annotations
from modelscope_handkp.errors import InputError
from modelscope_handkp.synthetic import annotations, figures, render_batch, write_dataset

SIZE = (96, 72)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A data set of 10 and 3 images and the batches that it was written from."""
    drawn, folder = [], tmp_path_factory.mktemp("data")

    def noted(*arguments):
        drawn.append(render_batch(*arguments))
        return drawn[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(annotations, "render_batch", noted)
        assert write_dataset(folder, train=10, val=3, seed=7, level="medium", size=SIZE, hands=(0, 3)) == folder
    return folder, drawn


def content_of(folder, split):
    return json.loads((folder / "annotations" / f"coco_wholebody_{split}_v1.0.json").read_text())


def hands_of(content):
    """(image id, is left, box, keypoints) of each hand in the file."""
    return [
        (person["image_id"], side == "left", person[f"{side}hand_box"], np.reshape(person[f"{side}hand_kpts"], (21, 3)))
        for person in content["annotations"] for side in ("left", "right") if person[f"{side}hand_valid"]
    ]  # fmt: skip


def test_images_are_written_as_they_are_listed(rendered):
    folder, _ = rendered
    for split, count in (("train", 10), ("val", 3)):
        content = content_of(folder, split)
        assert [entry["id"] for entry in content["images"]] == list(range(1, count + 1))
        assert len(list((folder / f"{split}2017").iterdir())) == count
        for entry in content["images"]:
            assert (entry["width"], entry["height"]) == SIZE
            assert cv2.imread(str(folder / f"{split}2017" / entry["file_name"])).shape == (72, 96, 3)
        assert content["categories"] == [{"id": 1, "name": "person"}]


def test_every_hand_of_the_renderer_is_in_the_file_on_its_side(rendered):
    folder, drawn = rendered
    first, second, val = drawn
    assert len(first.images) == 8 and len(second.images) == 2 and len(val.images) == 3
    for split, parts in (("train", ((first, 0), (second, 8))), ("val", ((val, 0),))):
        written = hands_of(content_of(folder, split))
        assert len(written) == sum(len(part.boxes) for part, _ in parts)
        for part, offset in parts:
            for hand, (index, left) in enumerate(zip(part.image_index.tolist(), part.is_left.tolist())):
                x0, y0, x1, y1 = part.boxes[hand].tolist()
                same = [row for row in written if np.allclose(row[2], (x0, y0, x1 - x0, y1 - y0), atol=1e-3)]
                ((image_id, is_left, _, points),) = same
                assert image_id == offset + index + 1 and is_left == left
                state = part.keypoints[hand, :, 2].numpy()
                np.testing.assert_allclose(points[:, 2], np.choose(state.astype(int), (0, 0.75, 1)))
                seen = state > 0
                np.testing.assert_allclose(points[seen, :2], part.keypoints[hand, seen, :2], atol=1e-3)
                assert (points[~seen] == 0).all()


def test_images_show_what_was_rendered(rendered):
    folder, drawn = rendered
    image = cv2.imread(str(folder / "train2017" / f"{9:012d}.jpg"))[..., ::-1] / 255
    theirs = drawn[1].images[0].permute(1, 2, 0).numpy()
    assert np.abs(image - theirs).mean() < 0.02


def test_a_hand_drawn_as_a_right_hand_is_a_right_hand_in_the_file(tmp_path, monkeypatch):
    """Seen from the back, fingers up, right hands have the thumb on the left of the image (test_scene.py)."""
    back = torch.tensor([[1.0, 0, 0], [0, -1, 0], [0, 0, -1]])
    monkeypatch.setattr(figures, "sample_views", lambda rng, count, variety: back.expand(count, 3, 3))
    monkeypatch.setattr(figures, "sample_angles", open_hands)
    write_dataset(tmp_path, train=16, val=0, seed=1, size=(64, 64), hands=(1, 1))
    sides = [
        (is_left, points[4, 0] > points[20, 0]) for _, is_left, _, points in hands_of(content_of(tmp_path, "train"))
        if (points[[4, 20], 2] > 0).all()
    ]  # fmt: skip
    assert len(sides) > 8 and {left for left, _ in sides} == {True, False}
    assert all(left == thumb_on_the_right for left, thumb_on_the_right in sides)


def open_hands(rng, count, variety):
    from modelscope_handkp.synthetic.poses import Angles

    thumb = torch.tensor([[45.0, 15.0, 5.0, 5.0]]).repeat(count, 1)
    return Angles(torch.zeros(count, 4, 3), torch.zeros(count, 4), thumb), torch.zeros(count, dtype=torch.int64)


def test_the_reader_of_data_sets_reads_it(rendered):
    folder, drawn = rendered
    for split, parts in (("train", drawn[:2]), ("val", drawn[2:])):
        hands = read_annotations(folder / "annotations" / f"coco_wholebody_{split}_v1.0.json")
        assert len(hands) == sum(len(part.boxes) for part in parts)
        boxes = torch.cat([torch.cat([part.boxes[:, :2], part.boxes[:, 2:] - part.boxes[:, :2]], 1) for part in parts])
        np.testing.assert_allclose(np.sort(hands.boxes_xywh, 0), np.sort(boxes.numpy(), 0), atol=1e-4)
        is_left = torch.cat([part.is_left for part in parts]).numpy()
        for box, left in zip(hands.boxes_xywh, hands.is_left):
            assert left == is_left[np.abs(boxes.numpy() - box).max(1).argmin()]


def test_a_left_and_a_right_hand_share_a_person(rendered):
    people = [person for split in ("train", "val") for person in content_of(rendered[0], split)["annotations"]]
    both = [person for person in people if person["lefthand_valid"] and person["righthand_valid"]]
    assert both and len(both) < len(people)
    for person in people:
        boxes = [person[f"{side}hand_box"] for side in ("left", "right") if person[f"{side}hand_valid"]]
        x0, y0 = np.min(boxes, 0)[:2]
        x1, y1 = np.max([(x + w, y + h) for x, y, w, h in boxes], 0)
        np.testing.assert_allclose(person["bbox"], (x0, y0, x1 - x0, y1 - y0))
        assert abs(person["area"] - (x1 - x0) * (y1 - y0)) < 1e-3 and not person["iscrowd"]
        assert person["category_id"] == 1 and len(person["keypoints"]) == 51
    train = content_of(rendered[0], "train")["annotations"]
    assert [person["id"] for person in train] == list(range(1, len(train) + 1))


def test_images_have_from_the_fewest_to_the_most_hands(tmp_path):
    write_dataset(tmp_path, train=24, val=0, seed=0, size=(160, 120), hands=(1, 2))
    written = hands_of(content_of(tmp_path, "train"))
    counts = np.bincount([image_id for image_id, *_ in written], minlength=25)[1:]
    assert counts.max() == 2 and (counts == 2).sum() > 4 and (counts == 1).sum() > 4


def test_the_same_seed_writes_the_same_files_and_splits_differ(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_dataset(tmp_path / name, train=1, val=1, seed=seed, size=(64, 64))
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 4
    a, b, c = ([(tmp_path / name / file).read_bytes() for file in files] for name in "abc")
    assert a == b and not set(a) & set(c) and len(set(a)) == 4


def test_a_split_of_no_images_is_left_out(tmp_path):
    write_dataset(tmp_path, train=0, val=1, size=(64, 64))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["annotations", "val2017"]
    assert len(list((tmp_path / "annotations").iterdir())) == 1


@pytest.mark.parametrize(("arguments", "words"), [
    ({"train": -1}, "train must be from 0 .* got -1"),
    ({"val": -3}, "val must be from 0 .* got -3"),
    ({"train": 0, "val": 0}, r"train \+ val must be from 1 .* got 0"),
    ({"seed": -1}, "seed .* got -1"),
    ({"seed": 2**40}, "seed .* got 1099511627776"),
    ({"level": "extreme"}, "unknown level 'extreme'"),
    ({"size": (8, 64)}, "width must be from 16 to 4096, got 8"),
    ({"size": (64, 5000)}, "height .* got 5000"),
    ({"hands": (-1, 2)}, "fewest .* got -1"),
    ({"hands": (3, 2)}, "most hands in an image must be from 3 .* got 2"),
    ({"hands": (1, 99)}, "got 99"),
])  # fmt: skip
def test_what_cannot_be_rendered_is_refused_before_anything_is_written(tmp_path, arguments, words):
    with pytest.raises(InputError, match=words):
        write_dataset(tmp_path / "data", **arguments)
    assert not (tmp_path / "data").exists()


def test_annotations_appear_when_their_images_are_there(tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(annotations, "render_batch", stop)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(tmp_path, train=1, val=0, size=(64, 64))
    assert not list((tmp_path / "annotations").iterdir())
