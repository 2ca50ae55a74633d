"""How many images a second the renderer makes, on one core or on a GPU.

python benchmarks/rendering.py [--device cuda] [--seconds 10]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch

from modelscope_handkp.synthetic import LEVELS, Rng, render_batch, render_crops

CROP, WHOLE = 128, 256  # px: what the embedded networks are trained on
CROPS = 32  # in a batch
HANDS = [0, 1, 1, 1, 2, 2, 3, 5]  # in the images of a batch


def rate(render: Callable[[int], object], batch: int, seconds: float) -> float:
    """Images a second; the first batch does not count. render: seed -> a batch."""
    render(0)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        count += 1
        render(count)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return count * batch / (time.perf_counter() - started)


def main() -> None:
    """Measure crops and whole images of every level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    args = parser.parse_args()
    torch.set_num_threads(1)
    print(f"images a second on {args.device}")
    for name in LEVELS:
        with torch.no_grad():
            crops = rate(lambda seed, n=name: render_crops(Rng(seed, args.device), CROPS, CROP, n), CROPS, args.seconds)
            whole = rate(lambda seed, n=name: render_batch(Rng(seed, args.device), HANDS, (WHOLE, WHOLE), n),
                         len(HANDS), args.seconds)  # fmt: skip
        print(f"  {name:8s}{crops:8.1f} crops of {CROP} px, {whole:6.1f} images of {WHOLE} px")


if __name__ == "__main__":
    main()
