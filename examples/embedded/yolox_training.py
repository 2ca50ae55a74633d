"""YOLOX's training (Ge et al. 2021, arXiv:2107.08430): SimOTA's assignment, the loss, and COCO's weights to start from.

Of some places it is not known whether there is a hand: they learn nothing (`in_any`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from modelscope_handkp.detection.yolox import decode_boxes, flattened, places
from modelscope_handkp.model_dir.checkpoint import load_weights
from modelscope_handkp.networks.yolox import YOLOX

CENTER_RADIUS = 1.5  # strides from the centre of a box to the places that may be assigned to it
MOST_PLACES = 10  # assigned to a box
IOU_COST, IOU_WEIGHT = 3.0, 5.0  # of the box against the class: in the assignment, in the loss
PRIOR = 0.01  # score of an untrained class
CLASSES = "head.cls_preds."  # names of the weights that depend on the classes


def start_from(network: YOLOX, state: dict[str, Tensor]) -> None:
    """Put weights into a network; where they are of other classes, such as COCO's, its own begin with a low score.

    Raises:
        CheckpointError: the weights are of another network, beyond the classes.
    """
    own = {
        key: value
        for key, value in network.state_dict().items()
        if key.startswith(CLASSES) and key in state and state[key].shape != value.shape
    }
    load_weights(network, {**state, **own}, "the checkpoint to start from")
    for convolution in network.head.cls_preds if own else ():
        nn.init.constant_(convolution.bias, -math.log((1 - PRIOR) / PRIOR))  # type: ignore[arg-type]


def yolox_loss(maps: Sequence[Tensor], boxes: Tensor, known: Tensor, unsure: Tensor | None = None, l1: bool = False) \
        -> Tensor:  # fmt: skip
    """The loss of a batch, for each place that has a box: 1 - IoU^2, and cross-entropies of objectness and of class.

    Args:
        maps: outputs (N, 6, h, w) of `YOLOX` with one class.
        boxes: (N, G, 4) xyxy in pixels of the input; rows of NaN where an image has fewer.
        known: (N, K, 4) rectangles, likewise, where the absence of a box says that there is no hand.
        unsure: (N, M, 4) rectangles in which that is not known after all.
        l1: also the distance of the raw outputs from the box, as YOLOX does in its last epochs.
    """
    output, (corners, strides) = flattened(maps).float(), places(maps)
    predicted = decode_boxes(output[..., :4], corners, strides)
    object_logit, class_logit = output[..., 4], output[..., 5]
    assigned = assign(predicted.detach(), object_logit.detach(), class_logit.detach(), boxes, corners, strides)
    positive = assigned >= 0
    image, place = positive.nonzero(as_tuple=True)
    target = boxes[image, assigned[positive]]
    overlap = iou(predicted[positive], target)
    centers = (corners + 0.5) * strides
    counts = in_any(known, centers)
    if unsure is not None:
        counts = counts & ~in_any(unsure, centers)
    counts = counts | positive
    loss = IOU_WEIGHT * (1 - overlap.square()).sum()
    loss = loss + F.binary_cross_entropy_with_logits(object_logit[counts], positive[counts].float(), reduction="sum")
    # the class learns the IoU, so that the best box of a hand has the best score
    loss = loss + F.binary_cross_entropy_with_logits(class_logit[positive], overlap.detach(), reduction="sum")
    if l1:
        loss = loss + F.l1_loss(output[positive][:, :4], encode_boxes(target, corners[place], strides[place]),
                                reduction="sum")  # fmt: skip
    return loss / positive.sum().clamp(min=1)


@torch.no_grad()
def assign(predicted: Tensor, object_logit: Tensor, class_logit: Tensor, boxes: Tensor, corners: Tensor,
           strides: Tensor) -> Tensor:  # fmt: skip
    """SimOTA: which box each place learns (N, A), -1 for none.

    A box gets the places near its centre at which class and box cost least, as many as the IoU of its best ones add up
    to. A place that several boxes want goes to the one that it costs least.

    Args:
        predicted: (N, A, 4) xyxy; object_logit, class_logit: (N, A); boxes: (N, G, 4) with rows of NaN.
        corners, strides: (A, 2) and (A, 1) of `places`.
    """
    if not boxes.shape[1]:
        return torch.full_like(object_logit, -1, dtype=torch.long)
    zero, infinity = object_logit.new_tensor([0.0, math.inf])
    middle = ((boxes[..., :2] + boxes[..., 2:]) / 2)[:, :, None]
    near = ((corners + 0.5) * strides - middle).abs().amax(-1) < CENTER_RADIUS * strides[:, 0]  # never near to NaN
    near_any = near.any(1, keepdim=True)
    overlap = torch.where(near_any & ~boxes[..., :1].isnan(), iou(predicted[:, None], boxes[:, :, None]), zero)
    score_cost = -(F.logsigmoid(object_logit) + F.logsigmoid(class_logit))[:, None] / 2
    cost = torch.where(near, score_cost - IOU_COST * (overlap + 1e-8).log(), infinity)
    most = min(MOST_PLACES, cost.shape[2])
    wanted = overlap.topk(most, 2).values.sum(2).int().clamp(min=1)
    least = cost.topk(most, 2, largest=False)
    taken = torch.arange(most, device=cost.device) < wanted[..., None]
    costs = torch.full_like(cost, math.inf).scatter(2, least.indices, least.values.masked_fill(~taken, math.inf))
    lowest, box = costs.min(1)
    return box.masked_fill(lowest.isinf(), -1)


def in_any(rectangles: Tensor, points: Tensor) -> Tensor:
    """(N, A): whether each of points (A, 2) lies in any of the rectangles (N, K, 4) xyxy, rows of NaN aside."""
    after = (points > rectangles[:, :, None, :2]).all(-1)
    return (after & (points < rectangles[:, :, None, 2:]).all(-1)).any(1)


def encode_boxes(boxes: Tensor, corners: Tensor, strides: Tensor) -> Tensor:
    """The raw outputs (P, 4) that `decode_boxes` turns into ``boxes`` (P, 4) xyxy."""
    middle, side = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    return torch.cat([middle / strides - corners, (side / strides).clamp(min=1e-8).log()], 1)


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union (...) of boxes (..., 4) xyxy, pair by pair."""
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    area_a, area_b = ((x[..., 2:] - x[..., :2]).prod(-1) for x in (a, b))
    return shared / (area_a + area_b - shared + 1e-9)
