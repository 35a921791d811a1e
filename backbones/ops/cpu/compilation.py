"""Kernels that numba compiles at first use and caches on disk, until one of their source files changes.

numba's own cache checks only the file of the compiled function, while most of a kernel is inlined from other modules:
when one of these changed, it would load outdated machine code. And it gives up where no folder can be written, or where
a file of the cache can't be read; here each process compiles for itself then.
"""

from __future__ import annotations

import functools
import logging
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core.caching import FunctionCache, NullCache
from numba.core.ccallback import CFunc

from zigbench.spec.files import sha256

_log = logging.getLogger(__name__)

FILES = tuple(sorted([*Path(__file__).parent.glob("*.py"), *Path(__file__).parents[1].glob("*/cpu*.py")]))
"""The source files of the functions that are inlined into kernels."""

SOURCES = sha256(*(path.read_bytes() for path in FILES))


class _SourceKeyedCache(FunctionCache):
    """A cache on disk whose entries are also keyed by the hash of all source files."""

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), SOURCES)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            _warn(f"the cache in {self.cache_path} can't be read ({error})")
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            _warn(f"the cache in {self.cache_path} can't be written ({error})")


def _cache(function: Callable[..., Any]) -> Any:
    try:
        return _SourceKeyedCache(function)
    except RuntimeError:  # What numba raises where it can write neither beside the source nor below the home.
        _warn("no folder for their cache can be written")
        return NullCache()


@functools.cache
def _warn(why: str) -> None:
    _log.warning("each process compiles the CPU kernels for itself: %s; set NUMBA_CACHE_DIR to a folder of yours", why)


def kernel(function: Callable[[int], None]) -> CFunc:
    """Compile a function that takes the address of its arguments, or load it; its entry point is ``address``."""
    return _compile_cached(CFunc(function, ((numba.types.voidptr,), numba.void), {}, {"nopython": True}), function)


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Compile a function that Python calls, or load it; it runs without the interpreter's lock."""

    def decorated(function: Callable[..., Any]) -> Any:
        return _compile_cached(numba.njit(nogil=True)(function), function, signature)

    return decorated


def _compile_cached(dispatcher: Any, function: Callable[..., Any], *signature: Any) -> Any:
    dispatcher._cache = _cache(function)
    dispatcher.compile(*signature)
    return dispatcher
