"""Kernels compiled by numba at first use and kept on disk, for as long as no source that they are made of changes.

numba itself looks at the file of a function alone, while most of a kernel is inlined from other modules: with one of
these changed it would go on with the old machine code, or with half of it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

from zigbench.spec.files import sha256

FILES = tuple(sorted([*Path(__file__).parent.glob("*.py"), *Path(__file__).parents[1].glob("*/cpu*.py")]))
"""What kernels are inlined from, beside the file they stand in."""

SOURCES = sha256(*(path.read_bytes() for path in FILES))


class _Kept(FunctionCache):
    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), SOURCES)


def kernel(function: Callable[[int], None]) -> CFunc:
    """Compile a function that takes the address of its arguments, or load it; its own lies in ``address``."""
    return _kept(CFunc(function, ((numba.types.voidptr,), numba.void), {}, {"nopython": True}), function)


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function that Python calls, or load it; it runs without the interpreter's lock."""

    def decorated(function: Callable[..., Any]) -> Any:
        return _kept(numba.njit(nogil=True)(function), function, signature)

    return decorated


def _kept(made: Any, function: Callable[..., Any], *signature: Any) -> Any:
    made._cache = _Kept(function)
    made.compile(*signature)
    return made
