"""Sets of images and videos on a Ray cluster: `annotate_dataset` gives their hands, `run_batch` writes them."""

from .annotate import annotate_dataset
from .job import Summary, run_batch

__all__ = ["Summary", "annotate_dataset", "run_batch"]
