"""Kernels that numba compiles at first use and caches on disk, until one of their source files changes.

numba's own cache checks only the file of the compiled function, while most of a kernel is inlined from other modules:
when one of these changed, it would load outdated machine code.
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
"""The source files of the functions that are inlined into kernels."""

SOURCES = sha256(*(path.read_bytes() for path in FILES))


class _SourceKeyedCache(FunctionCache):
    """A cache on disk whose entries are also keyed by the hash of all source files."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), SOURCES)


def kernel(function: Callable[[int], None]) -> CFunc:
    """Compile a function that takes the address of its arguments, or load it; its entry point is ``address``."""
    return _compile_cached(CFunc(function, ((numba.types.voidptr,), numba.void), {}, {"nopython": True}), function)


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function that Python calls, or load it; it runs without the interpreter's lock."""

    def decorated(function: Callable[..., Any]) -> Any:
        return _compile_cached(numba.njit(nogil=True)(function), function, signature)

    return decorated


def _compile_cached(dispatcher: Any, function: Callable[..., Any], *signature: Any) -> Any:
    dispatcher._cache = _SourceKeyedCache(function)
    dispatcher.compile(*signature)
    return dispatcher
