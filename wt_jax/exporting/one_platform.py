"""A function that is another on each platform, as it is on one: for formats that know no platforms."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax.extend import core

_CALLS = {"jit": "jaxpr", "pjit": "jaxpr", "custom_vjp_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr"}


def on_platform(function: Callable, platform: str) -> Callable:
    """`function` of arrays, whose `lax.platform_dependent` have been decided, and whose calls are inlined.

    A platform that some of them do not name is whatever they do by default.
    """

    def decided(*args: jax.Array) -> Any:
        closed, shape = jax.make_jaxpr(function, return_shape=True)(*args)
        outputs = _run(closed.jaxpr, closed.consts, args, platform)
        return jax.tree.unflatten(jax.tree.structure(shape), outputs)

    return decided


def _run(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any], platform: str) -> list[Any]:
    values: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*consts, *args], strict=True))

    def read(variables: Sequence[Any]) -> list[Any]:
        return [v.val if isinstance(v, core.Literal) else values[v] for v in variables]

    for equation in jaxpr.eqns:
        name, params, inputs = equation.primitive.name, equation.params, read(equation.invars)
        if name == "platform_index":
            outputs: Any = [_index(params["platforms"], platform)]
        elif name == "cond" and isinstance(inputs[0], int):
            branch = params["branches"][inputs[0]]
            outputs = _run(branch.jaxpr, branch.consts, inputs[1:], platform)
        elif name in _CALLS:
            inner = params[_CALLS[name]]
            outputs = _run(inner.jaxpr, inner.consts, inputs, platform)
        else:
            outputs = equation.primitive.bind(*inputs, **params)
            outputs = outputs if equation.primitive.multiple_results else [outputs]
        values.update(zip(equation.outvars, outputs, strict=True))
    return read(jaxpr.outvars)


def _index(branches: Sequence[Sequence[str] | None], platform: str) -> int:
    """The branch that names the platform, else the one for all others, which comes last."""
    named = (i for i, platforms in enumerate(branches) if platforms and platform in platforms)
    return next(named, len(branches) - 1)
