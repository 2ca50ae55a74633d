"""The transforms that configurations name."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch

from modelscope_handkp.errors import ConfigError, InputError
from modelscope_handkp.pose.transforms import TRANSFORMS, build_transforms

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TEST_CHAIN: list[dict[str, Any]] = [
    {"type": "TopDownAffine"},
    {"type": "MMToTensor"},
    {"type": "NormalizeTensor", "mean": MEAN, "std": STD},
]
INFO = {"image_size": [64, 64], "heatmap_size": [16, 16], "flip_pairs": [], "num_joints": 21}
TENSOR_MEAN, TENSOR_MAX = 0.002, 0.12  # OpenCV's warp differs between its versions by a few grey levels at edges


def sample(seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    joints = np.concatenate([rng.uniform(20, 60, (21, 2)), np.zeros((21, 1))], axis=1).astype(np.float32)
    visible = np.ones((21, 3), np.float32)
    visible[3] = 0
    joints[3] = 0
    return {
        "img": rng.integers(0, 255, (90, 100, 3), np.uint8),
        "center": np.array([40, 40], np.float32),
        "scale": np.array([0.3, 0.3], np.float32),
        "rotation": 0,
        "bbox": np.array([20, 20, 40, 40], np.float32),
        "bbox_id": 7,
        "joints_3d": joints,
        "joints_3d_visible": visible,
        "ann_info": dict(INFO),
        "image_file": "a.jpg",
    }


def freeze(value: Any) -> None:
    if isinstance(value, np.ndarray):
        value.flags.writeable = False
    for inner in value.values() if isinstance(value, dict) else ():
        freeze(inner)


def assert_equal(one: Any, other: Any) -> None:
    assert one.keys() == other.keys()
    for key, value in one.items():
        if isinstance(value, dict):
            assert_equal(value, other[key])
        else:
            np.testing.assert_array_equal(value, other[key])


def test_the_chain_gives_easycvs_tensor(golden: Any) -> None:
    """golden/preprocess.npz: joints 1e-3, tensor mean 0.002 and max 0.12."""
    arrays = golden("preprocess.npz")
    run = build_transforms(TEST_CHAIN)
    for i in range(6):
        done = run(
            {
                "img": arrays[f"image_{i}"],
                **{key: arrays[key][i] for key in ("center", "scale", "rotation")},
                "joints_3d": arrays["joints"][i],
                "joints_3d_visible": arrays["visible"][i],
                "ann_info": {"image_size": np.array([256, 256])},
            }
        )
        np.testing.assert_allclose(done["joints_3d"], arrays["warped_joints"][i], atol=1e-3)
        difference = np.abs(done["img"].numpy() - arrays["tensor"][i])
        assert difference.mean() < TENSOR_MEAN
        assert difference.max() < TENSOR_MAX


def test_every_transform_gives_a_new_dict_and_leaves_the_callers_alone() -> None:
    chain = [
        {"type": "TopDownRandomFlip", "flip_prob": 1.0},
        {"type": "TopDownRandomShiftBboxCenter", "prob": 1.0},
        {"type": "TopDownGetRandomScaleRotation", "rot_factor": 30, "scale_factor": 0.25},
        *TEST_CHAIN,
        {"type": "TopDownGenerateTarget", "sigma": 3},
        {"type": "PoseCollect", "keys": ["img", "target", "target_weight"], "meta_keys": ["center", "flip_pairs"]},
    ]
    given = sample()
    before = copy.deepcopy(given)
    freeze(given)
    done = build_transforms(chain)(given, np.random.default_rng(0))
    assert_equal(given, before)
    assert set(done) == {"img", "target", "target_weight", "img_metas"}
    assert (done["img"].shape, done["target"].shape, done["target_weight"].shape) == (
        (3, 64, 64),
        (21, 16, 16),
        (21, 1),
    )
    assert set(done["img_metas"]) == {"center", "flip_pairs", "bbox_id"}


@pytest.mark.parametrize("name", ["TopDownRandomFlip", "TopDownGetRandomScaleRotation", "TopDownRandomShiftBboxCenter"])
def test_a_seed_repeats_what_is_random(name: str) -> None:
    run = build_transforms([{"type": name}])
    one, same, other = (
        [run(sample(), rng) for _ in range(8)] for rng in (np.random.default_rng(seed) for seed in (1, 1, 2))
    )
    for a, b in zip(one, same):
        assert_equal(a, b)
    with pytest.raises(AssertionError):
        for a, b in zip(one, other):
            assert_equal(a, b)


def test_a_mirrored_image_keeps_its_joints_on_their_pixels() -> None:
    given = {**sample(), "center": np.array([40, 30], np.float32)}
    given["joints_3d_visible"][:5, 1:] = 0  # the first column says what is seen
    done = TRANSFORMS["TopDownRandomFlip"](flip_prob=1.0)(given, np.random.default_rng(0))
    np.testing.assert_array_equal(done["img"], given["img"][:, ::-1])
    seen = given["joints_3d_visible"][:, 0] > 0
    np.testing.assert_allclose(done["joints_3d"][seen, 0], 99 - given["joints_3d"][seen, 0])
    assert not done["joints_3d"][~seen].any()
    assert done["center"].tolist() == [59, 30]


def test_flip_pairs_change_places() -> None:
    given = sample()
    given["ann_info"]["flip_pairs"] = [[0, 1]]
    done = TRANSFORMS["TopDownRandomFlip"](flip_prob=1.0)(given, np.random.default_rng(0))
    np.testing.assert_allclose(done["joints_3d"][0, 0], 99 - given["joints_3d"][1, 0], rtol=1e-6)


def test_random_changes_stay_within_their_reach() -> None:
    rng = np.random.default_rng(0)
    rotate = TRANSFORMS["TopDownGetRandomScaleRotation"](rot_factor=30, scale_factor=0.25)
    shift = TRANSFORMS["TopDownRandomShiftBboxCenter"](prob=0.3)
    rotated = [rotate(sample(), rng) for _ in range(300)]
    shifted = [shift(sample(), rng)["center"] - 40 for _ in range(300)]
    zooms, degrees = [s["scale"][0] / 0.3 for s in rotated], np.abs([s["rotation"] for s in rotated])
    assert 0.75 - 1e-6 <= min(zooms) < 0.8
    assert 1.2 < max(zooms) <= 1.25 + 1e-6
    assert 50 < degrees.max() <= 60
    assert 0.3 < np.mean(degrees == 0) < 0.5  # 1 - rot_prob
    assert 6 < np.abs(shifted).max() <= 0.2 * 40
    assert 0.6 < np.mean([not s.any() for s in shifted]) < 0.8


def test_a_sample_without_a_rotation_is_not_rotated() -> None:
    given = sample()
    expected = TRANSFORMS["TopDownAffine"]()(given)
    del given["rotation"]
    done = TRANSFORMS["TopDownAffine"]()(given)
    np.testing.assert_array_equal(done["img"], expected["img"])
    np.testing.assert_array_equal(done["joints_3d"], expected["joints_3d"])


def test_the_first_column_says_which_joints_are_seen() -> None:
    given = sample()
    given["joints_3d_visible"][:, 1:] = 0
    done = TRANSFORMS["TopDownAffine"]()(given)
    moved = np.any(done["joints_3d"] != given["joints_3d"], axis=1)
    np.testing.assert_array_equal(moved, given["joints_3d_visible"][:, 0] > 0)


def test_a_flip_says_whether_it_was_made() -> None:
    for probability, flipped in ((1.0, True), (0.0, False)):
        done = TRANSFORMS["TopDownRandomFlip"](flip_prob=probability)(sample(), np.random.default_rng(0))
        assert done["flipped"] is flipped
        assert (done["img"] != sample()["img"]).any() == flipped


def test_random_changes_have_easycvs_reach_where_nothing_is_said() -> None:
    rng = np.random.default_rng(0)
    given = {**sample(), "bbox": np.array([20, 20, 40, 10], np.float32)}
    flips, rotations, shifts = (
        [TRANSFORMS[name]()(given, rng) for _ in range(2000)]
        for name in ("TopDownRandomFlip", "TopDownGetRandomScaleRotation", "TopDownRandomShiftBboxCenter")
    )
    assert 0.46 < np.mean([done["flipped"] for done in flips]) < 0.54
    zooms, degrees = (
        np.array([done["scale"][0] / 0.3 for done in rotations]),
        np.abs([done["rotation"] for done in rotations]),
    )
    np.testing.assert_allclose([zooms.min(), zooms.max()], [0.5, 1.5], rtol=1e-5)  # a normal cut at one deviation
    assert 70 < degrees.max() <= 80
    assert 0.36 < np.mean(degrees == 0) < 0.44
    moves = np.array([done["center"] - 40 for done in shifts])
    assert 0.66 < np.mean(~moves.any(axis=1)) < 0.74
    np.testing.assert_allclose(np.abs(moves).max(axis=0), [8, 2], rtol=0.02)  # a fifth of the box, each way


def test_targets_have_easycvs_sigma_where_nothing_is_said() -> None:
    """A deviation of 2 heatmap pixels, on the nearest pixel."""
    given = {**sample(), "joints_3d": np.full((21, 3), 33, np.float32)}
    target = TRANSFORMS["TopDownGenerateTarget"]()(given)["target"][0]
    assert target[8, 8] == 1
    np.testing.assert_allclose(target[8, 10], np.exp(-0.5), rtol=1e-6)
    assert target[8, 14] > 0 and target[8, 15] == 0  # cut at three deviations


def test_tensors_are_float32_whatever_torchs_default() -> None:
    run = build_transforms(TEST_CHAIN)
    torch.set_default_dtype(torch.float64)
    try:
        done = build_transforms(TEST_CHAIN)(sample())["img"]
    finally:
        torch.set_default_dtype(torch.float32)
    assert done.dtype == torch.float32
    torch.testing.assert_close(done, run(sample())["img"])


def test_crops_outside_the_image_are_black() -> None:
    given = {**sample(), "center": np.array([-500, -500], np.float32)}
    assert not TRANSFORMS["TopDownAffine"]()(given)["img"].any()


def test_pairs_rename() -> None:
    collect = TRANSFORMS["PoseCollect"](keys=["img", ("image_file", "file")], meta_keys=[], meta_name="m")
    assert set(collect(sample())) == {"img", "file", "m"}


def test_a_chain_goes_to_another_process_whole() -> None:
    chain = build_transforms([{"type": "TopDownRandomFlip"}, *TEST_CHAIN, {"type": "TopDownGenerateTarget"}])
    copied = pickle.loads(pickle.dumps(chain))
    assert_equal(copied(sample(), np.random.default_rng(3)), chain(sample(), np.random.default_rng(3)))


def test_missing_keys_are_named() -> None:
    with pytest.raises(InputError, match="center"):
        TRANSFORMS["TopDownAffine"]()({key: value for key, value in sample().items() if key != "center"})
    with pytest.raises(InputError, match="nothing_such"):
        TRANSFORMS["PoseCollect"](keys=["nothing_such"], meta_keys=[])(sample())


def test_normalisation_is_a_channels_own() -> None:
    done = TRANSFORMS["NormalizeTensor"](mean=[0, 1, 2], std=[1, 2, 4])({"img": torch.ones(3, 1, 1)})
    assert done["img"].ravel().tolist() == [1, 0, -0.25]


@pytest.mark.parametrize(
    ("chain", "named"),
    [
        ([{"type": "Mosaic"}], "'Mosaic'"),
        ([{"type": ["TopDownAffine"]}], "TopDownAffine"),
        ([{}], "None"),
        (["TopDownRotate"], "'TopDownRotate'"),
        ([None], "None"),
        ("TopDownAffine", "list"),
        (None, "None"),
        ([{"type": "TopDownAffine", "speed": 3}], "speed"),
        ([{"type": "TopDownAffine", "use_udp": True}], "use_udp"),
        ([{"type": "TopDownGenerateTarget", "encoding": "UDP"}], "UDP"),
        ([{"type": "NormalizeTensor"}], "mean"),
        ([{"type": "NormalizeTensor", "mean": [0, 0], "std": [1, 1, 1]}], "three"),
        ([{"type": "NormalizeTensor", "mean": [0, 0, 0], "std": [1, 0, 1]}], "positive"),
        ([{"type": "NormalizeTensor", "mean": [0, 0, 0], "std": [1, float("nan"), 1]}], "positive"),
        ([{"type": "NormalizeTensor", "mean": [0, "a", 0], "std": [1, 1, 1]}], "NormalizeTensor"),
        ([{"type": "NormalizeTensor", "mean": [0, 0, 10**400], "std": [1, 1, 1]}], "NormalizeTensor"),
        ([{"type": "NormalizeTensor", "mean": 5, "std": None}], "NormalizeTensor"),
    ],
)
def test_bad_chains_are_named(chain: Any, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        build_transforms(chain)
