"""ModelScope's way to export: ``Exporter.from_model(model).export_onnx(output_dir=...)``."""

import logging
from pathlib import Path
from typing import Any, NoReturn

from modelscope.exporters.base import Exporter
from modelscope.exporters.builder import EXPORTERS

from ..engines.onnx_export import OPSET
from ..errors import InputError
from ..export.writer import export_model
from ..model_dir.exported import EXPORT_FILE, FORMATS
from . import names

logger = logging.getLogger(__name__)

MODELSCOPE_OPSET = 13  # the default of ModelScope's exporters, which its documentation passes


@EXPORTERS.register_module(names.TASK, module_name=names.MODEL, force=True)
class HandPoseExporter(Exporter):
    """Writes the directory of a `HandPoseModel` as graphs, as ``modelscope-handkp export`` does.

    Args:
        model: as ``Model.from_pretrained`` gives it. Its weights are exported as they are now, trained further or not;
            the configuration and the detector are those of its ``model_dir``.
    """

    def export_onnx(self, output_dir: str, opset: int = OPSET, **arguments: Any) -> dict[str, str]:
        """Write the keypoint network and the detector as ONNX, and compare them with torch.

        Args:
            output_dir: a folder that is not there, or is empty, or was exported to before.
            opset: 17. ModelScope's default, 13, stands for no choice: 17 is written, and a warning says so.
            arguments: none is known.
        Returns:
            the files by name: ``model`` for ``keypoints.onnx``, ``detector`` where the model has one, and ``export``
            for the JSON file that says how they are run.
        Raises:
            InputError: another opset, an argument that is not known, a folder that holds something else, or a model
                whose batch norms a pipeline has folded away. And as `export.writer.export_model`.
        """
        _check(opset, arguments)
        out = Path(output_dir)
        differences = export_model(self.model.model_dir, out, weights=self.model.state_dict())
        for name, difference in differences.items():
            logger.info("%s differs from torch by at most %.1e of the largest value", name, difference)
        files = {name: str(out / f"{name}{FORMATS['onnx']}") for name in differences}
        return {"model": files.pop("keypoints"), **files, "export": str(out / EXPORT_FILE)}

    def export_torch_script(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse.

        Raises:
            InputError: always, with what is written in its place.
        """
        raise InputError(
            "TorchScript is not written; export_onnx writes ONNX, and modelscope-handkp export --format torch-export "
            "a file for torch.export.load."
        )


def _check(opset: Any, arguments: dict[str, Any]) -> None:
    if arguments:
        raise InputError(
            f"export_onnx does not know {', '.join(arguments):.200}; it takes output_dir and opset, and "
            "modelscope-handkp export has more options."
        )
    if opset == MODELSCOPE_OPSET:
        logger.warning("opset %d is written in place of %d", OPSET, MODELSCOPE_OPSET)
    elif opset != OPSET:
        raise InputError(f"opset {opset!r:.40} is not written; the networks need {OPSET}, which is the default.")
