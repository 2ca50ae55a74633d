"""The page's line from images to hands gives what the package gives, step by step."""

from typing import Any

import cv2
import numpy as np
import pytest
from node import in_node, needs_node

from modelscope_handkp.detection.letterbox import Letterbox
from modelscope_handkp.export.describe import describe_refinement
from modelscope_handkp.pose.crop import Cropper
from modelscope_handkp.pose.refine import confidence, kept_hands, localised, poorly_localised

pytestmark = needs_node

PLAIN = {"colours": "RGB", "mean": [0, 0, 0], "std": [1, 1, 1]}
NORMALISED = {"colours": "BGR", "mean": [103.5, 116.3, 123.7], "std": [57.4, 57.1, 58.4]}
RESIZED = 1.5  # grey levels by which OpenCV's fixed-point arithmetic may differ


def smooth_image(width: int, height: int) -> np.ndarray:
    small = np.random.default_rng(0).integers(0, 255, (height // 12 + 2, width // 12 + 2, 3), np.uint8)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def rgba(image: np.ndarray) -> dict[str, Any]:
    pixels = cv2.cvtColor(image, cv2.COLOR_BGR2RGBA)
    return {"data": pixels.ravel().tolist(), "width": image.shape[1], "height": image.shape[0]}


def planes_of(answer: Any, shape: tuple[int, int]) -> np.ndarray:
    return np.array(answer, np.float32).reshape(3, *shape)


@pytest.mark.parametrize("size", [(100, 60), (61, 90), (40, 40), (200, 7)])
def test_a_letterboxed_input_is_the_packages(size: tuple[int, int]) -> None:
    image = smooth_image(*size)
    shape = {"resize": "letterbox", "size": 96, "step": 32, "padding": 114, **NORMALISED}
    answer = in_node(
        'import { detectorInput } from "./src/detector.js";',
        "const { planes, scale } = detectorInput(given.image, given.shape);"
        "return { data: [...planes.data], shape: planes.shape, scale };",
        image=rgba(image),
        shape=shape,
    )
    expected = Letterbox(96, 96, centred=False, step=32)(image)
    assert answer["shape"] == [1, 3, *expected.input.shape[:2]]
    np.testing.assert_allclose(answer["scale"], expected.scale)
    wanted = (expected.input - np.array(NORMALISED["mean"])) / np.array(NORMALISED["std"])
    found = planes_of(answer["data"], expected.input.shape[:2]).transpose(1, 2, 0)
    np.testing.assert_allclose(found, wanted, atol=RESIZED / 57)


def test_a_stretched_input_fills_the_square() -> None:
    image = smooth_image(90, 50)
    answer = in_node(
        'import { detectorInput } from "./src/detector.js";',
        "const { planes, scale } = detectorInput(given.image, given.shape); return { data: [...planes.data], scale };",
        image=rgba(image),
        shape={"resize": "stretch", "size": 64, "step": 64, **PLAIN},
    )
    np.testing.assert_allclose(answer["scale"], [64 / 90, 64 / 50])
    expected = cv2.resize(image, (64, 64))[..., ::-1]
    np.testing.assert_allclose(planes_of(answer["data"], (64, 64)).transpose(1, 2, 0), expected, atol=RESIZED)


@pytest.mark.parametrize("box", [[30, 20, 70, 80], [-30, -10, 25, 40], [80, 50, 140, 60], [5.3, 7.9, 61.2, 23.4]])
def test_a_crop_is_the_packages_and_leads_back(box: list[float]) -> None:
    image = smooth_image(100, 90)
    about = {"input": {"name": "images", "shape": ["N", 3, 64, 48], **PLAIN}, "crop": {"padding": 1.25}}
    answer = in_node(
        'import { KeypointReader } from "./src/keypoints.js";',
        """const network = { run: async (data) => ({ keypoints: [0, 0, 0.5, 48, 64, 0.25] }) };
        const reader = new KeypointReader(given.about, network);
        return { data: [...reader.crop(given.image, given.box).planes.data],
                 points: await reader.read(given.image, given.box) };""",
        image=rgba(image),
        box=box,
        about=about,
    )
    chain = [{"type": "TopDownAffine"}, {"type": "MMToTensor"},
             {"type": "NormalizeTensor", "mean": [0] * 3, "std": [1] * 3},
             {"type": "PoseCollect", "keys": ["img"], "meta_keys": []}]  # fmt: skip
    crop = Cropper((48, 64), chain)(np.ascontiguousarray(image[..., ::-1]), np.array(box, np.float32))
    expected = crop.input.numpy() * 255
    assert np.abs(planes_of(answer["data"], (64, 48)) - expected).mean() < 0.6
    (left, top, score), (right, bottom, other) = answer["points"]
    np.testing.assert_allclose([left, top], crop.center - crop.scale * 100, atol=1e-3)
    np.testing.assert_allclose([right, bottom], crop.center + crop.scale * 100, atol=1e-3)
    assert (score, other) == (0.5, 0.25)


def test_boxes_go_through_threshold_clipping_and_suppression() -> None:
    boxes = [[10, 10, 50, 50], [12, 12, 52, 52], [60, 10, 90, 30], [-20, 70, 20, 90], [0, 0, 5, 5], [70, 70, 70, 80]]
    scores = [0.6, 0.9, 0.5, 0.4, 0.1, 0.9]
    about = {"input": {"resize": "letterbox", "size": 100, "step": 1, "padding": 0, **PLAIN}, "score_threshold": 0.2,
             "iou_threshold": 0.5, "at_most": 3}  # fmt: skip
    found = in_node(
        'import { Detector } from "./src/detector.js";',
        """const network = { run: async () => ({ boxes: given.boxes.flat(), scores: given.scores }) };
        return new Detector(given.about, network).detect(given.image);""",
        boxes=boxes,
        scores=scores,
        about=about,
        image=rgba(smooth_image(200, 200)),
    )
    assert [hand["score"] for hand in found] == [0.9, 0.5, 0.4]
    assert found[2]["box"] == [0, 140, 40, 180]


def hands_at_random(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Boxes (N, 4), scores (N,) and keypoints (N, 21, 3), of which some coincide and some lie beside their box."""
    corners = rng.uniform(0, 120, (count, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(20, 80, (count, 2))], 1).astype(np.float32)
    keypoints = np.zeros((count, 21, 3), np.float32)
    for i, (x0, y0, x1, y1) in enumerate(boxes):
        keypoints[i, :, :2] = rng.uniform([x0, y0], [x1, y1], (21, 2)) + rng.normal(0, 15, 2)
        if i and rng.random() < 0.5:
            keypoints[i, :, :2] = keypoints[i - 1, :, :2] + rng.normal(0, 8, (21, 2))
    keypoints[..., 2] = rng.uniform(0, 1, (count, 1)) * rng.uniform(0.5, 1, (count, 21))
    return boxes, rng.uniform(0.05, 1, count).astype(np.float32), keypoints


def test_hands_are_kept_moved_and_judged_as_by_the_package() -> None:
    rng = np.random.default_rng(1)
    images = [hands_at_random(rng, 6) for _ in range(40)]
    given = [
        [{"box": b.tolist(), "score": float(s), "keypoints": k.tolist()} for b, s, k in zip(*image)] for image in images
    ]
    answers = in_node(
        'import { Refinement } from "./src/refine.js";',
        """const refinement = new Refinement(given.numbers);
        return given.images.map((hands) => ({
          sure: hands.map((hand) => refinement.confidence(hand)),
          kept: refinement.kept(hands, 0.3, 150, 140).map((hand) => hands.indexOf(hand)),
          second: hands.map((hand) => refinement.secondBox(hand, 150, 140)),
          boxes: hands.map((hand) => refinement.localised(hand, 150, 140)),
        }));""",
        numbers=describe_refinement(),
        images=given,
    )
    moved = 0
    for (boxes, scores, keypoints), answer in zip(images, answers):
        sure, clipped = confidence(keypoints, scores), np.clip(boxes, 0, [150, 140, 150, 140]).astype(np.float32)
        np.testing.assert_allclose(answer["sure"], sure, rtol=1e-5)
        assert answer["kept"] == kept_hands(keypoints, clipped, sure, 0.3)
        poor, second = poorly_localised(keypoints, clipped, 150, 140)
        assert [i for i, box in enumerate(answer["second"]) if box] == poor.tolist()
        np.testing.assert_allclose([box for box in answer["second"] if box], second.reshape(-1, 4), atol=1e-3)
        np.testing.assert_allclose(answer["boxes"], localised(keypoints, clipped, 150, 140), atol=1e-3)
        moved += len(poor)
    assert moved > 5


def test_the_line_looks_again_beside_a_box_and_drops_what_is_no_hand() -> None:
    """Of three boxes one holds nothing, and one has its hand beside it, which is clearer seen from the second box."""
    found = in_node(
        'import { Estimator } from "./src/estimator.js";',
        """const asked = [];
        const reader = (box) => {
          asked.push(box);
          const [x, score] = box[0] < 50 ? [20, 0.9] : box[0] < 100 ? [120, 0.1] : [172, box[2] === 190 ? 0.5 : 0.8];
          return Array.from({ length: 21 }, (_, i) => [x + (i % 5) * 5, 20 + Math.floor(i / 5) * 5, score]);
        };
        const estimator = new Estimator(given.about, {});
        estimator.detector.detect = async () => given.candidates;
        estimator.reader.read = async (image, box) => reader(box);
        return { hands: await estimator.find({ width: 300, height: 200 }), asked };""",
        candidates=[
            {"box": [18, 18, 42, 42], "score": 0.9},
            {"box": [60, 10, 90, 50], "score": 0.9},
            {"box": [150, 10, 190, 50], "score": 0.9},
        ],
        about={"detector": {}, "keypoints": {"hand_threshold": 0.3}, "refinement": describe_refinement()},
    )
    assert len(found["asked"]) == 4
    first, second = found["hands"]
    assert first["keypoints"][0] == [20, 20, 0.9]
    assert second["keypoints"][0] == [172, 20, 0.8]
    np.testing.assert_allclose(first["confidence"], 0.9**0.25 * 0.9)
    np.testing.assert_allclose(first["box"], [18.8, 18.8, 41.2, 41.2])
