"""Bytes, kernels and collectives of a compiled program, by hand."""

from pathlib import Path

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from wt_jax.compilation.program_cost import ProgramCost, program_cost

_CALLED = """
%fused (p0: f32[1000,8], p1: s32[4]) -> f32[4,8] {
  %p0 = f32[1000,8]{1,0} parameter(0)
  %p1 = s32[4]{0} parameter(1)
  %cut = f32[4,8]{1,0} gather(%p0, %p1), offset_dims={1}
  ROOT %twice = f32[4,8]{1,0} add(%cut, %cut)
}

%around (q0: f32[1000,8], q1: s32[4]) -> f32[4,8] {
  %q0 = f32[1000,8]{1,0} parameter(0)
  %other = f32[1000,8]{1,0} bitcast(%q0)
  %first = f32[1,8]{1,0} slice(%other), slice={[0:1], [0:8]}
  %q1 = s32[4]{0} parameter(1)
  %rest = f32[4,8]{1,0} fusion(%q0, %q1), kind=kLoop, calls=%fused
  ROOT %sum = f32[4,8]{1,0} add(%rest, %first)
}

%renamed (u0: f32[1000,8]) -> f32[8,1000] {
  %u0 = f32[1000,8]{1,0} parameter(0)
  ROOT %turned = f32[8,1000]{0,1} bitcast(%u0)
}

%summed (v0: f32[1000,8]) -> f32[8] {
  %v0 = f32[1000,8]{1,0} parameter(0)
  %v1 = f32[8,1000]{0,1} fusion(%v0), kind=kLoop, calls=%renamed
  %start = f32[] constant(0)
  ROOT %total = f32[8]{0} reduce(%v1, %start), dimensions={1}, to_apply=%add
}

%put (r0: f32[1000,8], r1: f32[4,8], r2: s32[]) -> (f32[1000,8], f32[4,8]) {
  %r0 = f32[1000,8]{1,0} parameter(0)
  %r1 = f32[4,8]{1,0} parameter(1)
  %r2 = s32[] parameter(2)
  %once = f32[1000,8]{1,0} dynamic-update-slice(%r0, %r1, %r2, %r2)
  %again = f32[1000,8]{1,0} dynamic-update-slice(%once, %r1, %r2, %r2)
  %flat = f32[1000,8]{1,0} bitcast(%again)
  ROOT %both = (f32[1000,8]{1,0}, f32[4,8]{1,0}) tuple(%flat, %r1)
}

%put_into_new (s0: f32[4,8], s1: s32[]) -> f32[1000,8] {
  %s0 = f32[4,8]{1,0} parameter(0)
  %zero = f32[] constant(0)
  %zeros = f32[1000,8]{1,0} broadcast(%zero), dimensions={}
  %s1 = s32[] parameter(1)
  ROOT %new = f32[1000,8]{1,0} dynamic-update-slice(%zeros, %s0, %s1, %s1)
}

%gathered (t0: f32[4,8]) -> f32[16,8] {
  %t0 = f32[4,8]{1,0} parameter(0)
  ROOT %all = f32[16,8]{1,0} all-gather(%t0), dimensions={0}
}

%body (state: (s32[], f32[4,8])) -> (s32[], f32[4,8]) {
  %state = (s32[], f32[4,8]{1,0}) parameter(0)
  %i = s32[] get-tuple-element(%state), index=0
  %x = f32[4,8]{1,0} get-tuple-element(%state), index=1
  %y = f32[4,8]{1,0} add(%x, %x)
  ROOT %out = (s32[], f32[4,8]{1,0}) tuple(%i, %y)
}

%condition (state: (s32[], f32[4,8])) -> pred[] {
  %state.1 = (s32[], f32[4,8]{1,0}) parameter(0)
  %i.1 = s32[] get-tuple-element(%state.1), index=0
  %limit = s32[]{:T(128)} constant(5)
  ROOT %goes_on = pred[] compare(%i.1, %limit), direction=LT
}

%until (state: (s32[], f32[4,8])) -> pred[] {
  %state.2 = (s32[], f32[4,8]{1,0}) parameter(0)
  %i.2 = s32[] get-tuple-element(%state.2), index=0
  %ten = s32[] constant(10)
  ROOT %unlike = pred[] compare(%i.2, %ten), direction=NE
}
"""


def of(*lines):
    """A program whose entry holds these lines; `data`, `rows`, `part` and `at` are its arguments."""
    entry = ["ENTRY %main (data: f32[1000,8], rows: s32[4], part: f32[4,8], at: s32[]) -> f32[4,8] {"]
    entry += ["  %data = f32[1000,8]{1,0} parameter(0)", "  %rows = s32[4]{0} parameter(1)"]
    entry += ["  %part = f32[4,8]{1,0} parameter(2)", "  %at = s32[] parameter(3)"]
    return program_cost("\n".join([_CALLED, *entry, *(f"  {line}" for line in lines), "}"]))


def test_all_that_is_read_and_written():
    cost = of("%y = f32[4,8]{1,0} multiply(%part, %rows)", "%z = bf16[4,8]{1,0} convert(%y)")
    assert cost == ProgramCost(main_memory_bytes=(128 + 16 + 128) + (128 + 64), kernels=2)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("%y = f32[4,8]{1,0} gather(%data, %rows), offset_dims={1}", 128 + 16),
        ("%y = f32[4,8]{1,0} fusion(%data, %rows), kind=kLoop, calls=%fused", 128 + 16),
        ("%y = f32[4,8]{1,0} fusion(%data, %rows), kind=kLoop, calls=%around", 32 + 128 + 16),
        ("%y = f32[4,8]{1,0} add(%part, %part)", 128),
    ],
)
def test_what_is_only_cut_from_is_not_read_whole(line, read):
    """By itself or inside of a fusion, under another name: rows of eight numbers, and the four indices."""
    assert of(line).main_memory_bytes == read + 128


def test_what_goes_on_under_another_name_is_read_whole():
    cost = of("%y = f32[8]{0} fusion(%data), kind=kLoop, calls=%summed")
    assert cost.main_memory_bytes == 32_000 + 32


@pytest.mark.parametrize(
    ("line", "moved"),
    [
        ("%y = f32[1000,8]{1,0} dynamic-update-slice(%data, %part, %at, %at)", 128 + 4 + 128),
        ("%y = f32[1000,8]{1,0} scatter(%data, %rows, %part), to_apply=%add", 16 + 128 + 128),
        (
            "%y = (f32[1000,8]{1,0}, f32[4,8]{1,0}) fusion(%data, %part, %at), kind=kLoop, calls=%put",
            128 + 4 + (2 * 128 + 128),
        ),
        ("%y = f32[1000,8]{1,0} fusion(%part, %at), kind=kLoop, calls=%put_into_new", 128 + 4 + 32_000),
    ],
)
def test_what_is_put_into_is_neither_read_nor_written_whole(line, moved):
    """Unless it is made there."""
    assert of(line).main_memory_bytes == moved


def test_what_stays_on_the_chip_is_free():
    cost = of(
        "%near = f32[4,8]{1,0:T(8,128)S(1)} copy(%rows)",
        "%y = f32[4,8]{1,0:T(8,128)S(1)} negate(%near)",
        "%far = (f32[4,8]{1,0:T(8,128)}, f32[4,8]{1,0:T(8,128)S(1)}, u32[]{:S(2)}) copy-start(%near)",
        "%done = f32[4,8]{1,0:T(8,128)} copy-done(%far)",
        "%some = ((f32[1000,8]{1,0}), f32[2,8]{1,0:S(1)}, s32[]{:S(2)}) slice-start(%data), slice={[0:2]}",
        "%part.1 = f32[2,8]{1,0:S(1)} slice-done(%some)",
        '%z = f32[4,8]{1,0:S(1)} custom-call(%part.1, %part.1), custom_call_target="ConcatBitcast"',
        '%new = f32[1000,8]{1,0} custom-call(), custom_call_target="AllocateBuffer"',
    )
    assert cost == ProgramCost(main_memory_bytes=16 + 0 + 128 + 64, kernels=4)


def test_memory_to_work_in_is_no_result():
    line = '%y = (f32[4,8]{1,0}, s8[9999]{0}) custom-call(%part), custom_call_target="__cublas$gemm"'
    assert of(line).main_memory_bytes == 128 + 128


@pytest.mark.parametrize(
    ("lines", "moved", "sent"),
    [
        (
            (
                "%s = (f32[4,8]{1,0}, f32[16,8]{1,0}) all-gather-start(%part), dimensions={0}",
                "%d = f32[16,8]{1,0} all-gather-done(%s)",
            ),
            128 + 512,
            512,
        ),
        (
            (
                "%s = ((f32[4,8]{1,0}), f32[16,8]{1,0}, u32[]) async-start(%part), calls=%gathered",
                "%u = ((f32[4,8]{1,0}), f32[16,8]{1,0}, u32[]) async-update(%s)",
                "%d = f32[16,8]{1,0} async-done(%u)",
            ),
            128 + 512,
            512,
        ),
        (
            (
                "%s = (f32[4,8]{1,0}, f32[4,8]{1,0}, u32[], u32[]) collective-permute-start(%part)",
                "%d = f32[4,8]{1,0} collective-permute-done(%s)",
            ),
            128 + 128,
            128,
        ),
    ],
)
def test_what_goes_on_beside_others_counts_once(lines, moved, sent):
    assert of(*lines) == ProgramCost(moved, 1, 1, sent)


@pytest.mark.parametrize(
    ("attributes", "turns", "unknown"),
    [
        ("condition=%condition", 5, 0),
        ('condition=%condition, backend_config={"known_trip_count":{"n":"8"}}', 8, 0),
        ("condition=%until", 1, 1),
    ],
)
def test_a_loop_costs_as_often_as_it_turns(attributes, turns, unknown):
    """Its body an addition, its condition a comparison of numbers; where it does not say, once, and that."""
    line = f"%loop = (s32[], f32[4,8]{{1,0}}) while(%init), body=%body, {attributes}"
    cost = of("%init = (s32[], f32[4,8]{1,0}) tuple(%at, %part)", line)
    assert cost == ProgramCost(turns * (2 * 128 + 9), 2 * turns, unknown_loops=unknown)


def test_the_dearest_branch_counts():
    line = "%y = f32[4,8] conditional(%at, %part, %part), branch_computations={%condition, %body}"
    assert of(line) == ProgramCost(2 * 128, 1)


def test_collectives_and_what_they_send():
    line = "%sum = (f32[4,8]{1,0}, s32[]) all-reduce(%part, %at), channel_id=1, to_apply=%add"
    assert of(line) == ProgramCost(2 * 132, 1, 1, 132)


def compiled_for(chip):
    """Three turns of a loop: 64 rows of a table, which are multiplied by a matrix and put into the results.

    What jax 0.10.2 compiled of that for several of these chips, but for its metadata.
    """
    return (Path(__file__).parent / f"{chip}.hlo").read_text()


def test_of_a_program_for_a_tpu():
    """The table is made bfloat16 once, and rows and results are all that moves in the loop: the rest is near.

    What counts and compares, 39 bytes a turn, is taken for far.
    """
    rows, results, matrix, table = 64 * 128 * 2, 64 * 128 * 4, 128 * 128 * 4, 2**19 * 128
    indices, total, counter = 3 * 64 * 4, 128 * 4, 2 * 4
    before = matrix + indices + (4 + 2) * table + counter
    turn = rows + results + 39
    moved = before + 3 * turn + total
    assert program_cost(compiled_for("v5e")) == ProgramCost(moved, 7 + 3 * 8, 1, total)


def test_of_a_program_for_a_gpu():
    """The product is made of eight parts, which are read twice: for the results, and for the carry."""
    rows, matrix, parts, carry = 64 * 128 * 4, 128 * 128 * 4, 8 * 64 * 128 * 4, 128 * 4
    gathered = rows + 64 * 4 + 4 + rows
    multiplied = rows + matrix + parts
    added, put = carry + parts + carry, parts + 4 + rows
    counted, compared = 2 * 4, 4 + 1
    turn = gathered + multiplied + added + put + counted + compared
    before, after = carry + 3 * rows + 2 * 4, 2 * carry
    moved = before + 3 * turn + after
    assert program_cost(compiled_for("h200")) == ProgramCost(moved, 4 + 3 * 6, 1, carry)


def test_of_a_program_that_xla_compiled():
    """Three turns of a product of two matrices: what the library's own text looks like is understood."""

    def steps(x, w):
        return lax.fori_loop(0, 3, lambda _, y: y @ w, x)

    x = jnp.zeros((64, 64))
    cost = program_cost(jax.jit(steps).lower(x, x).compile().as_text())
    product, copy, counter = 3 * x.nbytes, 2 * x.nbytes, 100
    assert 3 * product <= cost.main_memory_bytes <= 3 * (product + copy + counter) + 2 * copy
    assert 3 <= cost.kernels <= 3 * 4 + 2 and cost.unknown_loops == 0
    with pytest.raises(ValueError, match="no ENTRY"):
        program_cost("HloModule jit_steps")
