"""The keypoint network as a ModelScope model: ``Model.from_pretrained(model_dir)`` gives it with its weights."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from modelscope.models.base import TorchModel
from modelscope.models.builder import MODELS
from modelscope.outputs import OutputKeys
from numpy.typing import NDArray
from torch import Tensor

from ..estimator import load_pose
from ..model_dir.config import plain
from ..networks.topdown import TopDown, build_pose, heatmap_loss
from ..pose.codec import HeatmapCodec, decoding_options
from . import names


@MODELS.register_module(names.TASK, module_name=names.MODEL, force=True)
class HandPoseModel(TorchModel):
    """EasyCV's TopDown: state-dict keys ``backbone.*`` and ``keypoint_head.*``.

    Args:
        model_dir: a folder with the weights; the network is then in evaluation mode. None: untrained, training mode.
        device: as ModelScope passes it. The network is built on the CPU; whoever runs it moves it.
        model: the configuration's ``model`` block, and whatever else ModelScope passes along (left unused).
    Raises:
        ConfigError: a missing key or an unknown network, named. MissingFileError, CheckpointError: the weights.
    """

    def __init__(self, model_dir: str | None = None, *, device: str = "cpu", **model: Any) -> None:
        super().__init__(model_dir, device=device, trust_remote_code=model.pop("trust_remote_code", False))
        model = plain(model)
        pose = build_pose(model) if model_dir is None else load_pose(model_dir, {"model": model})
        self.backbone = pose.backbone
        self.keypoint_head = pose.keypoint_head
        # the same two parts under the core's face, out of nn.Module's sight so that the keys stay EasyCV's
        self.__dict__["pose"] = pose
        test_cfg = model.get("test_cfg") or {}
        self.codec = HeatmapCodec(**decoding_options(test_cfg))
        self.train(model_dir is None)

    def forward(
        self,
        img: Tensor,
        target: Tensor | None = None,
        target_weight: Tensor | None = None,
        img_metas: Any = None,
        **_: Any,
    ) -> dict[str, Tensor]:
        """One batch, as `PoseCollect` and a collate function make it.

        Args:
            img: (N, 3, H, W) crops, RGB, normalised.
            target, target_weight: (N, 21, h, w) and (N, 21, 1); with them, in training mode, the answer is the loss.
            img_metas: ``center`` and ``scale`` of each crop, a list of N dicts or one dict of N values each.
        Returns:
            in training mode with a target, ``loss``, a scalar, and ``heatmaps`` (N, 21, h, w), detached. Otherwise
            ``heatmaps``, not in training mode averaged as the configuration's ``test_cfg`` says, and with ``img_metas``
            also ``keypoints`` (N, 21, 3): x, y in picture pixels and score.
        """
        pose: TopDown = self.pose
        if self.training and target is not None and target_weight is not None:
            heatmaps = pose(img)
            return {"loss": heatmap_loss(heatmaps, target, target_weight), "heatmaps": heatmaps.detach()}
        heatmaps = pose(img) if self.training else pose.heatmaps_at_test(img)
        answer = {"heatmaps": heatmaps}
        if img_metas is not None:
            center, scale = _stacked(img_metas, "center"), _stacked(img_metas, "scale")
            keypoints = self.codec.decode(heatmaps.detach().cpu().numpy(), center, scale)
            answer[OutputKeys.KEYPOINTS] = torch.from_numpy(keypoints)
        return answer


def _stacked(metas: Any, key: str) -> NDArray[np.float32]:
    """(N, 2) float32."""
    values = metas[key] if isinstance(metas, Mapping) else [meta[key] for meta in metas]
    return np.stack([np.asarray(value, np.float32) for value in values])
