"""What a file is that somebody gives as a checkpoint, seen from its first bytes: the name of a file says little."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import IO

HEAD_BYTES = 512
SHOWN_CHARACTERS = 60  # of a text
SHOWN_BYTES = 8  # of anything else
SHOWN_NAMES = 3  # of an archive
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
MAX_SAFETENSORS_HEADER = 100_000_000  # the library's own limit, bytes

CUT_OFF = "its end is missing, as after a download that broke off; download it again."
EXPORT = "save the network's state_dict() instead, from before the export."
UNPACK = "unpack it and name the checkpoint in it."

# (offset, bytes there, what that is)
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x1f\x8b", f"a gzip archive; {UNPACK}"),
    (0, b"BZh", f"a bzip2 archive; {UNPACK}"),
    (0, b"\xfd7zXZ\0", f"an xz archive; {UNPACK}"),
    (0, b"\x28\xb5\x2f\xfd", f"a Zstandard archive; {UNPACK}"),
    (0, b"7z\xbc\xaf\x27\x1c", f"a 7z archive; {UNPACK}"),
    (0, b"Rar!\x1a\x07", f"a RAR archive; {UNPACK}"),
    (257, b"ustar", f"a tar archive; {UNPACK}"),
    (0, b"\x89HDF\r\n\x1a\n", f"an HDF5 file, as Keras writes; {EXPORT}"),
    (0, b"\x93NUMPY", "a NumPy array, not a state dict; write one with torch.save(model.state_dict(), file)."),
    (4, b"TFL3", f"a TensorFlow Lite model; {EXPORT}"),
    (0, b"GGUF", f"a GGUF model; {EXPORT}"),
    (0, b"ftrt", f"a TensorRT engine; {EXPORT}"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image; name the checkpoint."),
    (0, b"\xff\xd8\xff", "a JPEG image; name the checkpoint."),
    (0, b"%PDF-", "a PDF document; name the checkpoint."),
)
# ONNX's protobuf: field 1, the version of the format (3 of 2017 to now), then another of ModelProto's first fields
ONNX = re.compile(rb"\x08[\x03-\x1f][\x12\x1a\x22\x28\x32\x3a\x42]")
GIT_LFS = re.compile(rb"version https://(git-lfs|hawser)\b")
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")  # bytes that no text has, in any encoding of one byte or UTF-8
PAGE = re.compile(r"<(!doctype html|html|head|body|title|script|meta)\b", re.IGNORECASE)
CHECKPOINT_ENDINGS = (".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".tar")


def describe_foreign(head: bytes) -> str | None:
    """What a file is that is certainly no checkpoint, and what to do; None for one that may be.

    Args:
        head: the first `HEAD_BYTES` of the file.
    """
    if not head:
        return "it is empty, as after a download that broke off; download it again."
    if GIT_LFS.match(head):
        return (
            "it is a Git LFS pointer, which stands for the file; run 'git lfs pull' in its repository, or download the "
            "file from its page."
        )
    if not head.strip(b"\0"):
        return "it begins with zeros only, as a download does that has not arrived; download it again."
    for offset, signature, kind in SIGNATURES:
        if head[offset:].startswith(signature):
            return f"it is {kind}"
    if ONNX.match(head):
        return f"it is an ONNX model; {EXPORT}"
    return _describe_markup(head)


def is_safetensors(head: bytes) -> bool:
    """Whether a file begins as one of safetensors does: the length of a JSON object, 8 bytes, then that object."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= MAX_SAFETENSORS_HEADER


def describe_zip(names: Sequence[str]) -> str:
    """What a zip archive is that is not torch.save's, from the names in it, and what to do."""
    plain = [PurePosixPath(name).name for name in names if not name.endswith("/")]
    if {"constants.pkl", "bytecode.pkl"} & set(plain):
        return f"it is a TorchScript archive, which holds code; {EXPORT}"
    if "serialized_exported_program.json" in plain or "archive_format" in plain:
        return f"it is a program of torch.export; {EXPORT}"
    if "model.weights.h5" in plain:
        return f"it is a Keras model; {EXPORT}"
    if plain and all(name.endswith(".npy") for name in plain):
        return "it is an .npz archive of NumPy arrays; write a checkpoint with torch.save(model.state_dict(), file)."
    inside = [name for name in names if name.endswith(CHECKPOINT_ENDINGS)]
    if inside:
        return f"it is a zip archive that holds {inside[0]!r:.80}; {UNPACK}"
    listed = ", ".join(f"{name!r:.80}" for name in names[:SHOWN_NAMES]) or "nothing"
    return f"it is a zip archive but no checkpoint: it holds {listed}; name the checkpoint."


def describe_unknown(file: IO[bytes]) -> str:
    """What a file is that is nothing known: text or bytes, and how it begins."""
    head = file.read(HEAD_BYTES)
    text = _text(head)
    if text is not None:
        return f"it is text that begins with {text[:SHOWN_CHARACTERS]!r}; download the checkpoint again."
    return (
        "it is neither a file of torch.save nor of safetensors, or its beginning is damaged: it begins with the bytes "
        f"{head[:SHOWN_BYTES].hex(' ')}."
    )


def _describe_markup(head: bytes) -> str | None:
    text = _text(head)
    if text is None or text[:1] not in {"<", "{", "["}:
        return None
    kind = "JSON text" if text[0] != "<" else "an HTML page" if PAGE.match(text) else "an XML document"
    return (
        f"it is {kind} that begins with {text[:SHOWN_CHARACTERS]!r}: a server may have sent it in place of the file; "
        "check the address and download it again."
    )


def _text(head: bytes) -> str | None:
    """The beginning of a text, without a byte-order mark and blanks before it; None where it is none."""
    return None if CONTROL.search(head) else head.decode("utf-8-sig", "replace").strip()
