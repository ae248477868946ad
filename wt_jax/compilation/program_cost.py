"""What a compiled program moves and starts, read off its text: for a GPU XLA says neither, and for a TPU not
what of it stays on the chip.
"""

import dataclasses

from wt_jax.compilation.program_text import Computation, Instruction, arrays, parse, root, turns

_FREE = {  # names for what is there already
    "parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id", "iota",
    "optimization-barrier", "opt-barrier",
}  # fmt: skip
_FREE_TARGETS = {"AllocateBuffer", "ConcatBitcast"}  # custom calls of a TPU: names, too
_LATER = ("-update", "-done")  # of what is counted at its start
_CUTS = {"dynamic-slice", "slice", "gather"}
_UPDATES = {"dynamic-update-slice": 1, "scatter": 2}  # in place, with which operand
_COLLECTIVES = {"all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all"}
_WITH_WORKSPACE = ("__cublas", "__cudnn")  # the last of their results is memory to work in


@dataclasses.dataclass(frozen=True)
class ProgramCost:
    """Of one run of the program on one chip."""

    main_memory_bytes: float = 0.0  # read and written; what a GPU's caches catch is in it
    kernels: float = 0.0  # started on a GPU, one operation after the other on a TPU
    collectives: float = 0.0
    collective_bytes: float = 0.0
    unknown_loops: float = 0.0  # counted as one turn each: how many they make is not in the text

    def __add__(self, other: "ProgramCost") -> "ProgramCost":
        both = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        return ProgramCost(*(a + b for a, b in both))

    def __mul__(self, times: float) -> "ProgramCost":
        return ProgramCost(*(times * value for value in dataclasses.astuple(self)))


def program_cost(text: str) -> ProgramCost:
    """The cost of a program by `Compiled.as_text()`: a loop as often as it turns, the dearest branch.

    Raises ValueError for a text without an entry.
    """
    computations, entry = parse(text)
    if not entry:
        raise ValueError("not the text of a compiled program: it has no ENTRY")
    return _Reader(computations).cost(entry)


@dataclasses.dataclass(frozen=True)
class _Reader:
    computations: dict[str, Computation]

    def cost(self, name: str) -> ProgramCost:
        total, inside = ProgramCost(), self.computations[name]
        results = _results(inside)
        for one in inside.values():
            if one.operation == "while":
                body, condition = (one.named(key)[0] for key in ("body", "condition"))
                n_turns = turns(one, self.computations[condition])
                total += (self.cost(body) + self.cost(condition)) * (n_turns or 1)
                total += ProgramCost(unknown_loops=n_turns is None)
            elif one.operation == "conditional":
                branches = [*one.named("branch_computations"), *one.named("true_computation")]
                branches += one.named("false_computation")
                total += max(map(self.cost, branches), key=dataclasses.astuple)
            elif one.operation == "call":
                total += self.cost(one.named("to_apply")[0])
            elif one.operation.endswith("-start"):  # as if it did not go on beside others
                kind, shape = one.operation.removesuffix("-start"), results.get(one.name, one.shape)
                total += self._of_one(inside, dataclasses.replace(one, operation=kind, shape=shape))
            elif not (
                one.operation in _FREE or one.operation.endswith(_LATER) or one.target in _FREE_TARGETS
            ):
                total += self._of_one(inside, one)
        return total

    def _of_one(self, inside: Computation, one: Instruction) -> ProgramCost:
        read: dict[str, int] = {}  # what is taken twice is read once
        for i, operand in enumerate(one.operands):
            whole = sum(array.n_bytes for array in arrays(inside[operand].shape) if not array.is_on_chip)
            read[operand] = min(whole, read.get(operand, 0) + self._taken(one, i, whole))
        written, sent = self._written(inside, one), self._sent(one)
        return ProgramCost(sum(read.values()) + written, 1, int(sent > 0), sent)

    def _taken(self, one: Instruction, i: int, whole: int) -> int:
        """Bytes read of its operand i, which has `whole`: fewer where it is only cut from or put into."""
        if i == 0 and one.operation in _CUTS:
            return _bytes(one)
        if i == 0 and one.operation in _UPDATES:
            return 0
        if not (called := one.named("calls")):
            return whole
        inside = self.computations[called[0]]
        (value,) = (x for x in inside.values() if x.operation == "parameter" and x.arguments == str(i))
        return self._taken_by_all(inside, value, whole)

    def _taken_by_all(self, inside: Computation, value: Instruction, whole: int) -> int:
        """Bytes read of a value of a fusion by all that use it there; all of one that it comes to."""
        if value.is_root:
            return whole
        return sum(
            self._taken_by_all(inside, user, whole)
            if user.operation == "bitcast"
            else self._taken(user, i, whole)
            for user in inside.values()
            for i, operand in enumerate(user.operands)
            if operand == value.name
        )

    def _written(self, inside: Computation, one: Instruction) -> int:
        """Bytes put into its results, those on the chip left out."""
        results = arrays(one.shape)
        if one.target.startswith(_WITH_WORKSPACE):
            results.pop()
        puts = self._puts(inside, one)
        if len(puts) != len(results):
            puts = [array.n_bytes for array in results]
        pairs = zip(results, puts, strict=True)
        return sum(min(array.n_bytes, put) for array, put in pairs if not array.is_on_chip)

    def _puts(self, inside: Computation, one: Instruction) -> list[int]:
        """Bytes put into each result of an update or a fusion; of anything else, []: all of each."""
        if one.operation in _UPDATES:
            return [_bytes(inside[one.operands[_UPDATES[one.operation]]])]
        if not (called := one.named("calls")):
            return []
        within = self.computations[called[0]]
        last = root(within)
        makers = [within[name] for name in last.operands] if last.operation == "tuple" else [last]
        return [self._put(within, maker) for maker in makers]

    def _put(self, inside: Computation, one: Instruction) -> int:
        """Bytes that a fusion puts where it makes `one`: into one of its parameters, the updates alone."""
        if one.operation == "bitcast":
            return self._put(inside, inside[one.operands[0]])
        if one.operation in _UPDATES:
            base, update = (inside[one.operands[i]] for i in (0, _UPDATES[one.operation]))
            return _bytes(update) + (0 if _is_parameter(inside, base) else self._put(inside, base))
        if called := one.named("calls"):
            within = self.computations[called[0]]
            return self._put(within, root(within))
        return _bytes(one)

    def _sent(self, one: Instruction) -> int:
        """Bytes of its collectives' results."""
        if one.operation in _COLLECTIVES:
            return _bytes(one)
        called = one.named("calls")
        return sum(map(self._sent, self.computations[called[0]].values())) if called else 0


def _results(inside: Computation) -> dict[str, str]:
    """The shapes that operations which go on beside others come to, by the names of their starts."""
    starts: dict[str, str] = {}
    results = {}
    for one in inside.values():
        if one.operation.endswith(_LATER):
            before = one.operands[0]
            starts[one.name] = start = starts.get(before, before)
            results[start] = one.shape
    return results


def _is_parameter(inside: Computation, one: Instruction) -> bool:
    while one.operation == "bitcast":
        one = inside[one.operands[0]]
    return one.operation == "parameter"


def _bytes(one: Instruction) -> int:
    return sum(array.n_bytes for array in arrays(one.shape))
