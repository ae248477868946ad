"""Where XLA for CPU fuses too much: values that are to be computed once."""

import jax
import jax.numpy as jnp
from jax import lax


def stored(x: jax.Array) -> jax.Array:
    """`x`, on a CPU computed once, where XLA would compute it anew inside of every loop that reads it.

    XLA fuses through an optimization barrier (jaxlib 0.10), but not through a loop: this one never turns.
    """
    return lax.platform_dependent(x, cpu=_through_a_loop, default=lambda x: x)


def _through_a_loop(x: jax.Array) -> jax.Array:
    never = lax.optimization_barrier(jnp.zeros((), bool))
    return lax.while_loop(lambda carry: carry[0], lambda carry: (never, -carry[1]), (never, x))[1]
