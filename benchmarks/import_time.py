"""Time of `import modelscope_handkp` against `import modelscope`: fresh processes, one of each in turn.

    python benchmarks/import_time.py [--runs 7]

Prints both medians and their ratio; 1.3 is the most that is allowed.
"""

import argparse
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATEMENTS = ("import modelscope", "import modelscope_handkp")
TIMED = "import time; start = time.perf_counter(); {}; print(time.perf_counter() - start)"
ALLOWED = 1.3


def seconds(statement: str) -> float:
    """Seconds that ``statement`` takes in a fresh process, the interpreter's own start left out."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def main() -> int:
    """Print the medians; 0 if their ratio is allowed, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7, help="fresh processes of each kind")
    runs = parser.parse_args().runs
    for statement in STATEMENTS:  # the first run compiles and fills the file cache
        seconds(statement)
    pairs = [[seconds(statement) for statement in STATEMENTS] for _ in range(runs)]
    medians = [statistics.median(times) for times in zip(*pairs, strict=True)]
    for statement, median in zip(STATEMENTS, medians, strict=True):
        print(f"{statement:26} {median:6.2f} s")
    ratio = medians[1] / medians[0]
    print(f"ratio {ratio:.3f} (allowed {ALLOWED})")
    return 0 if ratio <= ALLOWED else 1


if __name__ == "__main__":
    sys.exit(main())
