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

from ..errors import InputError
from ..model_dir.config import block, plain
from ..model_dir.settings import DecodingSettings, NetworkSettings, ViewSettings
from ..networks.topdown import TopDown, build_topdown, heatmap_loss, load_topdown
from ..pose.codec import HeatmapCodec
from ..pose.views import MultiView
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
        settings, test_cfg = NetworkSettings.parse(model), block({"model": model}, "model.test_cfg")
        network = build_topdown(settings) if model_dir is None else load_topdown(model_dir, settings)
        self.backbone = network.backbone
        self.keypoint_head = network.keypoint_head
        # the same two parts as one network, out of nn.Module's sight so that the keys stay EasyCV's
        self.__dict__["network"] = network
        self.views = ViewSettings.parse(test_cfg)
        self.codec = HeatmapCodec.from_settings(DecodingSettings.parse(test_cfg))
        self.train(model_dir is None)

    def train(self, mode: bool = True) -> "HandPoseModel":
        """Set training mode, also of ``network``.

        Raises:
            InputError: a pipeline has folded this model's batch norms away.
        """
        if mode:
            self._check_own()
        self.network.train(mode)
        super().train(mode)
        return self

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """The weights under EasyCV's keys.

        Raises:
            InputError: a pipeline has folded this model's batch norms away.
        """
        self._check_own()
        return super().state_dict(*args, **kwargs)

    def _check_own(self) -> None:
        if self.__dict__.get("released"):
            raise InputError(
                "this model belongs to a pipeline, which has folded its batch norms; "
                f"Model.from_pretrained({self.model_dir!r}) gives one that can be trained and saved."
            )

    def release_network(self) -> TopDown:
        """The network, to be changed by an engine: from now on this model only infers."""
        self.eval()
        self.__dict__["released"] = True
        network: TopDown = self.network
        return network

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
            target, target_weight: (N, 21, h, w) and (N, 21, 1); with them, in training mode, the output is the loss.
            img_metas: ``center`` and ``scale`` of each crop, a list of N dicts or one dict of N values each.
        Returns:
            in training mode with a target, ``loss``, a scalar, and ``heatmaps`` (N, 21, h, w), detached. Otherwise
            ``heatmaps``, not in training mode averaged over the views of the configuration's ``test_cfg``, and with
            ``img_metas`` also ``keypoints`` (N, 21, 3): x, y in image pixels and score.
        """
        if self.training and target is not None and target_weight is not None:
            heatmaps = self.network(img)
            return {"loss": heatmap_loss(heatmaps, target, target_weight), "heatmaps": heatmaps.detach()}
        heatmaps = self.network(img) if self.training else MultiView(self._run, self.views)(img)[0]
        output = {"heatmaps": heatmaps}
        if img_metas is not None:
            center, scale = _stacked(img_metas, "center"), _stacked(img_metas, "scale")
            keypoints = self.codec.decode(heatmaps.detach(), center, scale)
            output[OutputKeys.KEYPOINTS] = torch.from_numpy(keypoints)
        return output

    def _run(self, img: Tensor) -> tuple[Tensor]:
        return (self.network(img),)


def _stacked(metas: Any, key: str) -> NDArray[np.float32]:
    """(N, 2) float32."""
    values = metas[key] if isinstance(metas, Mapping) else [meta[key] for meta in metas]
    return np.stack([np.asarray(value, np.float32) for value in values])
