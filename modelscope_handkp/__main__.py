"""``python -m modelscope_handkp``: the command line."""

import sys

from .cli.main import main

sys.exit(main())
