"""What a compiled program moves and starts, read off its text: for a GPU XLA says neither, and for a TPU not
what of it stays on the chip.
"""

import dataclasses
import math
import re

# Names for what is there already, and the second half of what was counted at its start.
_FREE = {
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "iota",
    "copy-done", "slice-done", "all-reduce-done", "async-done", "optimization-barrier", "opt-barrier",
}  # fmt: skip
_CUTS = {"dynamic-slice", "slice", "gather"}
_COLLECTIVES = {"all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all"}
_ON_CHIP = "S(1)"  # in a layout: of a TPU's vector memory


@dataclasses.dataclass(frozen=True)
class ProgramCost:
    """Of one run of the program on one chip."""

    main_memory_bytes: float = 0.0  # read and written; what a GPU's caches catch is in it
    kernels: float = 0.0  # started on a GPU, one operation after the other on a TPU
    collectives: float = 0.0
    collective_bytes: float = 0.0

    def __add__(self, other: "ProgramCost") -> "ProgramCost":
        both = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return ProgramCost(*(a + b for a, b in both))

    def __mul__(self, times: float) -> "ProgramCost":
        return ProgramCost(*(times * value for value in dataclasses.astuple(self)))


@dataclasses.dataclass(frozen=True)
class _Instruction:
    name: str
    shape: str
    operation: str
    arguments: str
    attributes: str  # the rest of its line

    @property
    def operands(self) -> list[str]:
        return re.findall(r"%([\w.\-]+)", self.arguments)

    def named(self, key: str) -> list[str]:
        """The computations that it calls as its `key`."""
        found = re.search(rf"\b{key}=\{{?([^,}}]*(?:, %[^,}}]*)*)", self.attributes)
        return re.findall(r"%([\w.\-]+)", found.group(1)) if found else []


@dataclasses.dataclass(frozen=True)
class _Array:
    n_bytes: int
    is_on_chip: bool


Computations = dict[str, list[_Instruction]]


def program_cost(text: str) -> ProgramCost:
    """The cost of a program by `Compiled.as_text()`: a loop as often as it turns, the dearest branch.

    Raises ValueError for a text without an entry.
    """
    computations, entry = _parse(text)
    if not entry:
        raise ValueError("not the text of a compiled program: it has no ENTRY")
    return _cost(computations, entry)


def _parse(text: str) -> tuple[Computations, str]:
    computations: Computations = {}
    entry = name = ""
    for line in text.splitlines():
        if head := re.match(r"(ENTRY )?%?([\w.\-]+) .*\{$", line):
            name = head.group(2)
            computations[name] = []
            entry = name if head.group(1) else entry
        elif found := re.match(r"\s+(?:ROOT )?%?([\w.\-]+) = (\(.*?\)|\S+) ([\w\-]+)\((.*)$", line):
            arguments, _, attributes = found.group(4).partition(")")
            names = found.group(1), found.group(2), found.group(3)
            computations[name].append(_Instruction(*names, arguments, attributes))
    return computations, entry


def _cost(computations: Computations, name: str) -> ProgramCost:
    total, shapes = ProgramCost(), {one.name: one.shape for one in computations[name]}
    for one in computations[name]:
        if one.operation == "while":
            body, condition = (one.named(key)[0] for key in ("body", "condition"))
            turn = _cost(computations, body) + _cost(computations, condition)
            total += turn * _turns(one, computations[condition])
        elif one.operation == "conditional":
            branches = [*one.named("branch_computations"), *one.named("true_computation")]
            branches += one.named("false_computation")
            total += max((_cost(computations, each) for each in branches), key=dataclasses.astuple)
        elif one.operation == "call":
            total += _cost(computations, one.named("to_apply")[0])
        elif one.operation not in _FREE:
            total += _of_one(computations, one, shapes)
    return total


def _of_one(computations: Computations, one: _Instruction, shapes: dict[str, str]) -> ProgramCost:
    if one.operation in ("copy-start", "slice-start"):  # its shape: what is read, what is written, a flag
        source, *_, moved, _ = _arrays(one.shape)
        return ProgramCost(moved.n_bytes * (2 - source.is_on_chip - moved.is_on_chip), 1)
    written = sum(array.n_bytes for array in _arrays(one.shape) if not array.is_on_chip)
    read = 0
    for i, operand in enumerate(one.operands):
        whole = sum(array.n_bytes for array in _arrays(shapes.get(operand, "")) if not array.is_on_chip)
        read += min(whole, _cut_from(computations, one, i) or whole)
    sent = 0
    if one.operation.removesuffix("-start") in _COLLECTIVES:
        sent = sum(array.n_bytes for array in _arrays(one.shape))
    return ProgramCost(written + read, 1, int(sent > 0), sent)


def _cut_from(computations: Computations, one: _Instruction, i: int) -> int:
    """Bytes read of operand i where it is only cut from; 0 where all of it may be read."""
    if one.operation in _CUTS:
        return sum(array.n_bytes for array in _arrays(one.shape)) if i == 0 else 0
    if one.operation != "fusion":
        return 0
    inside = computations[one.named("calls")[0]]
    (name,) = (x.name for x in inside if x.operation == "parameter" and x.arguments == str(i))
    users = [x for x in inside if name in x.operands]
    if not all(user.operation in _CUTS and user.operands[0] == name for user in users):
        return 0
    return sum(array.n_bytes for user in users for array in _arrays(user.shape))


def _arrays(shape: str) -> list[_Array]:
    """Those of a shape as it is written, like (f32[30,8]{1,0}, bf16[8]{0:T(256)S(1)})."""
    arrays = []
    for kind, dims, layout in re.findall(r"\b([a-z]+\d*\w*)\[([\d,]*)\](\{[^}]*\})?", shape):
        bits = 8 if kind == "pred" else int((re.search(r"\d+", kind) or ["32"])[0])
        size = math.prod(int(dim) for dim in dims.split(",") if dim)
        arrays.append(_Array(size * bits // 8, _ON_CHIP in layout))
    return arrays


def _turns(loop: _Instruction, condition: list[_Instruction]) -> int:
    """How often a loop turns: by XLA's own word, or by the number that its counter is compared with."""
    if known := re.search(r'known_trip_count":\{"n":"(\d+)"', loop.attributes):
        return int(known.group(1))
    limits = [int(x.arguments) for x in condition if x.operation == "constant" and x.arguments.isdigit()]
    return max(limits, default=1)
