"""``python -m zigbench.cli``."""

import sys
from pathlib import Path

from zigbench.cli import main

# With -m Python searches the working directory first, where a folder `backbones` or `suites` would shadow ours.
if not sys.flags.safe_path and Path(sys.path[0]).resolve() != Path(__file__).resolve().parents[2]:
    del sys.path[0]

main()
