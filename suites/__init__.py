"""Suites as data: one question a file. A module whose name does not begin with "_" is the suite of that name."""

import sys

from zigbench.spec.registry import suites

suites.discover(sys.modules[__name__], "suite")
