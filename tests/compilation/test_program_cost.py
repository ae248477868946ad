"""Bytes, kernels and collectives of a compiled program, by hand."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from wt_jax.compilation.program_cost import ProgramCost, program_cost

_BODY = """
%fused (p0: f32[1000,8], p1: s32[4]) -> f32[4,8] {
  %p0 = f32[1000,8]{1,0} parameter(0)
  %p1 = s32[4]{0} parameter(1)
  %cut = f32[4,8]{1,0} gather(%p0, %p1), offset_dims={1}
  ROOT %twice = f32[4,8]{1,0} add(%cut, %cut)
}

%body (state: (s32[], f32[4,8])) -> (s32[], f32[4,8]) {
  %state = (s32[], f32[4,8]{1,0}) parameter(0)
  %x = f32[4,8]{1,0} get-tuple-element(%state), index=1
  %y = f32[4,8]{1,0} add(%x, %x)
  ROOT %out = (s32[], f32[4,8]{1,0}) tuple(%i, %y)
}

%condition (state: (s32[], f32[4,8])) -> pred[] {
  %state.1 = (s32[], f32[4,8]{1,0}) parameter(0)
  %limit = s32[]{:T(128)} constant(5)
}
"""


def of(*lines):
    """A program whose entry holds these lines; `data` and `rows` are its arguments."""
    entry = ["ENTRY %main (data: f32[1000,8], rows: s32[4]) -> f32[4,8] {"]
    entry += ["  %data = f32[1000,8]{1,0} parameter(0)", "  %rows = s32[4]{0} parameter(1)"]
    return program_cost("\n".join([_BODY, *entry, *(f"  {line}" for line in lines), "}"]))


def test_all_that_is_read_and_written():
    cost = of("%y = f32[4,8]{1,0} multiply(%a, %rows)", "%z = bf16[4,8]{1,0} convert(%y)")
    assert cost == ProgramCost(main_memory_bytes=(128 + 16) + (64 + 128), kernels=2)


def test_what_is_only_cut_from_is_not_read_whole():
    """By itself or inside of a fusion: four rows of eight numbers, and the four indices."""
    for line in (
        "%y = f32[4,8]{1,0} gather(%data, %rows), offset_dims={1}",
        "%y = f32[4,8]{1,0} fusion(%data, %rows), kind=kLoop, calls=%fused",
    ):
        assert of(line).main_memory_bytes == 128 + 128 + 16


def test_what_stays_on_the_chip_is_free():
    cost = of(
        "%near = f32[4,8]{1,0:T(8,128)S(1)} copy(%rows)",
        "%y = f32[4,8]{1,0:T(8,128)S(1)} negate(%near)",
        "%far = (f32[4,8]{1,0:T(8,128)}, f32[4,8]{1,0:T(8,128)S(1)}, u32[]{:S(2)}) copy-start(%near)",
        "%done = f32[4,8]{1,0:T(8,128)} copy-done(%far)",
        "%parts = ((f32[1000,8]{1,0}), f32[2,8]{1,0:S(1)}, s32[]{:S(2)}) slice-start(%data), slice={[0:2]}",
    )
    assert cost == ProgramCost(main_memory_bytes=16 + 0 + 128 + 64, kernels=4)


@pytest.mark.parametrize(
    ("attributes", "turns"),
    [("", 5), (', backend_config={"known_trip_count":{"n":"8"}}', 8)],
)
def test_a_loop_costs_as_often_as_it_turns(attributes, turns):
    line = "%loop = (s32[], f32[4,8]{1,0}) while(%init), condition=%condition, body=%body"
    assert of(line + attributes) == ProgramCost(main_memory_bytes=turns * 3 * 128, kernels=turns)


def test_the_dearest_branch_counts():
    line = "%y = f32[4,8] conditional(%i, %a, %b), branch_computations={%condition, %body}"
    assert of(line).kernels == 1


def test_collectives_and_what_they_send():
    line = "%sum = (f32[4,8]{1,0}, s32[]) all-reduce(%a, %b), channel_id=1, to_apply=%add"
    assert of(line) == ProgramCost(132, 1, 1, 132)


def test_of_a_program_that_xla_compiled():
    """Three turns of a product of two matrices: what the library's own text looks like is understood."""

    def steps(x, w):
        return lax.fori_loop(0, 3, lambda _, y: y @ w, x)

    x = jnp.zeros((64, 64))
    cost = program_cost(jax.jit(steps).lower(x, x).compile().as_text())
    assert cost.main_memory_bytes >= 3 * 3 * 64 * 64 * 4
    assert cost.kernels >= 3
    with pytest.raises(ValueError, match="no ENTRY"):
        program_cost("HloModule jit_steps")
