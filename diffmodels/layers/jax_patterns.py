"""Arrays of JAX for sparse matrices of parameters."""

from __future__ import annotations

from typing import Any

import numpy as np

from .patterns import Pattern

__all__ = ["entries_of_whole"]


def entries_of_whole(array: Any, pattern: Pattern) -> Any:
    """The entries (..., T) of dense matrices (..., m, n).

    Numbers outside the pattern are refused where they are known; where they are traced, they make the item NaN.
    """
    import jax
    import jax.numpy as jnp

    flat = array.reshape(*array.shape[:-2], array.shape[-2] * array.shape[-1])
    values, there = flat[..., pattern.inside], jax.lax.stop_gradient(flat[..., pattern.outside])
    bad = (there != 0).any(-1, keepdims=True)
    if not isinstance(bad, jax.core.Tracer):
        if bad.any():
            pattern.require_zero_outside(np.asarray(there))
        return values
    values = values if jnp.issubdtype(values.dtype, jnp.floating) else values.astype(float)
    return jnp.where(bad, jnp.nan, values)
