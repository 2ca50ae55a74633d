"""``python -m modelscope_handkp``: the command line."""

import sys

from .cli import main

sys.exit(main())
