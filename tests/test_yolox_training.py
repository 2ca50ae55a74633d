"""The scripts that fine-tune YOLOX: its assignment and loss, hands without a label, weights to start from."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from yolox_weights import seeded, settings

from modelscope_handkp.detection.yolox import YOLOXDetector, decode_boxes, flattened, places
from modelscope_handkp.engines import EagerEngine
from modelscope_handkp.errors import CheckpointError
from modelscope_handkp.geometry.boxes import iou as iou_of_arrays
from modelscope_handkp.model_dir.checkpoint import load_weights
from modelscope_handkp.networks.yolox import build_yolox

NAN = float("nan")
SIDE = 64  # pixels of an input; 64 + 16 + 4 places


@pytest.fixture(autouse=True)
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent.parent / "examples" / "embedded")


WHOLE = torch.tensor([[[0.0, 0.0, 9999.0, 9999.0]]])  # the rectangle of everything


def blank_maps(count=1, logit=-4.0):
    maps = [torch.zeros(count, 6, SIDE // stride, SIDE // stride) for stride in (8, 16, 32)]
    for level in maps:
        level[:, 4:] = logit
    return maps


def test_the_loss_is_yoloxs(golden):
    """golden/yolox/loss.npz: overlapping hands, a small one, an image without; 1e-5 relative."""
    from yolox_training import yolox_loss

    arrays = {key: torch.from_numpy(value) for key, value in golden("yolox/loss.npz").items()}
    maps = [arrays[f"level_{stride}"] for stride in (8, 16, 32)]
    for l1, name in ((False, "loss"), (True, "loss_with_l1")):
        loss = yolox_loss(maps, arrays["boxes"], WHOLE.expand(3, 1, 4), l1=l1)
        torch.testing.assert_close(loss, arrays[name], rtol=1e-5, atol=0)


def assigned(predicted, boxes, object_logit=None, class_logit=None):
    """`assign` on 84 places, of which ``predicted`` says the boxes of some; the others predict nothing near."""
    from yolox_training import assign

    corners, strides = places(blank_maps())
    everywhere = torch.tensor([1000.0, 1000, 1001, 1001]).repeat(1, len(corners), 1)
    for place, box in predicted.items():
        everywhere[0, place] = torch.tensor(box, dtype=torch.float32)
    flat = torch.zeros(1, len(corners))
    scores = [flat if logit is None else logit for logit in (object_logit, class_logit)]
    return assign(everywhere, *scores, torch.tensor([boxes], dtype=torch.float32), corners, strides)[0]


BOX = [20.0, 20.0, 36.0, 36.0]  # around the centre of place (3, 3) of the finest level, 28 pixels
NEAR = [(row, column) for row in (2, 3, 4) for column in (2, 3, 4)]


def place(row, column):
    """Of the finest level."""
    return row * (SIDE // 8) + column


def test_a_box_gets_as_many_places_as_its_best_overlaps_add_up_to():
    far = place(7, 7)
    for exact in (1, 3, 9):
        chosen = {place(*at) for at in NEAR[:exact]}
        found = assigned({**dict.fromkeys(chosen, BOX), far: BOX}, [BOX])
        assert (
            set(found.nonzero().flatten().tolist())
            == set(range(84)) - chosen
            == set((found == -1).nonzero().flatten().tolist())
        )
        assert (found[list(chosen)] == 0).all()


def test_of_more_than_ten_places_the_ten_cheapest_are_taken():
    everything = dict.fromkeys(range(84), BOX)
    found = assigned(everything, [BOX], object_logit=torch.linspace(-1, 1, 84)[None])
    expected = [place for place in range(84) if found[place] == 0]
    # 9 near places of 8 pixels, 9 of 16 (rows and columns 0 to 2), 4 of 32; the last ones have the best score
    near = (
        [place(*at) for at in NEAR]
        + [64 + 4 * row + column for row in range(3) for column in range(3)]
        + [80, 81, 82, 83]
    )
    assert expected == sorted(near)[-10:]


def test_a_box_that_nothing_overlaps_gets_one_place_near_it():
    found = assigned({}, [BOX], class_logit=torch.eye(84)[[place(2, 4)]])
    assert (found >= 0).nonzero().flatten().tolist() == [place(2, 4)]


@pytest.mark.parametrize("better", [0, 1])
def test_of_equal_overlaps_the_better_score_is_taken(better):
    """Twice an overlap of 0.6 is one place."""
    partly = [20.0, 20.0, 36.0, 29.6]
    both = [place(3, 3), place(2, 3)]
    for which in ("object_logit", "class_logit"):
        found = assigned(dict.fromkeys(both, partly), [BOX], **{which: torch.eye(84)[[both[better]]]})
        assert (found >= 0).nonzero().flatten().tolist() == [both[better]]


def test_the_overlap_weighs_three_times_as_much_as_the_score():
    """An overlap of 0.9 against 0.6 costs 3 * ln 1.5 = 1.22 less; a logit of 4 against -4 saves 2.0, of 1.5 0.75."""
    both = [place(3, 3), place(2, 3)]
    predicted = {both[0]: [20.0, 20.0, 36.0, 34.4], both[1]: [20.0, 20.0, 36.0, 29.6]}
    for logit, winner in ((1.5, both[0]), (4.0, both[1])):
        scores = torch.zeros(1, 84)
        scores[0, both] = torch.tensor([-logit, logit])
        found = assigned(predicted, [BOX], object_logit=scores)
        assert (found >= 0).nonzero().flatten().tolist() == [winner]


def test_a_place_that_two_boxes_want_goes_to_the_one_it_fits():
    larger = [18.0, 18.0, 38.0, 38.0]
    for boxes, winner in (([BOX, larger], 0), ([larger, BOX], 1), ([[NAN] * 4, larger, BOX], 2)):
        found = assigned({place(3, 3): BOX}, boxes)
        assert found[place(3, 3)] == winner
        assert (found >= 0).sum() == 1


def test_images_without_hands_have_nothing_assigned():
    for boxes in (torch.zeros(1, 0, 4), torch.full((1, 2, 4), NAN)):
        assert (assigned({}, boxes[0].tolist() or np.zeros((0, 4)).tolist()) == -1).all()


def slopes(boxes, known, unsure=()):
    """How the loss of one image pulls at the objectness of each place, (84,)."""
    from yolox_training import yolox_loss

    maps = [level.requires_grad_() for level in blank_maps(logit=0.0)]
    tables = [torch.tensor([rows], dtype=torch.float32).reshape(1, -1, 4) for rows in (boxes, known, unsure)]
    yolox_loss(maps, *tables).backward()
    return flattened([level.grad for level in maps])[0, :, 4]


def test_only_places_count_of_which_something_is_known():
    box, window = [16.0, 16.0, 48.0, 48.0], [8.0, 8.0, 56.0, 56.0]
    corners, strides = places(blank_maps())
    centers = (corners + 0.5) * strides
    inside = ((centers > 8) & (centers < 56)).all(1)
    assert 40 < inside.sum() < 50
    assert ((slopes([box], [window]) != 0) == inside).all()
    assert ((slopes([box], [[NAN] * 4, window]) != 0) == inside).all()
    everywhere = slopes([box], WHOLE[0].tolist())
    assert (everywhere < 0).sum() == 1
    assert (everywhere > 0).sum() == 83


def test_places_that_are_unsure_learn_nothing_but_a_hand_that_is_there():
    box, around = [16.0, 16.0, 48.0, 48.0], [8.0, 8.0, 56.0, 56.0]
    pulls = slopes([box], WHOLE[0].tolist(), [around])
    corners, strides = places(blank_maps())
    centers = (corners + 0.5) * strides
    inside = ((centers > 8) & (centers < 56)).all(1)
    assert (pulls[inside] < 0).sum() == (pulls[inside] != 0).sum() == 1
    assert (pulls[~inside] > 0).all()


def test_an_image_of_which_nothing_is_known_says_nothing():
    assert (slopes([], []) == 0).all()
    assert (slopes([], WHOLE[0].tolist()) > 0).all()
    assert (slopes([[NAN] * 4], [[NAN] * 4]) == 0).all()


def test_the_raw_outputs_of_boxes_decode_to_them():
    from yolox_training import encode_boxes

    corners, strides = places(blank_maps())
    low = torch.rand(84, 2, generator=torch.Generator().manual_seed(0)) * 40
    boxes = torch.cat([low, low + low.flip(0) + 1], 1)
    torch.testing.assert_close(decode_boxes(encode_boxes(boxes, corners, strides), corners, strides), boxes)


@pytest.mark.slow
@pytest.mark.one_stack
def test_four_images_are_learnt():
    """Blue squares: the place with the best objectness has the box of each."""
    from yolox_training import start_from, yolox_loss

    torch.manual_seed(0)
    images = torch.rand(4, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 40
    boxes = torch.tensor([[8.0, 8, 24, 28], [30, 20, 60, 50], [4, 36, 20, 60], [40, 2, 56, 14]])
    for image, box in zip(images, boxes.int().tolist()):
        image[0, box[1] : box[3], box[0] : box[2]] = 255
    config = settings(width=1 / 16, depth=0.2, num_classes=1, input_size=SIDE)
    network = build_yolox(config)
    start_from(network, network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    losses, steps = [], 120
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
        loss = yolox_loss(network(images), boxes[:, None], WHOLE.expand(4, 1, 4))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]
    with torch.no_grad():
        output = flattened(network(images))
        best = decode_boxes(output[..., :4], *places(network(images)))[torch.arange(4), output[..., 4].argmax(1)]
    assert np.diag(iou_of_arrays(best, boxes)).min() > 0.6


def test_weights_of_other_classes_are_taken_but_for_the_classes():
    from yolox_training import start_from

    coco = seeded(build_yolox(settings(width=1 / 16)))
    network = build_yolox(settings(width=1 / 16, num_classes=1))
    start_from(network, coco.state_dict())
    ours, theirs = network.state_dict(), coco.state_dict()
    classes = [key for key in ours if key.startswith("head.cls_preds")]
    assert len(classes) == 6
    assert all(torch.equal(ours[key], theirs[key]) for key in ours if key not in classes)
    for level in range(3):
        torch.testing.assert_close(ours[f"head.cls_preds.{level}.bias"].sigmoid(), torch.tensor([0.01]))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"width": 1 / 8}, r"stem\.conv\.conv\.weight \(8, 12, 3, 3\) instead of \(4, 12, 3, 3\)"),  # not only classes
        ({"depthwise": False}, "lacks"),
    ],
)
def test_weights_of_another_size_are_no_start(change, named):
    """Not a silent training from random weights."""
    from yolox_training import start_from

    network = build_yolox(settings(width=1 / 16, num_classes=1))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    other = build_yolox(settings(**{"width": 1 / 16, **change})).state_dict()
    with pytest.raises(CheckpointError, match=named):
        start_from(network, other)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("lost", ["head.cls_preds.0.weight", "backbone.C3_p4.m.0.conv1.conv.weight"])
def test_weights_with_a_gap_or_nan_are_no_start(lost):
    from yolox_training import start_from

    network = build_yolox(settings(width=1 / 16, num_classes=1))
    state = network.state_dict()
    with pytest.raises(CheckpointError, match=lost):
        start_from(network, {key: value for key, value in state.items() if key != lost})
    with pytest.raises(CheckpointError, match=f"{lost} with NaN"):
        start_from(network, {**state, lost: torch.full_like(state[lost], NAN)})


def folded(network):
    """Weights and biases of the convolutions in the order of YOLOX's own export, batch norms folded by torch."""
    order = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda convolution, *_: order.append(convolution))
    network(torch.zeros(1, 3, 32, 32))
    norms = {module.conv: module.bn for module in network.modules() if hasattr(module, "bn")}
    fused = [fuse_conv_bn_eval(conv, norms[conv]) if conv in norms else conv for conv in order]
    return [(convolution.weight.detach(), convolution.bias.detach()) for convolution in fused]


def test_folded_convolutions_make_the_same_network_with_batch_norms():
    from loop import restate_batch_norms
    from yolox_from_onnx import state_dict

    config = settings(width=1 / 8, num_classes=3)
    original = seeded(build_yolox(config))
    images = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255
    with torch.no_grad():
        expected = flattened(original(images))
        network = build_yolox(config).eval()
        load_weights(network, state_dict(network, folded(original)), "folded")
        tolerance = 1e-4 * expected.abs().max()
        assert (flattened(network(images)) - expected).abs().max() < tolerance
        norm = network.backbone.backbone.stem.conv.bn
        assert (norm.weight == 1).all() and not norm.running_mean.any()
        restate_batch_norms(network, lambda: network(images))
        assert norm.running_mean.any()
        assert (flattened(network(images)) - expected).abs().max() < tolerance
        assert (flattened(network.train()(images)) - expected).abs().max() < 20 * tolerance


def test_a_file_of_another_network_is_refused():
    from yolox_from_onnx import state_dict

    original = seeded(build_yolox(settings(width=1 / 16)))
    with pytest.raises(SystemExit, match=r"the file has \d+ convolutions, the configured network \d+"):
        state_dict(build_yolox(settings(width=1 / 16, depth=0.67)), folded(original))
    network = build_yolox(settings(width=1 / 8)).eval()
    with pytest.raises(CheckpointError, match=r"stem\.conv\.conv\.weight"):
        load_weights(network, state_dict(network, folded(original)), "folded")


@pytest.mark.parametrize("content", [b"not an ONNX file", b"\x80\x02}."])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    pytest.importorskip("onnx")
    from yolox_from_onnx import convolutions

    (tmp_path / "a.onnx").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.onnx is no ONNX file"):
        convolutions(tmp_path / "a.onnx")


def test_images_pass_as_the_detector_scales_them(tmp_path):
    import cv2
    from yolox_from_onnx import run

    cv2.imwrite(str(tmp_path / "a.png"), np.full((20, 64, 3), (10, 20, 30), np.uint8))
    seen = []
    run(seen.append, [str(tmp_path / "a.png")], settings(input_size=SIDE, normalised=True))
    detector = YOLOXDetector(EagerEngine(build_yolox(settings())), settings(input_size=SIDE, normalised=True), 0.5)
    detector.engine = lambda images: (
        seen.append(images)
        or tuple(torch.full((1, 85, images.shape[2] // s, images.shape[3] // s), -9.0) for s in (8, 16, 32))
    )
    detector(cv2.imread(str(tmp_path / "a.png")))
    torch.testing.assert_close(*seen)
