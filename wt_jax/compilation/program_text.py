"""The text of a compiled program (HLO), read: computations of instructions, and the arrays of a shape."""

import dataclasses
import math
import re
from functools import cached_property

_ON_CHIP = "S(1)"  # in a layout: of a TPU's vector memory


@dataclasses.dataclass(frozen=True)
class Instruction:
    """A line of it."""

    name: str
    shape: str
    operation: str
    arguments: str
    attributes: str  # the rest of its line
    is_root: bool = False  # what its computation comes to

    @cached_property
    def operands(self) -> list[str]:
        """Names of the values that it takes."""
        return re.findall(r"%([\w.\-]+)", self.arguments)

    @property
    def target(self) -> str:
        """Whom a custom call calls."""
        found = re.search(r'custom_call_target="([^"]*)"', self.attributes)
        return found.group(1) if found else ""

    def named(self, key: str) -> list[str]:
        """The computations that it calls as its `key`."""
        found = re.search(rf"\b{key}=\{{?([^,}}]*(?:, %[^,}}]*)*)", self.attributes)
        return re.findall(r"%([\w.\-]+)", found.group(1)) if found else []


Computation = dict[str, Instruction]  # by their names


@dataclasses.dataclass(frozen=True)
class Array:
    """Of a shape."""

    n_bytes: int
    is_on_chip: bool


def parse(text: str) -> tuple[dict[str, Computation], str]:
    """The computations of `Compiled.as_text()` by name, and which one is the entry: "" where none is."""
    computations: dict[str, Computation] = {}
    entry = name = ""
    for line in text.splitlines():
        if head := re.match(r"(ENTRY )?%?([\w.\-]+) .*\{$", line):
            name = head.group(2)
            computations[name] = {}
            entry = name if head.group(1) else entry
        elif found := re.match(r"\s+(ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$", line):
            is_root, own, shape, operation, rest = found.groups()
            arguments, _, attributes = rest.partition(")")
            computations[name][own] = Instruction(own, shape, operation, arguments, attributes, bool(is_root))
    return computations, entry


def root(computation: Computation) -> Instruction:
    """What it comes to."""
    return next(one for one in computation.values() if one.is_root)


def arrays(shape: str) -> list[Array]:
    """Those of a shape as it is written, like (f32[30,8]{1,0}, bf16[8]{0:T(256)S(1)})."""
    found = []
    for kind, dims, layout in re.findall(r"\b([a-z]+\d*\w*)\[([\d,]*)\](\{[^}]*\})?", shape):
        bits = 8 if kind == "pred" else int((re.search(r"\d+", kind) or ["32"])[0])
        size = math.prod(int(dim) for dim in dims.split(",") if dim)
        found.append(Array(size * bits // 8, _ON_CHIP in layout))
    return found


def turns(loop: Instruction, condition: Computation) -> int | None:
    """How often a loop turns: by XLA's own word, or by the number below which its counter, from 0, stays.

    None where the text says neither.
    """
    if known := re.search(r'known_trip_count":\{"n":"(\d+)"', loop.attributes):
        return int(known.group(1))
    last = root(condition)
    if last.operation != "compare" or "direction=LT" not in last.attributes:
        return None
    limit = condition[last.operands[1]]
    return int(limit.arguments) if limit.operation == "constant" else None
