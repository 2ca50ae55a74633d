"""The four transforms under ModelScope's registry: thin faces over `modelscope_handkp.pose.transforms`.

``build_preprocessor({"type": "TopDownAffine"}, "cv")`` gives one, ModelScope's ``Compose(cfg.test_pipeline, "cv")`` the
chain that a model's configuration names. The dict they speak is stated there.
"""

from typing import Any

from modelscope.preprocessors.base import Preprocessor
from modelscope.preprocessors.builder import PREPROCESSORS
from modelscope.utils.constant import ModeKeys

from ..pose import transforms
from . import names


class _Transform(Preprocessor):
    """A transform of the core, built from a configuration's keys and called with a sample; answers a new sample.

    Raises:
        TypeError: an option that the transform does not have.
    """

    transform_class: Any

    def __init__(self, mode: str = ModeKeys.INFERENCE, model_dir: str | None = None, **options: Any) -> None:
        super().__init__(mode)  # model_dir: ModelScope passes it to every preprocessor of a configuration
        self.transform = self.transform_class(**options)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        sample: dict[str, Any] = self.transform(data)
        return sample


@PREPROCESSORS.register_module(names.FIELD, module_name=names.TOP_DOWN_AFFINE, force=True)
class TopDownAffine(_Transform):
    """Cut the box out of the picture, as `transforms.TopDownAffine`."""

    transform_class = transforms.TopDownAffine


@PREPROCESSORS.register_module(names.FIELD, module_name=names.MM_TO_TENSOR, force=True)
class MMToTensor(_Transform):
    """(H, W, 3) bytes to a (3, H, W) tensor in 0..1, as `transforms.MMToTensor`."""

    transform_class = transforms.MMToTensor


@PREPROCESSORS.register_module(names.FIELD, module_name=names.NORMALIZE_TENSOR, force=True)
class NormalizeTensor(_Transform):
    """Subtract ``mean``, divide by ``std``, as `transforms.NormalizeTensor`."""

    transform_class = transforms.NormalizeTensor


@PREPROCESSORS.register_module(names.FIELD, module_name=names.POSE_COLLECT, force=True)
class PoseCollect(_Transform):
    """Keep ``keys``, and ``meta_keys`` under ``img_metas``, as `transforms.PoseCollect`."""

    transform_class = transforms.PoseCollect
