"""What forms a solver or diff model takes: what bridges must bring a model to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from ..sets import Set

__all__ = ["Abilities"]


@final
@dataclass(frozen=True, slots=True)
class Abilities:
    """Kinds of forms. Linear rows with ranges, bounds and linear objectives are taken by all.

    Two targets with equal abilities share what bridges make of a model.

    Attributes
    ----------
    cones : types of cones for the rows of F
    whole : whether columns may be integer or binary
    semi : whether columns may be semicontinuous or semiinteger
    quadratic_objective : whether P may be there
    quadratic_rows : whether rows may have convex quadratic terms
    nonconvex : whether the objective and quadratic rows need not be convex
    """

    cones: frozenset[type[Set]] = frozenset()
    whole: bool = False
    semi: bool = False
    quadratic_objective: bool = True
    quadratic_rows: bool = False
    nonconvex: bool = False
