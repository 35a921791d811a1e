"""The kernel behind a GPU's ceiling of exponentials, compiled for one without having one."""

from __future__ import annotations

import pytest

triton = pytest.importorskip("triton")


def test_it_compiles_to_nothing_but_exponentials_and_one_store():
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from zigbench.efficiency.exponentials import BLOCK, _rounds

    source = ASTSource(fn=_rounds, signature={"out": "*fp32", "rounds": "i32", "BLOCK": "constexpr"},
                       constexprs={"BLOCK": BLOCK})  # fmt: skip
    text = triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
    threads = 4 * 32
    assert text.count("ex2.approx") == BLOCK // threads
    assert text.count("ld.global") == 0
