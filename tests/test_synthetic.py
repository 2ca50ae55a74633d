"""The renderer: seeded, exact keypoints on the hand, joint limits, visibility, and files that are read back equal."""

import json
import subprocess
import sys
from dataclasses import replace
from functools import partial

import cv2
import numpy as np
import pytest
import torch

from modelscope_handkp.data.coco_wholebody import read_annotations
from modelscope_handkp.errors import InputError
from modelscope_handkp.skeleton import KEYPOINT_NAMES
from modelscope_handkp.synthetic import (
    EASY,
    HARD,
    LEVELS,
    MEDIUM,
    Rng,
    background,
    render_batch,
    render_crops,
    render_image,
    scene,
    skeleton,
    write_dataset,
)
from modelscope_handkp.synthetic.camera import jpeg
from modelscope_handkp.synthetic.people import _EYE_U, _EYE_V, _MOUTH_V, _complexion, person
from modelscope_handkp.synthetic.surface import hand_spheres, splat

SIZE = 96
LIGHT = torch.tensor([[0.0, -0.6, -0.8]] * 2)  # toward it: from above and the camera


@pytest.fixture(scope="module")
def easy():
    """Eight crops with exact boxes, nothing before or behind the hands."""
    with torch.no_grad():
        return render_crops(Rng(5), 8, SIZE, EASY, jitter=0.0)


def _lit(draw, rng, picture, index):
    draw(rng, picture, index, LIGHT, torch.full((2, 3), 0.4))


def test_same_seed_same_picture_and_another_seed_another():
    first, again, other = (render_image(seed, (96, 64), hands=2, level="hard") for seed in (3, 3, 4))
    for a, b in zip(first, again):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(first[0], other[0])


def test_shapes_types_and_ranges():
    image, keypoints, boxes = render_image(1, (120, 80), hands=3, level="medium")
    assert image.shape == (80, 120, 3) and image.dtype == np.uint8
    assert keypoints.shape == (3, 21, 3) and boxes.shape == (3, 4)
    assert set(np.unique(keypoints[..., 2])) <= {0.0, 1.0, 2.0}
    assert (boxes[:, 2:] >= boxes[:, :2]).all() and boxes.min() >= 0 and (boxes[:, 2:] <= (120, 80)).all()


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_pictures_without_hands(level):
    image, keypoints, boxes = render_image(2, (64, 48), hands=0, level=level)
    assert image.shape == (48, 64, 3) and keypoints.shape == (0, 21, 3) and boxes.shape == (0, 4)


@pytest.mark.parametrize("draw", [background._motifs, partial(_lit, background._folds), partial(_lit, person)])
def test_what_stands_behind_the_hands_is_drawn_where_it_should_be(draw):
    """Only into the pictures that are named, the same for the same seed, in colours that light can have."""
    pictures = []
    for seed in (1, 1, 2):
        picture = torch.full((3, 3, 48, 64), 0.2)
        draw(Rng(seed), picture, torch.tensor([0, 2]))
        pictures.append(picture)
    first, again, other = pictures
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert (first[1] == 0.2).all() and (first[[0, 2]] != 0.2).any(1).float().mean() > 0.01
    assert first.isfinite().all() and first.min() >= 0 and first.max() <= 2


def test_a_face_has_eyes_and_a_mouth():
    """Across its middle a face is brighter at the whites of its eyes than between them, and redder at the mouth."""
    v, u = torch.meshgrid(torch.linspace(-1, 1, 201), torch.linspace(-1, 1, 201), indexing="ij")
    color = _complexion(Rng(3), u[None], v[None], torch.full((1, 3), 0.2), torch.full((1, 3), 0.05))[0]
    row, column = round((_EYE_V + 1) * 100), round((_EYE_U + 1) * 100)
    assert color[:, row, column - 12 : column + 13].amax() > 0.5 > color[:, row, 95:106].amax()
    redness = color[0] / color[1]
    mouth = redness[round((_MOUTH_V + 0.9) * 100) : round((_MOUTH_V + 1.1) * 100), 95:106]
    assert mouth.amax() > 1.5 > redness[90:110, 95:106].amax()


def test_box_fills_the_crop_as_the_network_expects(easy):
    sides = (easy.boxes[:, 2:] - easy.boxes[:, :2]).amax(1)
    np.testing.assert_allclose(sides, SIZE / 1.25, atol=0.1)


def test_keypoints_lie_in_the_box_and_on_the_silhouette(easy):
    low, high = easy.boxes[:, None, :2], easy.boxes[:, None, 2:]
    points = easy.keypoints[..., :2]
    assert ((points > low) & (points < high)).all()
    hands = skeleton.sample_hands(Rng(9), 6)
    spheres = hand_spheres(hands, hands.elbow * 2)
    gaps = torch.cdist(hands.joints, spheres.centers) - spheres.radii[:, None]
    assert (gaps.amin(2) < 0.5).all(), "every joint is inside the flesh, the tips at most half a millimetre before it"


def test_background_shows_through_nowhere_at_visible_keypoints():
    """With a hand of a colour that the wall never has, each visible keypoint's pixel is the hand's."""
    one, two = (render_image(11, (160, 120), hands=1, level=EASY) for _ in range(2))
    wall = render_image(11, (160, 120), hands=0, level=EASY)[0].astype(int)
    keypoints = one[1][0][one[1][0, :, 2] == 2]
    assert len(keypoints) > 5
    x, y = np.round(keypoints[:, :2]).astype(int).T
    changed = np.abs(one[0].astype(int) - wall).max(2)[y, x]
    assert (changed > 4).mean() > 0.9
    np.testing.assert_array_equal(one[1], two[1])


@pytest.mark.parametrize(("level", "tries"), [(EASY, 16), (replace(EASY, occlusion=0.01), 1)])
def test_arms_and_hands_cover_no_other_hand_where_nothing_may_occlude(monkeypatch, level, tries):
    drawn = []

    def noted(*arguments):
        drawn.append(render_batch(*arguments))
        return drawn[-1]

    monkeypatch.setattr(scene, "render_batch", noted)
    worst, most = [], 0
    for seed in range(16):
        drawn.clear()
        boxes = render_image(seed, (160, 120), hands=2, level=level)[2]
        worst.append(drawn[-1].shown.min() if len(boxes) == 2 else 0)
        most = max(most, len(drawn))
    assert 1 < most <= tries or most == tries == 1
    assert (min(worst) >= 0.9) == (level is EASY)


def test_order_of_keypoints_is_cocowholebody():
    flex = torch.zeros(1, 4, 3)
    joints, _, _ = skeleton.pose_hand(flex, torch.zeros(1, 4), torch.tensor([[40.0, 10.0, 0.0, 0.0]]),
                                      torch.full((1, 5, 3), 30.0), torch.ones(1))  # fmt: skip
    assert len(KEYPOINT_NAMES) == 21
    at = dict(zip(KEYPOINT_NAMES, joints[0]))
    tips = [at[name] for name in KEYPOINT_NAMES if name.endswith("4")]
    names = [name for name in KEYPOINT_NAMES if name.endswith("4")]
    assert [float(tip[0]) for tip in tips] == sorted(float(tip[0]) for tip in tips), "thumb to pinky, from -x to +x"
    assert names[0].startswith("thumb") and names[-1].startswith("pinky")
    assert at[names[2]][1] > at[names[1]][1] > at[names[4]][1], "the middle finger reaches farthest, the pinky least"
    for finger in range(5):
        chain = joints[0, [0, *range(1 + 4 * finger, 5 + 4 * finger)]].norm(dim=1)
        assert (chain.diff() > 0).all(), "a straight finger leads away from the wrist"


def test_left_hands_mirror_right_hands():
    hands = skeleton.sample_hands(Rng(3), 64)
    across = hands.joints[:, 17] - hands.joints[:, 5]
    handed = (torch.cross(hands.along[:, skeleton.PALM], hands.back[:, skeleton.PALM], dim=1) * across).sum(1)
    assert (hands.is_left == (handed < 0)).all()
    assert 0.2 < hands.is_left.float().mean() < 0.8


def test_angles_keep_the_joint_limits():
    flex, spread, thumb, pose = skeleton.sample_angles(Rng(0), 2000, 1.0)
    for joint, (low, high) in enumerate(skeleton.FLEX_LIMITS):
        assert flex[..., joint].min() >= low - 1e-4 and flex[..., joint].max() <= high + 1e-4
    for joint, (low, high) in enumerate(skeleton.THUMB_LIMITS):
        assert thumb[:, joint].min() >= low - 1e-4 and thumb[:, joint].max() <= high + 1e-4
    assert spread.abs().max() <= skeleton.SPREAD_LIMIT
    assert set(pose.tolist()) == set(range(len(skeleton.POSE_NAMES)))


def test_bones_keep_their_length_in_every_pose():
    bones = torch.full((50, 5, 3), 30.0)
    flex, spread, thumb, _ = skeleton.sample_angles(Rng(1), 50, 1.0)
    joints, along, back = skeleton.pose_hand(flex, spread, thumb, bones, torch.ones(50))
    parents = joints[:, list(skeleton.PARENTS)]
    lengths = (joints[:, 1:] - parents).norm(dim=-1)
    fingers = [b for b in range(20) if b % 4]
    np.testing.assert_allclose(lengths[:, fingers], 30.0, atol=1e-3)
    np.testing.assert_allclose((along * back).sum(-1)[:, fingers], 0.0, atol=1e-5)


def test_what_is_covered_is_hidden_and_what_is_outside_is_zero():
    plain = EASY
    covered = MEDIUM.__class__("covered", hand_px=(60.0, 100.0), occlusion=1.0, held=1.0)
    with torch.no_grad():
        free = render_batch(Rng(0), [1] * 8, (128, 128), plain).keypoints
        under = render_batch(Rng(0), [1] * 8, (128, 128), covered).keypoints
        cut = render_crops(Rng(0), 8, 64, EASY, jitter=4.0).keypoints
    assert (under[..., 2] == 1).float().mean() > (free[..., 2] == 1).float().mean() + 0.1
    outside = ((cut[..., :2] < -0.51) | (cut[..., :2] > 63.51)).any(-1)
    assert outside.any() and (cut[..., 2][outside] == 0).all() and (cut[..., 2][~outside] > 0).all()


def test_a_hand_behind_its_own_arm_is_not_annotated(monkeypatch):
    """Arms that lead straight to the camera, past the middle of their hands."""

    def with_arm_before_it(rng, count, variety):
        hands = skeleton.sample_hands(rng, count, variety)
        return replace(hands, elbow=hands.joints.mean(1) * 1.2 - torch.tensor([0.0, 0.0, 280.0]))

    with torch.no_grad():
        free = render_batch(Rng(2), [1] * 8, (96, 96), EASY)
        monkeypatch.setattr("modelscope_handkp.synthetic.scene.sample_hands", with_arm_before_it)
        covered = render_batch(Rng(2), [1] * 8, (96, 96), EASY)
    assert len(free.boxes) == 8 and len(covered.boxes) <= 4


def test_a_hand_behind_another_is_not_annotated(monkeypatch):
    def all_in_one_place(rng, level, size, amounts):
        return torch.zeros(2, dtype=torch.int64), torch.tensor([[48.0, 36.0]] * 2), torch.tensor([6.0, 90.0])

    with torch.no_grad():
        apart = render_batch(Rng(1), [1], (96, 72), EASY)
        monkeypatch.setattr("modelscope_handkp.synthetic.scene._scatter_hands", all_in_one_place)
        behind = render_batch(Rng(1), [2], (96, 72), EASY)
    assert apart.shown.tolist() == [1.0]
    assert len(behind.keypoints) == len(behind.boxes) == len(behind.picture) == len(behind.pose) == 1
    assert (behind.boxes[0, 2:] - behind.boxes[0, :2]).max() > 60  # the large one in front is left


def test_splat_draws_the_nearer_sphere_with_its_normal():
    center = torch.tensor([[8.0, 8.0], [8.0, 8.0]])
    buffers = splat(center, torch.tensor([4.0, 6.0]), torch.tensor([100.0, 300.0]), torch.tensor([4.0, 6.0]),
                    torch.zeros(2, 3), torch.zeros(2, 2), torch.zeros(2, dtype=torch.int64), (1, 17, 17))  # fmt: skip
    winner = buffers.winner.reshape(17, 17)
    assert winner[8, 8] == 0 and winner[8, 13] == 1 and winner[0, 0] == -1
    np.testing.assert_allclose(buffers.normal.reshape(17, 17, 3)[8, 8], [0, 0, -1], atol=1e-5)
    np.testing.assert_allclose(buffers.depth.reshape(17, 17)[8, 8], 96.0, atol=0.01)
    assert buffers.coverage.reshape(17, 17)[8, 8] == 1 and buffers.coverage.reshape(17, 17)[0, 0] == 0


def test_jpeg_is_close_at_high_quality_and_not_at_low():
    picture = render_crops(Rng(1), 2, 48, EASY).images
    fine, coarse = jpeg(picture, torch.tensor([98.0, 98.0])), jpeg(picture, torch.tensor([8.0, 8.0]))
    assert (fine - picture).abs().mean() < 0.02 < (coarse - picture).abs().mean() * 2


def test_level_by_name_or_error():
    assert {EASY.name, MEDIUM.name, HARD.name} == set(LEVELS)
    with pytest.raises(InputError, match="extreme"):
        render_image(0, (32, 32), level="extreme")


def test_dataset_is_read_back_equal(tmp_path):
    write_dataset(tmp_path, train=3, val=2, seed=7, level="easy", size=(96, 72), hands=(1, 3))
    for split, count in (("train", 3), ("val", 2)):
        path = tmp_path / "annotations" / f"coco_wholebody_{split}_v1.0.json"
        content = json.loads(path.read_text())
        assert len(content["images"]) == count
        for entry in content["images"]:
            assert cv2.imread(str(tmp_path / f"{split}2017" / entry["file_name"])).shape == (72, 96, 3)
        written = [(person[f"{side}hand_box"], person[f"{side}hand_kpts"]) for person in content["annotations"]
                   for side in ("left", "right") if person[f"{side}hand_valid"]]  # fmt: skip
        hands = read_annotations(path)
        assert len(hands) == len(written) >= count
        np.testing.assert_allclose(np.sort(hands.boxes_xywh, 0), np.sort([box for box, _ in written], 0), atol=1e-6)
        assert (hands.keypoints[..., 2] <= 1).all() and (hands.keypoints[..., 2] > 0).any()
        for box, points in zip(hands.boxes_xywh, hands.keypoints):
            seen = points[:, 2] > 0
            assert (points[seen, 0] > box[0] - 1).all() and (points[seen, 0] < box[0] + box[2] + 1).all()


def test_dataset_is_the_same_for_the_same_seed(tmp_path):
    for name in ("a", "b"):
        write_dataset(tmp_path / name, train=2, val=1, seed=3, size=(64, 64))
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_core_does_not_import_the_renderer():
    code = "import sys; sys.modules['modelscope'] = None; import modelscope_handkp.estimator; import modelscope_handkp"
    code += "; sys.exit(any('synthetic' in name for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
