"""Machine code as the disassembler prints it: instructions, loops, and what a pass through a loop costs."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property

_INSTRUCTION = re.compile(r"/\*[0-9a-f]+\*/\s+(?:@(!?U?P\w+)\s+)?([A-Z][A-Z0-9_.]*)\s*(.*?)\s*;")
_LABEL = re.compile(r"(\.L_[\w.]+):")
_TARGET = re.compile(r"\((\.L_[\w.]+)\)")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its name with all suffixes, whether a predicate guards it, and the label that it jumps to."""

    name: str
    guarded: bool = False
    target: str | None = None


@dataclass(frozen=True)
class Loop:
    """A natural loop, as indices of instructions: its own, and those of the loops inside it apart."""

    own: tuple[int, ...]
    inner: tuple[Loop, ...]


@dataclass(frozen=True)
class Listing:
    """The instructions of one kernel, and the index of the instruction that follows each label."""

    instructions: tuple[Instruction, ...]
    labels: dict[str, int]

    @cached_property
    def successors(self) -> list[tuple[int, ...]]:
        """For each instruction, those that may follow it."""
        last = len(self.instructions) - 1
        return [tuple(n for n in self._next(i, x) if n <= last) for i, x in enumerate(self.instructions)]

    def _next(self, index: int, instruction: Instruction) -> tuple[int, ...]:
        kind = instruction.name.split(".")[0]
        if kind in ("EXIT", "RET", "BRX"):
            return (index + 1,) if instruction.guarded else ()
        # ptxas leaves a loop by a call without return where the jump is long.
        if (kind == "BRA" or instruction.name == "CALL.REL.NOINC") and instruction.target is not None:
            jump = self.labels[instruction.target]
            return (index + 1, jump) if instruction.guarded else (jump,)
        return (index + 1,)

    @cached_property
    def loops(self) -> tuple[Loop, ...]:
        """The outermost loops in the order of the listing; one that only jumps to itself is no loop but a stop.

        A natural loop is an edge back to a header through which every way to the edge leads, and all from where the
        edge can be reached without passing the header again (Aho et al., Compilers, section 9.6).
        """
        bodies: dict[int, set[int]] = {}
        for source, following in enumerate(self.successors):
            for header in following:
                if header < source and self._dominates(header, source):
                    bodies.setdefault(header, {header}).update(self._reaching(source, header))
        return _nested(sorted(bodies.items(), key=lambda body: len(body[1])))

    def _reaching(self, source: int, header: int) -> set[int]:
        reached, waiting = {header, source}, [source]
        while waiting:
            for before in self._predecessors[waiting.pop()]:
                if before not in reached:
                    reached.add(before)
                    waiting.append(before)
        return reached

    @cached_property
    def _predecessors(self) -> list[list[int]]:
        before: list[list[int]] = [[] for _ in self.instructions]
        for source, following in enumerate(self.successors):
            for index in following:
                before[index].append(source)
        return before

    def _dominates(self, header: int, index: int) -> bool:
        """Return whether every way from the first instruction to `index` leads through `header`."""
        seen, waiting = {header}, [0] if header else []
        while waiting:
            here = waiting.pop()
            if here == index:
                return False
            if here not in seen:
                seen.add(here)
                waiting.extend(self.successors[here])
        return True

    def count(self, loop: Loop) -> Counter[str]:
        """Return how often each instruction stands in `loop` itself, without the loops inside it."""
        return Counter(self.instructions[i].name for i in loop.own)


def _nested(bodies: list[tuple[int, set[int]]]) -> tuple[Loop, ...]:
    """Return loops from their bodies, the smallest first."""
    outside: list[tuple[int, set[int], Loop]] = []
    for header, body in bodies:
        inside = [entry for entry in outside if entry[0] in body]
        own = body.difference(*(entry[1] for entry in inside))
        loops = tuple(entry[2] for entry in sorted(inside, key=lambda entry: entry[0]))
        outside = [entry for entry in outside if entry[0] not in body]
        outside.append((header, body, Loop(tuple(sorted(own)), loops)))
    return tuple(entry[2] for entry in sorted(outside, key=lambda entry: entry[0]))


def parse(text: str) -> Listing:
    """Return the kernel in the output of ``nvdisasm -c``."""
    instructions: list[Instruction] = []
    labels: dict[str, int] = {}
    for line in text.splitlines():
        if label := _LABEL.match(line.strip()):
            labels[label[1]] = len(instructions)
        elif parts := _INSTRUCTION.search(line):
            predicate, name, operands = parts.groups()
            target = _TARGET.search(operands)
            guarded = predicate is not None or bool(re.match(r"!?U?P\d", operands))
            instructions.append(Instruction(name, guarded, target[1] if target else None))
    return Listing(tuple(instructions), labels)
