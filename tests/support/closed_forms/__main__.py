"""The command that measures all rows and writes their table."""

from __future__ import annotations

import sys

from . import measured

sys.stdout.write(measured())
