"""Files that are no checkpoints are called what they are, whatever their names."""

import bz2
import gzip
import io
import lzma
import os
import pickle
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from pickles import dumped, tensor, write_archive
from torch import nn

from modelscope_handkp.errors import CheckpointError, HandkpError, MissingFileError
from modelscope_handkp.model_dir.checkpoint import read_state_dict

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "4d7a" * 16 + "\nsize 38612345\n"


def refusal(path: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        read_state_dict(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and message.endswith(".") and "\n" not in message
    return message.removeprefix(str(path))


def refusal_of(folder: Path, content: bytes) -> str:
    path = folder / "pytorch_model.pt"
    path.write_bytes(content)
    return refusal(path)


def saved(legacy: bool = False) -> bytes:
    buffer = io.BytesIO()
    content = {"state_dict": {"a": torch.arange(1000.0)}, "meta": {"epoch": 3}}
    torch.save(content, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.ones(2), b=np.zeros(3))
    return buffer.getvalue()


def npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(2))
    return buffer.getvalue()


def tar(mode: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        archive.addfile(tarfile.TarInfo("model.pth"))
    return buffer.getvalue()


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def image(ending: str) -> bytes:
    return cv2.imencode(ending, np.zeros((4, 4, 3), np.uint8))[1].tobytes()


UNPACK, STATE_DICT = "unpack it", r"state_dict\(\)"
PAGE = "<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found</body></html>"
XML = '<?xml version="1.0" encoding="UTF-8"?><Error><Code>AccessDenied</Code></Error>'
KINDS: dict[str, tuple[bytes, str, str]] = {  # content, what it is, what to do
    "empty": (b"", "is empty", "download it again"),
    "Git LFS": (POINTER.encode(), "a Git LFS pointer", "git lfs pull"),
    "Git LFS, Windows": (POINTER.replace("\n", "\r\n").encode(), "a Git LFS pointer", "git lfs pull"),
    "Git LFS, of its first days": (b"version https://hawser.github.com/spec/v1\n", "a Git LFS pointer", "git lfs pull"),
    "HTML": (PAGE.encode(), r"an HTML page that begins with '<!DOCTYPE html>", "check the address"),
    "HTML after blanks": (b"\xef\xbb\xbf\r\n  <HTML>", "an HTML page", "check the address"),
    "HTML in Chinese": ("<html><title>页面不存在</title>".encode("gb18030"), "an HTML page", "check the address"),
    "HTML, cut in a character": (f"<html>{'页' * 300}".encode(), "an HTML page", "check the address"),
    "XML": (XML.encode(), r"an XML document that begins with .*<Error>", "check the address"),
    "JSON": (b'{"Code": 404, "Message": "no such file"}', r'JSON text that begins with .*"Code": 404', "address"),
    "JSON list": (b'\n[\n  "busy"]', "JSON text", "check the address"),
    "pickle that is text": (pickle.dumps([1, 2], 0), "a plain pickle of list", r"torch\.save"),
    "video": (b"\0\0\0\x18ftypisom\0\0\0\0", "a video", "name the checkpoint"),
    "text": (b"Not Found", "text that begins with 'Not Found'", "download"),
    "git-annex": (b"/annex/objects/SHA256E-s123--abc.pt\n", "a git-annex pointer", "git annex get"),
    "zeros": (bytes(5000), "nothing but zeros", "download it again"),
    "gzip": (gzip.compress(saved()), "a gzip archive", UNPACK),
    "tar.gz": (tar("w:gz"), "a gzip archive", UNPACK),
    "bzip2": (bz2.compress(saved()), "a bzip2 archive", UNPACK),
    "xz": (lzma.compress(saved()), "an xz archive", UNPACK),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(range(60)), "a Zstandard archive", UNPACK),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\4" + bytes(range(60)), "a 7z archive", UNPACK),
    "rar": (b"Rar!\x1a\x07\x01\0" + bytes(range(60)), "a RAR archive", UNPACK),
    "tar": (tar(), "a tar archive", UNPACK),
    "Keras .h5": (b"\x89HDF\r\n\x1a\n" + bytes(range(60)), "an HDF5 file", STATE_DICT),
    "Keras .keras": (zipped(**{"config.json": b"{}", "model.weights.h5": b"x"}), "a Keras model", STATE_DICT),
    "npy": (npy(), "a NumPy file", STATE_DICT),
    "npz": (npz(), r"an \.npz archive of NumPy arrays", STATE_DICT),
    "ONNX": (b"\x08\x08\x12\x07pytorch\x1a\x052.1.0" + bytes(60), "an ONNX model", STATE_DICT),
    "ONNX, old": (b"\x08\x03\x12\x0cskl2onnx" + bytes(60), "an ONNX model", STATE_DICT),
    "TFLite": (b"\x1c\0\0\0TFL3" + bytes(range(60)), "a TensorFlow Lite model", STATE_DICT),
    "GGUF": (b"GGUF\3\0\0\0" + bytes(range(60)), "a GGUF model", STATE_DICT),
    "TensorRT": (b"ftrt\0\0\0\0" + bytes(range(60)), "a TensorRT engine", STATE_DICT),
    "PNG": (image(".png"), "a PNG image", "name the checkpoint"),
    "JPEG": (image(".jpg"), "a JPEG image", "name the checkpoint"),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3", "a PDF document", "name the checkpoint"),
    "zipped checkpoint": (zipped(**{"model/best.pth": saved()}), r"zip archive that holds 'model/best\.pth'", UNPACK),
    "zipped folder": (zipped(**{"a/": b"", "a/model.safetensors": b"x"}), r"holds 'a/model\.safetensors'", UNPACK),
    "document": (zipped(**{"[Types].xml": b"x", "word/a.xml": b"x"}), r"no checkpoint: it holds '\[Types", "name"),
    "empty zip": (zipped(), "no checkpoint: it holds nothing", "name the checkpoint"),
    "exported program": (zipped(**{"m/archive_format": b"pt2", "m/data/a": b"x"}), r"torch\.export", STATE_DICT),
    "mobile": (
        zipped(**{"m/data.pkl": b"x", "m/bytecode.pkl": b"", "m/constants.pkl": b""}), "TorchScript", STATE_DICT,
    ),
    "pickle of a list": (pickle.dumps([1, 2]), "a plain pickle of list", r"torch\.save"),
    "pickle of arrays": (pickle.dumps({"a": np.ones(2)}, 2), "a plain pickle of dict", r"torch\.save"),
    "pickle of an array": (pickle.dumps(np.ones(3), 2), "a plain pickle of PickledArray", r"torch\.save"),
    "pickle of a number": (pickle.dumps(5), "a plain pickle of int", r"torch\.save"),
    "pickle of True": (pickle.dumps(True), "a plain pickle of bool", r"torch\.save"),
    "bytes": (b"\xc3\x28\xa0\xa1\0\1\2\3\4", "begins with the bytes c3 28 a0 a1 00 01 02 03", "neither"),
    "cut off": (saved()[:-500], "end is missing", "download it again"),
    "cut off early": (saved()[:200], "end is missing", "download it again"),
    "cut off, before 1.6": (saved(legacy=True)[:-500], "end is missing", "download it again"),
    "cut off in its pickle": (saved(legacy=True)[:90], "end is missing", "download it again"),
    "cut off in its count": (saved(legacy=True)[: -4000 - 4], "end is missing", "download it again"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_file_is_and_what_to_do(tmp_path: Path, kind: str) -> None:
    content, what, remedy = KINDS[kind]
    message = refusal_of(tmp_path, content)
    for part in (what, remedy):
        assert re.search(part, message), message


@pytest.mark.parametrize("legacy", [False, True])
def test_a_damaged_checkpoint_is_called_that(tmp_path: Path, legacy: bool) -> None:
    content = bytearray(saved(legacy))
    where = content.index(b"epoch")
    content[where - 5 : where + 5] = b"\xff" * 10
    assert re.search(r"is a damaged checkpoint \(\w+: .*\); download or save it again", refusal_of(tmp_path, content))


def test_a_whole_model(tmp_path: Path) -> None:
    torch.save(nn.Linear(1, 1), tmp_path / "a.pt")
    assert "torch.nn.modules.linear.Linear" in refusal(tmp_path / "a.pt")
    assert "save model.state_dict() alone" in refusal(tmp_path / "a.pt")


def test_a_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=f"{tmp_path} is a folder, not a checkpoint; name a file in it"):
        read_state_dict(tmp_path)


def test_a_link_to_nothing_and_a_pipe(tmp_path: Path) -> None:
    """As git-annex and caches of hubs leave them."""
    (tmp_path / "a.pt").symlink_to("../blobs/4d7a")
    with pytest.raises(MissingFileError, match=r"a\.pt is a link to \.\./blobs/4d7a, which does not exist"):
        read_state_dict(tmp_path / "a.pt")
    os.mkfifo(tmp_path / "b.pt")
    with pytest.raises(MissingFileError, match=r"b\.pt is no regular file"):
        read_state_dict(tmp_path / "b.pt")


def test_an_unpacked_checkpoint_that_was_zipped_again(tmp_path: Path) -> None:
    """With its folder, without it, and compressed."""
    write_archive(tmp_path / "a.pt", dumped({"a": tensor(4)}))
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        archive.extractall(tmp_path / "all")
    shutil.make_archive(str(tmp_path / "with"), "zip", tmp_path / "all")
    shutil.make_archive(str(tmp_path / "without"), "zip", tmp_path / "all" / "archive")
    for name in ("with", "without"):
        assert read_state_dict(tmp_path / f"{name}.zip")["a"].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("legacy", [False, True])
def test_checkpoints_of_any_pickle_protocol_are_read(tmp_path: Path, protocol: int, legacy: bool) -> None:
    path = tmp_path / "a.pt"
    torch.save({"a": torch.ones(2)}, path, pickle_protocol=protocol, _use_new_zipfile_serialization=not legacy)
    assert read_state_dict(path)["a"].tolist() == [1, 1]


def test_random_bytes_raise_nothing_else(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "a.pt"
    beginnings = [b"", *(content[:12] for content, _, _ in KINDS.values()), saved()[:40], saved(legacy=True)[:40]]
    for number in range(300):
        path.write_bytes(beginnings[number % len(beginnings)] + rng.bytes(int(rng.integers(0, 700))))
        with pytest.raises(HandkpError, match=r"a\.pt"):
            read_state_dict(path)
