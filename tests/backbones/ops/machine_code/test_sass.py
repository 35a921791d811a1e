"""Reading machine code, on listings written by hand: every count is known."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("triton")

from backbones.ops.machine_code.chips import CHIPS, cycles, pipeline
from backbones.ops.machine_code.sass import Listing, Loop, parse
from backbones.ops.machine_code.variants import Variant, per_step

SINGLE = """
sweep:
.text.sweep:
        /*0000*/                   LDC R1, c[0x0][0x28] ;
        /*0010*/               @P0 EXIT ;
.L_x_0:
        /*0020*/                   FMUL R0, R1, R2 ;
        /*0030*/                   MUFU.EX2 R0, R0 ;
        /*0040*/              @!P1 LDG.E.U16 R4, desc[UR4][R2.64] ;
        /*0050*/                   FFMA R3, R0, R3, R1 ;
        /*0060*/               @P1 BRA `(.L_x_0) ;
        /*0070*/                   EXIT ;
.L_x_1:
        /*0080*/                   BRA `(.L_x_1);
        /*0090*/                   NOP ;
"""

# Two loops in an outer one; the second has a rare part behind the exit, which jumps back into its middle.
NESTED = """
.L_x_0:
        /*0000*/                   IADD3 R0, R0, 0x1, RZ ;
.L_x_1:
        /*0010*/                   MUFU.EX2 R1, R1 ;
        /*0020*/                   MUFU.EX2 R2, R2 ;
        /*0030*/               @P0 BRA `(.L_x_1) ;
        /*0040*/                   MOV R1, R2 ;
.L_x_2:
        /*0050*/                   MUFU.EX2 R1, R1 ;
        /*0060*/               @P2 BRA `(.L_x_4) ;
.L_x_3:
        /*0070*/                   FADD R1, R1, R1 ;
        /*0080*/               @P0 BRA `(.L_x_2) ;
        /*0090*/              @!P1 BRA `(.L_x_0) ;
        /*00a0*/                   EXIT ;
.L_x_4:
        /*00b0*/                   STG.E desc[UR4][R2.64], R0 ;
        /*00c0*/                   BRA `(.L_x_3) ;
"""


def _names(listing: Listing, loop: Loop) -> list[str]:
    return [listing.instructions[i].name for i in loop.own]


def test_a_loop_is_from_its_label_to_the_branch_back_to_it() -> None:
    listing = parse(SINGLE)
    (loop,) = listing.loops
    assert _names(listing, loop) == ["FMUL", "MUFU.EX2", "LDG.E.U16", "FFMA", "BRA"]
    assert loop.inner == ()


def test_a_branch_to_itself_behind_the_exit_is_no_loop() -> None:
    assert len(parse(SINGLE).loops) == 1


def test_loops_nest_and_a_part_behind_the_exit_belongs_to_the_loop_that_it_returns_to() -> None:
    listing = parse(NESTED)
    (outer,) = listing.loops
    assert _names(listing, outer) == ["IADD3", "MOV", "BRA"]
    assert [_names(listing, loop) for loop in outer.inner] == [
        ["MUFU.EX2", "MUFU.EX2", "BRA"],
        ["MUFU.EX2", "BRA", "FADD", "BRA", "STG.E", "BRA"],
    ]


def test_a_call_without_return_is_a_jump() -> None:
    (loop,) = parse(SINGLE.replace("@P1 BRA `(.L_x_0)", "@P1 CALL.REL.NOINC `(.L_x_2)").replace(
        "/*0070*/                   EXIT ;", "/*0070*/ BRA `(.L_x_0) ;\n.L_x_2:\n /*0078*/ EXIT ;")).loops  # fmt: skip
    assert len(loop.own) == 6


def test_code_without_a_loop_has_none() -> None:
    assert parse("        /*0000*/                   EXIT ;").loops == ()


def _variant(exponentials: tuple[float, ...], interval: int = 4) -> Any:
    return SimpleNamespace(**{**dict.fromkeys(Variant.__annotations__), "name": "by hand"} | {
        "exponentials": exponentials, "interval": interval})  # fmt: skip


def test_a_step_costs_a_pass_over_the_steps_that_its_exponentials_make() -> None:
    # The first inner loop takes two steps a pass, the second one; the outer loop's own three are spread over four.
    total = per_step(parse(NESTED), _variant((1, 1)))
    assert total == {"MUFU.EX2": 2, "BRA": 0.5 + 3 + 0.25, "FADD": 1, "STG.E": 1, "IADD3": 0.25, "MOV": 0.25}


def test_a_loop_that_is_unrolled_whole_takes_an_interval_a_pass() -> None:
    unrolled = parse(NESTED.replace("@P0 BRA `(.L_x_1)", "NOP"))
    assert per_step(unrolled, _variant((1, 1), interval=2))["MUFU.EX2"] == 2
    with pytest.raises(ValueError, match="around"):
        per_step(unrolled, _variant((1, 1), interval=4))


@pytest.mark.parametrize("exponentials", [(1,), (1, 1, 1), (4, 1), (1.5, 1)])
def test_loops_that_are_not_the_kernels_are_refused(exponentials: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="by hand"):
        per_step(parse(NESTED), _variant(exponentials))


@pytest.mark.parametrize(
    ("gpu", "counts", "expected"),
    [
        ("H200", {"FFMA": 4, "MUFU.EX2": 1}, 8),  # the special functions are the bound
        ("H200", {"FFMA": 12, "MUFU.EX2": 1}, 13),  # the issue of one instruction a cycle is
        ("A100", {"FFMA": 12, "MUFU.EX2": 1}, 24),  # sixteen lanes for multiplications: two cycles a warp
        ("H200", {"LOP3.LUT": 5, "FFMA": 3}, 10),
        ("H200", {"LDG.E.128": 3, "STG.E": 1, "SHFL.BFLY": 1}, 20),
        ("B200", {"FFMA2": 4}, 8),
        ("H200", {}, 0),
    ],
)
def test_a_scheduler_is_busy_for_as_long_as_its_busiest_pipeline(
    gpu: str, counts: dict[str, float], expected: float
) -> None:
    assert cycles(counts, CHIPS[gpu]) == expected


def test_uniform_instructions_are_not_those_of_the_lanes() -> None:
    assert [pipeline(name) for name in ("UIADD3", "IADD3", "ULDC.64", "IMAD.WIDE.U32", "F2FP.BF16.F32.PACK_AB")] == [
        "uniform", "logic", "control", "multiply", "logic"]  # fmt: skip
