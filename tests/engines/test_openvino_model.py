"""OpenVINO's files of strangers: what is refused before anything runs."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from modelscope_handkp.engines.openvino_model import OpenVINOModel
from modelscope_handkp.errors import CheckpointError, MissingFileError

PORT = "<dim>1</dim><dim>3</dim><dim>8</dim><dim>8</dim>"
NET = f"""<?xml version="1.0"?>
<net name="hand" version="11"><layers>
<layer id="0" name="x" type="Parameter" version="opset1"><data shape="1,3,8,8" element_type="f32"/>
<output><port id="0" precision="FP32">{PORT}</port></output></layer>
<layer id="1" name="w" type="Const" version="opset1"><data element_type="f32" shape="1,3,1,1" offset="4" size="12"/>
<output><port id="0" precision="FP32"><dim>1</dim><dim>3</dim><dim>1</dim><dim>1</dim></port></output></layer>
<layer id="2" name="sum" type="Add" version="opset1"><data auto_broadcast="numpy"/>
<input><port id="0" precision="FP32">{PORT}</port>
<port id="1" precision="FP32"><dim>1</dim><dim>3</dim><dim>1</dim><dim>1</dim></port></input>
<output><port id="2" precision="FP32">{PORT}</port></output></layer>
<layer id="3" name="out" type="Result" version="opset1">
<input><port id="0" precision="FP32">{PORT}</port></input></layer>
</layers><edges><edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/></edges></net>
"""
WEIGHTS = np.array([9, 1, 2, 3], np.float32).tobytes()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """write(xml, weights) -> the path of the xml file."""

    def files(xml: str | bytes = NET, weights: bytes = WEIGHTS) -> Path:
        (tmp_path / "hand.bin").write_bytes(weights)
        (tmp_path / "hand.xml").write_bytes(xml if isinstance(xml, bytes) else xml.encode())
        return tmp_path / "hand.xml"

    return files


def test_a_plain_model_runs(write: Callable[..., Path]) -> None:
    pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
    from modelscope_handkp.engines.openvino import OpenVINOEngine

    model = OpenVINOModel.read(write())
    (output,) = OpenVINOEngine(model, torch.device("cpu"))(torch.zeros(1, 3, 8, 8))
    np.testing.assert_array_equal(output[0, :, 0, 0], [1, 2, 3])


NESTED = NET.replace(
    "<data auto_broadcast", "<body><layers><layer type='Add' version='opset1'/></layers></body><data a"
)
DOCTYPE = NET.replace("<net", '<!DOCTYPE net [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><net', 1)


@pytest.mark.parametrize(
    ("xml", "named"),
    [
        (DOCTYPE, r"has definitions of its own \(DOCTYPE\)"),
        (DOCTYPE.encode("utf-16"), r"has definitions of its own \(DOCTYPE\)"),
        (NET.replace('type="Add" version="opset1"', 'type="Add" version="extension"'), "operator 'Add' of 'extension'"),
        (NET.replace('type="Add" version="opset1"', 'type="Own"'), "operator 'Own' of ''"),
        (NET.replace('"Add"', '"Loop"'), "has a Loop, whose work has no bound"),
        (NET.replace('"Add"', '"loop"'), "has a loop, whose work has no bound"),
        (NET.replace('"Add"', '"TensorIterator"'), "has a TensorIterator"),
        (NET.replace('"Add"', '"If"'), "has a If"),
        (NESTED, "has layers within layers"),
        (NET.replace("<dim>8</dim>", "<dim>100000</dim>"), "makes a tensor of shape 1, 3, 100000, 100000"),
        (NET.replace("<dim>8</dim>", f"<dim>{'9' * 99}</dim>"), "makes a tensor of shape 1, 3, 99999"),
        (NET.replace("<dim>8</dim>", "<dim>many</dim>"), "makes a tensor of shape 1, 3, many"),
        (NET.replace('shape="1,3,8,8"', 'shape="1,3,100000,100000"'), "makes a tensor of shape 1, 3, 100000, 100000"),
        (NET.replace('offset="4"', 'offset="5"'), "constant at .'5', '12'., but its .bin has 16 bytes"),
        (NET.replace('offset="4"', 'offset="18446744073709551612"'), "constant at .'18446744073709551612'"),
        (NET.replace('offset="4"', 'offset="-4"'), "constant at .'-4', '12'."),
        (NET.replace('size="12"', 'size="1e9"'), "constant at .'4', '1e9'."),
        ("<a>" * 10**6, "nested deeper than 32"),
        (NET[:-9], "is no OpenVINO model"),
        ("", "is no OpenVINO model"),
        ("no xml", "is no OpenVINO model"),
        (b"\x00\xff" * 50, "is no OpenVINO model"),
        ("<?xml version='1.0' encoding='no-such'?><net/>", "is no OpenVINO model"),
        ("<net/>", "it has no layers"),
        ("<other><layer version='opset1'/></other>", "it has no layers"),
    ],
)
def test_what_is_no_plain_model_is_refused(xml: str | bytes, named: str, write: Callable[..., Path]) -> None:
    start = time.perf_counter()
    with pytest.raises(CheckpointError, match=rf"hand\.xml .*{named}"):
        OpenVINOModel.read(write(xml))
    assert time.perf_counter() - start < 2


@pytest.mark.parametrize(
    "change",
    [
        ('shape="1,3,1,1"', 'shape="20000,3,100,100"', "bytes|size|weights|shape"),
        ('shape="1,3,8,8"', 'shape="1,4,8,8"', "hand"),
        ('to-layer="2" to-port="1"', 'to-layer="9" to-port="1"', "hand"),
        ('type="Add"', 'type="NoSuchOperator"', "hand"),
        ('element_type="f32"', 'element_type="f99"', "hand"),
        ('shape="1,3,8,8"', 'shape="one"', "hand"),
    ],
)
def test_models_that_openvino_cannot_read_are_named(change: tuple[str, str, str], write: Callable[..., Path]) -> None:
    pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
    from modelscope_handkp.engines.openvino import OpenVINOEngine

    with pytest.raises(CheckpointError, match=r"hand\.xml"):
        OpenVINOEngine(OpenVINOModel.read(write(NET.replace(*change[:2], 1))), torch.device("cpu"))


def test_sizes_that_openvino_finds_itself_count(write: Callable[..., Path]) -> None:
    """The file says that the output is small; what is broadcast is not."""
    pytest.importorskip("openvino", reason="the engine openvino needs the extra openvino")
    from modelscope_handkp.engines.openvino import OpenVINOEngine

    xml = re.sub('shape="1,3,8,8"', 'shape="1,1,20000,1"', NET)
    xml = re.sub('shape="1,3,1,1" offset="4" size="12"', 'shape="1,1,1,20000" offset="0" size="80000"', xml)
    with pytest.raises(CheckpointError, match=r"hand\.xml makes a tensor of shape \[1, 1, 20000, 20000\]"):
        OpenVINOEngine(OpenVINOModel.read(write(xml, bytes(80000))), torch.device("cpu"))


def test_files_that_are_not_there_or_too_large_are_named(write: Callable[..., Path]) -> None:
    path = write()
    with path.with_suffix(".bin").open("wb") as file:
        file.truncate((1 << 30) + 1)
    with pytest.raises(CheckpointError, match=r"hand\.bin has 1073741825 bytes"):
        OpenVINOModel.read(path)
    path.with_suffix(".bin").unlink()
    with pytest.raises(MissingFileError, match=r"hand\.bin is not there"):
        OpenVINOModel.read(path)
    with path.open("wb") as file:
        file.truncate((16 << 20) + 1)
    with pytest.raises(CheckpointError, match=r"hand\.xml has 16777217 bytes"):
        OpenVINOModel.read(path)
    path.unlink()
    with pytest.raises(MissingFileError, match=r"hand\.xml is not there"):
        OpenVINOModel.read(path)
