"""Types of columns of Parquet files that hold images or paths."""

from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="pyarrow is not installed")
import pyarrow

from modelscope_handkp.batch.columns import image_column
from modelscope_handkp.errors import InputError


@pytest.mark.parametrize(
    ("kind", "fits"),
    [
        (pyarrow.binary(), True),
        (pyarrow.large_binary(), True),
        (pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), True),
        (pyarrow.struct({"bytes": pyarrow.binary(), "path": pyarrow.string()}), True),
        (pyarrow.struct({"path": pyarrow.string(), "bytes": pyarrow.large_binary()}), True),
        (pyarrow.struct({"path": pyarrow.string()}), False),
        (pyarrow.struct({"bytes": pyarrow.string()}), False),
        (pyarrow.list_(pyarrow.string()), False),
        (pyarrow.list_(pyarrow.binary()), False),
        (pyarrow.int64(), False),
        (pyarrow.null(), False),
    ],
    ids=str,
)
def test_types_of_columns(kind: Any, fits: bool) -> None:
    schema = pyarrow.schema({"x": kind, "size": pyarrow.int64()})
    if fits:
        assert image_column(schema, None, "a.parquet") == image_column(schema, "x", "a.parquet") == "x"
    else:
        with pytest.raises(InputError):
            image_column(schema, None, "a.parquet")
