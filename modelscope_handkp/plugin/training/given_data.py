"""What a caller passes as ``train_dataset`` or ``eval_dataset`` -> a data set that can be loaded."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from modelscope.msdatasets import MsDataset
from modelscope.msdatasets.dataset_cls import ExternalDataset
from modelscope.msdatasets.dataset_cls.custom_datasets.builder import build_custom_dataset
from torch.utils.data import ConcatDataset

from ...data.layout import has_part
from ...errors import DatasetError
from ...model_dir.config import block, require
from .dataset import open_dataset

HUB_SPLITS = {"train": "train", "val": "validation"}  # of a data set on the hub, by the configuration's part
COLUMNS = ("img", "img_metas")  # of every sample


def open_given(given: Any, part: str, config: dict[str, Any]) -> Any:
    """The data set that ``given`` is or names.

    Args:
        given: a folder, an annotation file or a hub data set ``namespace/name``, as `open_dataset` takes it; an
            `MsDataset`, or what ``MsDataset.load`` gives for a folder; a torch data set; a list or tuple of these.
        part: "train" or "val", the block under ``dataset`` of ``config`` that describes the data.
        config: the configuration, with its ``task``.
    Raises:
        DatasetError: it is nothing of this kind. Otherwise as `open_dataset`.
    """
    if isinstance(given, (list, tuple)):
        if not given:
            raise DatasetError(f"the list of data sets for {part!r} is empty.")
        return ConcatDataset([open_given(one, part, config) for one in given])
    if isinstance(given, (str, os.PathLike)):
        return open_dataset(os.fspath(given), HUB_SPLITS[part], require(config, f"dataset.{part}"), part)
    if (place := _place_of(given, part, config)) is not None:
        return open_given(place, part, config)
    if isinstance(given, MsDataset):
        inner = given.ds_instance
        if isinstance(inner, ExternalDataset):  # not by MsDataset, which would change the caller's
            options = {**require(config, f"dataset.{part}"), **given.config_kwargs, "mode": part}
            return build_custom_dataset(options, config.get("task"))
        return open_given(inner, part, config)
    _check(given, part)
    return given


def _place_of(given: Any, part: str, config: dict[str, Any]) -> str | None:
    """The folder or file that ``MsDataset.load`` was called with, which gives its images without their annotations."""
    splits = list(given.values()) if isinstance(given, Mapping) else [given]  # a dict where no split was named
    if not splits or not all(isinstance(split, MsDataset) and not _has_samples(split.ds_instance) for split in splits):
        return None
    named = getattr(getattr(given, "_dataset_context_config", None), "dataset_name", None)
    if named is not None:
        return named if os.path.exists(named) else None  # noqa: PTH110
    files = [file for split in splits for file in getattr(split.ds_instance.info, "download_checksums", None) or ()]
    if not files or not all(map(os.path.exists, files)):
        return None
    shared = Path(os.path.commonpath(files))  # one split's images lie in a folder beside the annotations
    source = block(config, f"dataset.{part}.data_source")
    return str(next((folder for folder in (shared, *shared.parents[:1]) if has_part(folder, part, source)), shared))


def _has_samples(data: Any) -> bool:
    """Whether a data set may hold samples: its columns, if it says them, are those of one."""
    columns = getattr(data, "column_names", None)
    return columns is None or all(column in columns for column in COLUMNS)


def _check(given: Any, part: str) -> None:
    """Refuse what is no data set, and a table of other columns."""
    if isinstance(given, Mapping):
        described = f"a {type(given).__name__} of {list(given)[:5]}"
    elif isinstance(given, bytes) or not (hasattr(given, "__getitem__") or hasattr(given, "__iter__")):
        described = repr(given)[:80]
    elif not _has_samples(given):
        described = f"a table with the columns {given.column_names}"
    else:
        return
    raise DatasetError(
        f"{described} is no data set for {part!r}: pass a folder with an annotation file, that file itself, a data set "
        f"on the hub, or a torch data set whose samples hold {' and '.join(COLUMNS)}."
    )
