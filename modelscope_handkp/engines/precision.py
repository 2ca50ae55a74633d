"""In which precision a network computes, and where that is possible."""

from pathlib import Path

import torch

from ..errors import InputError

FLOAT32, BFLOAT16, FLOAT16, INT8 = "float32", "bfloat16", "float16", "int8"
PRECISIONS = (FLOAT32, BFLOAT16, FLOAT16, INT8)
TORCH_TYPES = {FLOAT32: torch.float32, BFLOAT16: torch.bfloat16, FLOAT16: torch.float16}
NEEDS_CALIBRATION = (
    "int8 needs a calibrated network: modelscope-handkp export --precision int8 makes one, which is loaded without a "
    "precision."
)

CPU_INFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # Intel and AMD, Intel's tiles, Arm


def check_precision(precision: object) -> None:
    """Refuse what is no precision.

    Raises:
        InputError: names it and those that are known.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r:.80} is not known; known are {', '.join(PRECISIONS)}.")


def torch_type(precision: str, device: torch.device) -> torch.dtype:
    """The type in which PyTorch itself computes fast on a device.

    Raises:
        InputError: it would not be faster than float32 there, or is not possible.
    """
    if precision == INT8:
        raise InputError(NEEDS_CALIBRATION)
    if device.type == "cpu" and precision == FLOAT16:
        raise InputError("PyTorch computes slowly in float16 on a CPU: use float32, or bfloat16 where it has that.")
    if device.type == "cpu" and precision == BFLOAT16 and not _processor_has_bfloat16():
        raise InputError("this processor does not compute in bfloat16, which would be slower: use float32.")
    if device.type == "cuda" and precision == BFLOAT16 and not torch.cuda.is_bf16_supported():
        raise InputError("this GPU does not compute in bfloat16: use float16.")
    return TORCH_TYPES[precision]


def _processor_has_bfloat16() -> bool:
    """As Linux tells it; elsewhere False."""
    try:
        return bool(BFLOAT16_FLAGS & set(CPU_INFO.read_text().split()))
    except OSError:
        return False
