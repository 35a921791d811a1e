"""``python -m zigbench.cli``."""

from zigbench.cli import main

main()
