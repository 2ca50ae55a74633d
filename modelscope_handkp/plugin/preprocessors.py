"""The transforms of `modelscope_handkp.pose.transforms` in ModelScope's registry of preprocessors.

``build_preprocessor({"type": "TopDownAffine"}, "cv")`` builds one; ModelScope's ``Compose(cfg.test_pipeline, "cv")``
builds the chain that a model's configuration names. `pose.transforms` documents the keys of their samples.
"""

from typing import Any

from modelscope.preprocessors.base import Preprocessor
from modelscope.preprocessors.builder import PREPROCESSORS
from modelscope.utils.constant import ModeKeys

from ..pose import transforms
from . import names


class TransformPreprocessor(Preprocessor):
    """A transform of the core as a preprocessor: built from a configuration's keys, called with a sample.

    Args:
        mode: ModelScope's mode, kept as an attribute.
        model_dir: not used; ModelScope passes it to every preprocessor of a configuration.
        options: of the transform.
    Raises:
        TypeError: an option that the transform does not have. ConfigError: a value that it does not take.
    """

    transform_class: Any

    def __init__(self, mode: str = ModeKeys.INFERENCE, model_dir: str | None = None, **options: Any) -> None:
        super().__init__(mode)
        self.transform = self.transform_class(**options)

    def __call__(self, data: dict[str, Any]) -> dict[str, Any]:
        """A new sample; ``data`` stays as it is."""
        sample: dict[str, Any] = self.transform(data)
        return sample


@PREPROCESSORS.register_module(names.FIELD, module_name=names.TOP_DOWN_AFFINE, force=True)
class TopDownAffinePreprocessor(TransformPreprocessor):
    """Cut the crop out of the image, as `transforms.TopDownAffine`."""

    transform_class = transforms.TopDownAffine


@PREPROCESSORS.register_module(names.FIELD, module_name=names.MM_TO_TENSOR, force=True)
class MMToTensorPreprocessor(TransformPreprocessor):
    """(H, W, 3) bytes to a (3, H, W) tensor in 0..1, as `transforms.MMToTensor`."""

    transform_class = transforms.MMToTensor


@PREPROCESSORS.register_module(names.FIELD, module_name=names.NORMALIZE_TENSOR, force=True)
class NormalizeTensorPreprocessor(TransformPreprocessor):
    """Subtract ``mean`` and divide by ``std``, as `transforms.NormalizeTensor`."""

    transform_class = transforms.NormalizeTensor


@PREPROCESSORS.register_module(names.FIELD, module_name=names.POSE_COLLECT, force=True)
class PoseCollectPreprocessor(TransformPreprocessor):
    """Keep ``keys``, and ``meta_keys`` under ``img_metas``, as `transforms.PoseCollect`."""

    transform_class = transforms.PoseCollect
