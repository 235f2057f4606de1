"""Derivatives of functions with respect to the parameters in them, at a point."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.functions.monomials import Monomials
from ..modelkit.functions.rows import Rows
from ..modelkit.store.parameters import Parameters

__all__ = ["parameter_slopes"]

_NONE = -1


def parameter_slopes(
    rows: Rows,
    weights: FloatArray,
    parameters: Parameters,
    value: Callable[[IntArray], FloatArray],
    directions: int = 1,
) -> FloatArray:
    """``Σ weights · d row / d parameter``, (K, p).

    Parameters
    ----------
    rows : K times as many as there are weights, one direction below the other
    weights : (m,)
    parameters : those of the model
    value : from identifiers to values, of variables and parameters
    directions : K
    """
    out = np.zeros((directions, len(parameters.ids)))
    terms = rows.terms()
    place = parameters.places(terms.factors)
    mine = np.flatnonzero((place >= 0).any(axis=1))
    if not len(mine):
        return out
    terms, place = terms.take(mine), place[mine]
    for column in range(place.shape[1]):
        which = np.flatnonzero(place[:, column] >= 0)
        others = terms.factors[which].copy()
        others[:, column] = _NONE
        slopes = Monomials(terms.row[which], others, terms.coef[which]).values(value)
        direction, local = np.divmod(terms.row[which], len(weights))
        np.add.at(out, (direction, place[which, column]), weights[local] * slopes)
    return out
