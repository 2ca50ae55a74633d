"""Which column of a Parquet file holds images."""

from typing import Any

from ..errors import InputError

TEXT_TYPES = ("string", "large_string", "string_view")
BYTES_TYPES = ("binary", "large_binary", "binary_view")
SHOWN = 200  # characters of a name in an error


def image_column(schema: Any, named: str | None, path: str) -> str:
    """The column of a Parquet file that holds images: encoded, paths, or the struct of both that `datasets` writes.

    Raises:
        InputError: there is none, several could be meant, or the named one holds something else.
    """
    if named is not None and named not in schema.names:
        raise InputError(f"{path:.{SHOWN}} has no column {named!r:.80}; its columns are {_names(schema.names)}.")
    names = [name for name in schema.names if _holds_images(schema.field(name).type)]
    texts = [name for name in schema.names if is_text(schema.field(name).type)]
    fitting = [name for name in (names or texts) if named is None] or [name for name in names + texts if name == named]
    if len(fitting) != 1:
        what = "holds no paths or encoded images" if named or not fitting else "could be meant by several columns"
        raise InputError(
            f"{path:.{SHOWN}} {what}{f' in column {named!r:.80}' if named else ''}; name one of its columns "
            f"{_names(schema.names)} with --column."
        )
    return str(fitting[0])


def _holds_images(kind: Any) -> bool:
    """Whether a column of this type holds encoded images: bytes, or a struct with ``bytes``."""
    if str(kind).startswith("struct<"):
        return any(field.name == "bytes" and _holds_images(field.type) for field in kind)
    return str(kind) in BYTES_TYPES


def is_text(kind: Any) -> bool:
    """Whether a column of this type holds texts."""
    return str(getattr(kind, "value_type", kind)) in TEXT_TYPES and not str(kind).startswith("list")


def _names(names: list[str]) -> str:
    return ", ".join(map(repr, names[:20]))
