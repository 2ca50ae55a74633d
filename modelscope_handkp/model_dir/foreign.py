"""What a file is that somebody gives as a checkpoint and that is none, and what to do with it."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from ..file_kind import SENT_INSTEAD, file_kind

SHOWN_BYTES, SHOWN_NAMES = 8, 3  # of an unknown file and of an archive
CHECKPOINT_ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".tar")

CUT_OFF = "its end is missing, as after a download that broke off; download it again."
EXPORT = "save the network's state_dict() instead, from before the export"
UNPACK = "unpack it and name the checkpoint in it"
WRITE = "write a checkpoint with torch.save(model.state_dict(), file)"
ADVICE = {  # for `file_kind`
    "archive": UNPACK,
    "model": EXPORT,
    "engine": EXPORT,
    "HDF5": EXPORT,
    "NumPy": WRITE,
    "text": SENT_INSTEAD,
    "XML": SENT_INSTEAD,
    "": "name the checkpoint",
}


def describe(head: bytes) -> str:
    """What a file is that begins with ``head`` and is neither of torch.save nor of safetensors."""
    unknown = (
        "neither a file of torch.save nor of safetensors, or its beginning is damaged: it begins with the bytes "
        f"{head[:SHOWN_BYTES].hex(' ')}"
    )
    return f"it is {file_kind(head, ADVICE) or unknown}."


def describe_zip(names: Sequence[str]) -> str:
    """What a zip archive is that is not torch.save's, from the names in it, and what to do."""
    plain = [PurePosixPath(name).name for name in names if not name.endswith("/")]
    if {"constants.pkl", "bytecode.pkl"} & set(plain):
        return f"it is a TorchScript archive, which holds code; {EXPORT}."
    if "serialized_exported_program.json" in plain or "archive_format" in plain:
        return f"it is a program of torch.export; {EXPORT}."
    if "model.weights.h5" in plain:
        return f"it is a Keras model; {EXPORT}."
    if plain and all(name.endswith(".npy") for name in plain):
        return f"it is an .npz archive of NumPy arrays; {WRITE}."
    inside = [name for name in names if name.endswith(CHECKPOINT_ENDINGS)]
    if inside:
        return f"it is a zip archive that holds {inside[0]!r:.80}; {UNPACK}."
    listed = ", ".join(f"{name!r:.80}" for name in names[:SHOWN_NAMES]) or "nothing"
    return f"it is a zip archive but no checkpoint: it holds {listed}; name the checkpoint."
