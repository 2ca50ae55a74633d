"""Which device a network runs on."""

import torch

from ..errors import InputError


def pick_device(device: str | torch.device | None) -> torch.device:
    """None -> the first GPU where there is one, else the CPU.

    Raises:
        InputError: a device that torch does not know or that is not there.
    """
    try:
        if device is None:
            return torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.empty(0, device=device).cpu()  # "meta" comes from nowhere
        return torch.device(device)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InputError(f"device {device!r} cannot be used: {str(error).splitlines()[0]}") from None
