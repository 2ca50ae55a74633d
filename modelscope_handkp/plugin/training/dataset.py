"""The data sets that a configuration's ``dataset.train`` and ``dataset.val`` name."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from modelscope.msdatasets.dataset_cls.custom_datasets.builder import CUSTOM_DATASETS

from ...data.dataset import HandDataset
from ...data.layout import DATA_ROOT, find_part
from ...errors import ConfigError, DatasetError, MissingFileError
from ...model_dir.config import plain, require
from ...model_dir.hub import HUB_ID
from ...pose.transforms import Sample, build_transforms
from .. import names

DATA_SOURCE = "HandCocoPoseTopDownSource"
SHIFT = "TopDownRandomShiftBboxCenter"  # EasyCV's training reader shifts by itself; no configuration names it
GROUND_TRUTH = (
    "joints_3d", "joints_3d_visible", "bbox", "area", "is_left", "annotation_id", "category_id", "ignored",
)  # fmt: skip


@CUSTOM_DATASETS.register_module(names.TASK, module_name=names.DATASET, force=True)
class HandCocoWholeBodyDataset(HandDataset):
    """The hands of a split, in any layout that `read_annotations` reads, through the configured transforms.

    Each item is what ``pipeline`` collects; its ``img_metas`` also hold ``ground_truth``, against which `EasyCVMetric`
    evaluates: ``joints_3d``, ``joints_3d_visible``, ``bbox`` and ``area`` in image pixels, ``is_left``,
    ``annotation_id``, ``category_id`` and ``ignored``, all of the image as annotated, before any flip.

    Args:
        data_source: ``ann_file``, ``img_prefix``, ``data_cfg``, ``test_mode`` (no random shift of the crop) and
            ``on_bad_image`` ("raise" or "skip").
        pipeline: the transforms, in order.
        split_config: ``{split: folder}``, as `MsDataset` passes it; the folder replaces ``${data_root}``.
        seed: of the random transforms. ``mode``, ``preprocessor`` and further keys of ModelScope are not used.
    Raises:
        ConfigError: a missing key or an unknown data source, named; no folder for ``${data_root}``.
        MissingFileError, DatasetError: as `HandDataset`.
    """

    def __init__(
        self,
        data_source: Mapping[str, Any] | None = None,
        pipeline: Any = None,
        split_config: Mapping[str, Any] | None = None,
        seed: int = 0,
        **_: Any,
    ) -> None:
        if not isinstance(data_source or {}, Mapping):
            raise ConfigError(f"data_source must be an object of names and values, got {data_source!r:.80}.")
        source = _with_data_root(plain(dict(data_source or {})), split_config)
        is_test = source.get("test_mode", False)
        if not isinstance(is_test, bool):
            raise ConfigError(f"data_source.test_mode must be true or false, got {is_test!r:.80}.")
        kind = source.get("type", DATA_SOURCE)
        if kind != DATA_SOURCE:
            raise ConfigError(f"data_source.type {kind!r} is not known; this package knows {DATA_SOURCE!r}.")
        if not pipeline:
            raise ConfigError("the dataset block has no 'pipeline', the list of its transforms.")
        chain = plain(list(pipeline))
        if not is_test and all(step.get("type") != SHIFT for step in chain):
            chain = [{"type": SHIFT}, *chain]
        super().__init__(
            ann_file=require(source, "ann_file"),
            img_prefix=require(source, "img_prefix"),
            transform=TransformsWithTruth(chain),
            data_cfg=source.get("data_cfg"),
            on_bad_image=source.get("on_bad_image", "raise"),
            seed=seed,
        )


@CUSTOM_DATASETS.register_module(names.TASK, module_name=names.KEYPOINT_DATASET, force=True)
class HandCocoKeypointsDataset(HandCocoWholeBodyDataset):
    """The same under the name for plain hand annotations, of which each is a hand (`read_hand`)."""


class TransformsWithTruth:
    """A chain of transforms that also keeps the ground truth as it was before them, in ``img_metas``."""

    def __init__(self, chain: list[dict[str, Any]]) -> None:
        self._run = build_transforms(chain)

    def __call__(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The transformed sample."""
        item = self._run(sample, rng)
        truth = {key: sample[key] for key in GROUND_TRUTH}
        metas = {"image_file": sample["image_file"], "image_id": sample["image_id"], **item.get("img_metas", {})}
        return {**item, "img_metas": {**metas, "bbox_id": sample["bbox_id"], "ground_truth": truth}}


def _with_data_root(source: dict[str, Any], split_config: Mapping[str, Any] | None) -> dict[str, Any]:
    """``source`` with ``${data_root}`` replaced by the split's folder."""
    named = [key for key, value in source.items() if isinstance(value, str) and DATA_ROOT in value]
    if not named:
        return source
    if not split_config:
        raise ConfigError(
            f"data_source.{named[0]} is {source[named[0]]!r} and no folder is given for {DATA_ROOT}: pass a "
            "MsDataset, or set the path itself (cfg_options, 'dataset.train.data_source.ann_file')."
        )
    root = next(iter(split_config.values()))
    if not isinstance(root, str):
        raise ConfigError(f"the split must be unpacked to one folder, got {root!r}.")
    root = root.rstrip("/\\")
    return {**source, **{key: source[key].replace(DATA_ROOT, root) for key in named}}


def open_dataset(source: str | Path, split: str, config: Mapping[str, Any], part: str) -> HandCocoWholeBodyDataset:
    """The hands of a folder, an annotation file, or a data set on the hub.

    Args:
        source: a folder or annotation file as `find_part` takes it, or ``namespace/name`` on the hub.
        split: of the data set on the hub.
        config: the configuration's ``dataset.train`` or ``dataset.val``. part: "train" or "val", which of them.
    Raises:
        MissingFileError: neither a folder nor a file nor such a name. Otherwise as `find_part` and
            `HandCocoWholeBodyDataset`.
    """
    if not isinstance(source, (str, os.PathLike)):
        raise DatasetError(f"a data set is a folder, an annotation file or namespace/name, got {source!r:.80}.")
    if not os.path.exists(source):  # noqa: PTH110  Path.exists raises on a name that is too long
        if not HUB_ID.fullmatch(str(source)):
            raise MissingFileError(
                f"{source} is neither a folder nor an annotation file, and no hub data set of the form namespace/name."
            )
        from modelscope.msdatasets import MsDataset

        namespace, name = str(source).split("/")
        loaded = MsDataset.load(name, namespace=namespace, split=split)
        source = next(iter(loaded.config_kwargs["split_config"].values()))
    block = plain(dict(config))
    ann_file, img_prefix = find_part(source, part, block.get("data_source") or {})
    data_source = {**(block.get("data_source") or {}), "ann_file": ann_file, "img_prefix": img_prefix}
    return HandCocoWholeBodyDataset(**{**block, "data_source": data_source})
