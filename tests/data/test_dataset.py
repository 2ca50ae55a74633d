"""Annotated hands as samples, against tests/golden/dataset_samples.json (EasyCV 0.11.7's, in order), 1e-3."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
import torch
from coco_files import annotation, write_coco
from conftest import GOLDEN

from modelscope_handkp.data.dataset import HandDataset, collate, read_rgb
from modelscope_handkp.errors import ConfigError, DatasetError

COCO = GOLDEN / "coco_wholebody.json"


def test_golden(golden: Callable[[str], Any], tmp_path: Path) -> None:
    for entry in json.loads(COCO.read_text())["images"]:
        (tmp_path / entry["file_name"]).touch()
    data, expected = HandDataset(COCO, tmp_path), golden("dataset_samples.json")
    assert len(data) == len(expected)
    names = {"bbox": "bbox", "center": "center", "scale": "scale", "joints_3d": "joints"}
    for index, reference in enumerate(expected):
        sample = data.describe(index)
        assert sample["image_file"] == str(tmp_path / Path(reference["image_file"]).name)
        assert (sample["image_id"], sample["bbox_id"]) == (reference["image_id"], reference["bbox_id"])
        for ours, theirs in {**names, "joints_3d_visible": "visible"}.items():
            np.testing.assert_allclose(sample[ours], reference[theirs], rtol=0, atol=1e-3)


def test_a_sample_has_what_the_transforms_read(tmp_path: Path) -> None:
    points = [3.0, 4.0, 0.25] + [5.0, 7.0, 2.0] * 19 + [9.0, 9.0, 0.0]
    path = write_coco(tmp_path, [annotation(0, "right", righthand_kpts=points), annotation(1)])
    sample = HandDataset(path, tmp_path).describe(0)
    assert (sample["bbox_score"], sample["rotation"], sample["flip_pairs"]) == (1.0, 0.0, [])
    assert sample["joints_3d"][0].tolist() == [3, 4, 0]
    assert [row.tolist() for row in sample["joints_3d_visible"][[0, 1, 20]]] == [[0.25, 0.25, 0], [1, 1, 0], [0, 0, 0]]
    info = sample["ann_info"]
    assert (info["image_size"].tolist(), info["heatmap_size"].tolist()) == ([256, 256], [64, 64])
    assert (info["num_joints"], info["flip_pairs"], info["use_different_joint_weights"]) == (21, [], False)
    assert info["joint_weights"].shape == (21, 1) and info["joint_weights"].min() == info["joint_weights"].max() == 1


def test_the_crop_has_the_sides_of_the_configured_image(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(0)])
    sizes = {"image_size": (128, 256), "heatmap_size": (32, 64)}
    sample = HandDataset(path, tmp_path, data_cfg=sizes).describe(0)
    assert sample["ann_info"]["image_size"].tolist() == [128, 256]
    assert sample["scale"][1] / sample["scale"][0] == pytest.approx(2)


def test_samples_know_their_side_also_where_images_are_missing(tmp_path: Path) -> None:
    people = [annotation(0, "left right"), annotation(1, "right"), annotation(2, "left right")]
    path = write_coco(tmp_path, people, images=3)
    data = HandDataset(path, tmp_path)
    sides = [data.describe(index)["is_left"] for index in range(len(data))]
    assert sides == [True, False, False, True, False] and all(type(side) is bool for side in sides)
    (tmp_path / "0.png").unlink()
    data = HandDataset(path, tmp_path, on_bad_image="skip")
    assert [data.describe(index)["is_left"] for index in range(len(data))] == [False, True, False]
    assert collate([data[0], data[1]])["is_left"].tolist() == [False, True]  # type: ignore[index]


def test_the_image_is_rgb_and_what_the_sample_says_is_a_copy(tmp_path: Path) -> None:
    data = HandDataset(write_coco(tmp_path, [annotation(1)]), tmp_path)
    sample = data[0]
    assert sample is not None
    assert sample["img"].shape == (24, 32, 3) and sample["img"].flags["C_CONTIGUOUS"]
    assert sample["img"][0, 0].tolist() == [200, 20, 10]
    sample["bbox"][:], sample["joints_3d"][:] = 0, 0
    assert data.describe(0)["bbox"].tolist() == [4, 6, 20, 10] and data.describe(0)["joints_3d"][0].tolist() == [
        5,
        7,
        0,
    ]


def test_an_index_beyond_the_samples(tmp_path: Path) -> None:
    data = HandDataset(write_coco(tmp_path, [annotation(0), annotation(1)]), tmp_path)
    for index in (-1, 2):
        with pytest.raises(IndexError, match=f"sample {index} of 2"):
            data[index]
    assert len(list(data)) == 2  # a for loop ends by IndexError


def test_random_transforms_repeat_by_seed_epoch_and_sample(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(0), annotation(1)])

    def drawn(seed: int, epoch: int, workers: int = 0) -> list[float]:
        data = HandDataset(path, tmp_path, lambda sample, rng: {"x": rng.random()}, seed=seed)
        loader = torch.utils.data.DataLoader(
            data, batch_size=None, num_workers=workers, persistent_workers=workers > 0, collate_fn=None
        )
        list(loader)
        data.set_epoch(epoch)  # after the workers have started
        return [sample["x"] for sample in loader]

    assert drawn(0, 1) == drawn(0, 1, workers=2)
    assert len({*drawn(0, 0), *drawn(0, 1), *drawn(1, 0)}) == 6


def test_missing_images_are_named_counted_and_by_option_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_coco(tmp_path, [annotation(0, "left right"), annotation(1)])
    (tmp_path / "0.png").unlink()
    with pytest.raises(DatasetError, match=r"1 of 2 images .* 0\.png; on_bad_image='skip' .* leaves them out"):
        HandDataset(path, tmp_path)
    data = HandDataset(path, tmp_path, on_bad_image="skip")
    assert [data.describe(i)["image_id"] for i in range(len(data))] == [1]
    assert "2 of 3 hands are left out" in caplog.text
    (tmp_path / "1.png").unlink()
    with pytest.raises(DatasetError, match="no hand is left"):
        HandDataset(path, tmp_path, on_bad_image="skip")


@pytest.mark.parametrize(("images", "named"), [(5, r"0.png, .*4.png;"), (6, r"0.png, .*4.png, \.\.\.;")])
def test_at_most_five_missing_images_are_named(tmp_path: Path, images: int, named: str) -> None:
    path = write_coco(tmp_path, [annotation(i) for i in range(images)], images)
    for i in range(images):
        (tmp_path / f"{i}.png").unlink()
    with pytest.raises(DatasetError, match=named):
        HandDataset(path, tmp_path)


def test_a_broken_image_is_named_and_by_option_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_coco(tmp_path, [annotation(0), annotation(1)])
    (tmp_path / "0.png").write_bytes(b"not an image")
    with pytest.raises(DatasetError, match=r"0\.png"):
        HandDataset(path, tmp_path)[0]
    data = HandDataset(path, tmp_path, on_bad_image="skip")
    assert data[0] is None and data.skipped == 1
    assert "left out: " in caplog.text and "0.png" in caplog.text
    loader = torch.utils.data.DataLoader(data, batch_size=2, num_workers=1, collate_fn=collate)
    with caplog.at_level(logging.ERROR):
        batches = list(loader)
    assert [batch["image_id"].tolist() for batch in batches] == [[1]]
    assert data.skipped == 2  # counted in the worker too


def test_half_a_jpeg_is_broken(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    content = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "x.jpg").write_bytes(content)
    assert read_rgb(tmp_path / "x.jpg").shape == (64, 64, 3)
    (tmp_path / "x.jpg").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"x\.jpg is broken"):
        read_rgb(tmp_path / "x.jpg")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
def test_a_file_that_is_no_image_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(DatasetError, match=r"x.jpg"):
        read_rgb(tmp_path / "x.jpg")
    with pytest.raises(DatasetError, match=r"gone.jpg"):
        read_rgb(str(tmp_path / "gone.jpg"))


def test_a_batch_stacks_numbers_and_lists_the_rest() -> None:
    samples = [
        {"t": torch.full((2,), i), "a": np.full(2, i), "n": np.float32(i), "i": i, "f": i / 2, "m": {"i": i}, "s": "x"}
        for i in range(2)
    ]
    batch = collate([samples[0], None, samples[1]])
    assert batch is not None
    assert batch["t"].tolist() == batch["a"].tolist() == [[0, 0], [1, 1]]
    assert (batch["n"].tolist(), batch["i"].tolist(), batch["f"].tolist()) == ([0, 1], [0, 1], [0, 0.5])
    assert (batch["m"], batch["s"]) == ([{"i": 0}, {"i": 1}], ["x", "x"])
    assert collate([None, None]) is None


def test_options_that_are_not_known(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(0)])
    with pytest.raises(ConfigError, match=r"on_bad_image must be one of .*'ignore'"):
        HandDataset(path, tmp_path, on_bad_image="ignore")
    with pytest.raises(ConfigError, match="num_joints is 17, a hand has 21"):
        HandDataset(path, tmp_path, data_cfg={"num_joints": 17})


def write_rotated(folder: Path, width: int, height: int, **changes: Any) -> Path:
    """One hand in the upper left of a 32 x 24 photograph that EXIF shows as 24 x 32, listed as ``width x height``."""
    stored = np.zeros((24, 32, 3), np.uint8)
    stored[:, :16] = 255  # its left half, which is the upper half of the rotated image
    image, exif = PIL.Image.fromarray(stored), PIL.Image.Exif()
    exif[0x0112] = 6  # Orientation
    image.save(folder / "a.png", exif=exif)
    entries = [{"id": 0, "file_name": "a.png", "width": width, "height": height}]
    people = [annotation(0, lefthand_box=[1, 1, 12, 12], **changes)]
    (folder / "a.json").write_text(json.dumps({"images": entries, "annotations": people}))
    return folder / "a.json"


def test_the_image_that_was_annotated_is_read(tmp_path: Path) -> None:
    as_stored, as_shown = (HandDataset(write_rotated(tmp_path, *size), tmp_path)[0] for size in ((32, 24), (24, 32)))
    assert as_stored is not None and as_shown is not None
    assert as_stored["img"].shape == (24, 32, 3) and as_shown["img"].shape == (32, 24, 3)
    assert as_stored["img"][:, :16].min() == 255 and as_stored["img"][:, 16:].max() == 0
    assert as_shown["img"][:16].min() == 255 and as_shown["img"][16:].max() == 0
    unstated = HandDataset(write_rotated(tmp_path, 0, 24), tmp_path)[0]
    assert unstated is not None and unstated["img"].shape == (32, 24, 3)


def test_an_image_that_was_resized_after_annotation(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = write_rotated(tmp_path, 192, 144)
    with pytest.raises(DatasetError, match=r"a\.png.*192 x 144"):
        HandDataset(path, tmp_path)[0]
    data = HandDataset(path, tmp_path, on_bad_image="skip")
    assert data[0] is None and data.skipped == 1
    assert "a.png" in caplog.text


def test_boxes_outside_their_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entries = [{"id": i, "file_name": f"{i}.png", "width": 32, "height": 24} for i in range(2)]
    for box in ([32, 1, 9, 9], [1, 24, 9, 9], [-9, 1, 9, 9], [1, -9, 9, 9]):
        path = write_coco(tmp_path, [annotation(0, "left right", lefthand_box=box), annotation(1)])
        path.write_text(json.dumps({**json.loads(path.read_text()), "images": entries}))
        with pytest.raises(DatasetError, match=r"1 of 3 boxes of .* outside their image: 0\.png; on_bad_image='skip'"):
            HandDataset(path, tmp_path)
        data = HandDataset(path, tmp_path, on_bad_image="skip")
        assert [data.describe(i)["is_left"] for i in range(len(data))] == [False, True]
        assert "1 of 3 hands are left out" in caplog.text
        caplog.clear()


def test_a_box_that_reaches_out_of_its_image_is_kept(tmp_path: Path) -> None:
    path = write_coco(
        tmp_path, [annotation(0, lefthand_box=[-8, -8, 9, 9]), annotation(1, lefthand_box=[31, 23, 9, 9])]
    )
    entries = [{"id": i, "file_name": f"{i}.png", "width": 32, "height": 24} for i in range(2)]
    path.write_text(json.dumps({**json.loads(path.read_text()), "images": entries}))
    data = HandDataset(path, tmp_path)
    assert len(data) == 2 and data[0] is not None and data[1] is not None


def test_a_box_outside_an_image_of_which_no_size_is_stated(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(0, lefthand_box=[90, 1, 9, 9])])
    with pytest.raises(DatasetError, match=r"0\.png has 32 x 24 pixels and the box of a hand, 90, 1, 9, 9 \(xywh\), l"):
        HandDataset(path, tmp_path)[0]
    assert HandDataset(path, tmp_path, on_bad_image="skip")[0] is None


def test_ids_of_any_kind_travel_with_the_sample(tmp_path: Path) -> None:
    entries = [{"id": name, "file_name": f"{i}.png"} for i, name in enumerate(("x-1", 1 << 70))]
    people = [{**annotation(0), "image_id": "x-1", "id": 5}, {**annotation(1), "image_id": 1 << 70, "id": None}]
    path = write_coco(tmp_path, people)
    path.write_text(json.dumps({"images": entries, "annotations": people}))
    data = HandDataset(path, tmp_path)
    batch = collate([data[0], data[1]])
    assert batch is not None and batch["image_id"] == ["x-1", 1 << 70] and batch["annotation_id"] == [5, None]
    batch = collate([data[1], data[1]])
    assert batch is not None and batch["image_id"] == [1 << 70] * 2


def test_a_file_name_that_no_system_has_is_missing(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(0)])
    path.write_text(json.dumps({"images": [{"id": 0, "file_name": "x" * 5000}], "annotations": [annotation(0)]}))
    with pytest.raises(DatasetError, match=r"1 of 1 images .* are missing"):
        HandDataset(path, tmp_path)


def test_a_mark_below_zero_is_no_mark(tmp_path: Path) -> None:
    path = write_coco(tmp_path, [annotation(0, lefthand_kpts=[5.0, 7.0, -1.0] + [5.0, 7.0, 2.0] * 20)])
    visible = HandDataset(path, tmp_path).describe(0)["joints_3d_visible"]
    assert visible[0].tolist() == [0, 0, 0] and visible[1].tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"data_cfg": {"image_size": 256}}, "data_cfg.image_size must be width and height, .* got 256"),
        ({"data_cfg": {"image_size": [0, 64]}}, r"data_cfg.image_size .* got \[0, 64\]"),
        ({"data_cfg": {"heatmap_size": "64"}}, "data_cfg.heatmap_size .* got '64'"),
        ({"data_cfg": {"num_joints": "21"}}, "data_cfg.num_joints is '21', a hand has 21"),
        ({"data_cfg": "x"}, "data_cfg must be an object of names and values, got 'x'"),
        ({"ann_file": None}, "ann_file must be a path, got None"),
        ({"img_prefix": 3}, "img_prefix must be a path, got 3"),
    ],
)
def test_arguments_of_another_kind(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    given = {"ann_file": write_coco(tmp_path, [annotation(0)]), "img_prefix": tmp_path, **changes}
    with pytest.raises(ConfigError, match=named):
        HandDataset(**given)
