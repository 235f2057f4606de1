"""Which kinds of constraints get to a target, by themselves or by bridges, and what becomes of one that does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache

import numpy as np

from ...modelkit.errors import UnsupportedConstraint
from ...modelkit.form import Abilities
from ...modelkit.functions import (
    NONLINEAR,
    Function,
    ScalarAffineFunction,
    ScalarNonlinearFunction,
    VariableIndex,
    VectorAffineFunction,
    VectorNonlinearFunction,
)
from ...modelkit.indices import Kind, describe_kind
from ...modelkit.sets import (
    Integer,
    OperatorGraph,
    Parameter,
    RotatedSecondOrderCone,
    Semicontinuous,
    Semiinteger,
    Set,
    ZeroOne,
)
from .. import catalogue  # noqa: F401  its import registers the bridges
from ..bridge import REGISTRY, SCALARS, VECTORS, Bridge
from ..graph import BridgeGraph
from .composite import Composite, compose

__all__ = ["Reach", "is_box", "reachable_kind"]


_CONE_OF_ROW: Kind = (VectorAffineFunction, RotatedSecondOrderCone)
_WRITTEN = (*SCALARS, *VECTORS, ScalarNonlinearFunction, VectorNonlinearFunction)
"""Types of functions that forms know, once the parameters are inserted; derivatives are functions to be read."""
_MOST_COMPOSITES = 1000


@cache
def is_box(set_type: type[Set]) -> bool:
    """Whether the sets of a type are boxes: numbers between bounds."""
    return set_type.bounds(np.zeros((1, len(set_type.fields)))) is not None


def reachable_kind(kind: Kind) -> Kind:
    """The kind with affine functions for plain ones, which are rows like others but for scalar discrete sets."""
    function_type, set_type = kind
    if set_type.is_vector and function_type.degree == 0:
        return VectorAffineFunction, set_type
    return kind


def _with_values(kind: Kind) -> Kind:
    """The kind of a nonlinear function with variables for the values of its operators, which may be linear in them."""
    if kind[0].degree < NONLINEAR:
        return kind
    return (VectorAffineFunction if kind[0].is_vector else ScalarAffineFunction), kind[1]


class Reach:
    """The ways of constraints to a target.

    Parameters
    ----------
    abilities : what a form for the target may contain
    bridges : those to choose from, all by default
    """

    def __init__(self, abilities: Abilities, bridges: Sequence[Bridge] | None = None) -> None:
        self.abilities = abilities
        self.graph = BridgeGraph(self._takes, REGISTRY if bridges is None else bridges)
        self._composites: dict[tuple[Kind, tuple[float, ...]], Composite] = {}

    def _takes(self, kind: Kind) -> bool:
        function_type, set_type = kind
        if function_type not in _WRITTEN:
            return False
        if is_box(set_type):
            return function_type.degree < 2 or (function_type.degree == 2 and self.abilities.quadratic_rows)
        if set_type in (Integer, ZeroOne):
            return function_type is VariableIndex and self.abilities.whole
        if set_type in (Semicontinuous, Semiinteger):
            return function_type is VariableIndex and self.abilities.semi
        return function_type is VectorAffineFunction and set_type in self.abilities.cones

    def takes(self, kind: Kind) -> bool:
        """Whether constraints of a kind reach the target, by themselves or by bridges."""
        if kind[0].is_vector is not kind[1].is_vector or (kind[1] is Parameter and kind[0] is not VariableIndex):
            return False  # there are none
        if kind[0] not in _WRITTEN:
            return False
        if kind[0].degree == NONLINEAR:
            return self._takes_operators and self.takes(_with_values(kind))
        if is_box(kind[1]) and kind[0].degree == 2 and not self.abilities.quadratic_rows:
            return not self.graph.is_lacking(_CONE_OF_ROW)
        if kind[0].degree > 1 and not is_box(kind[1]):
            return False
        return not self.graph.is_lacking(reachable_kind(kind))

    @property
    def _takes_operators(self) -> bool:
        return OperatorGraph in self.abilities.cones

    def takes_objective(self, function_type: type[Function]) -> bool:
        """Whether objectives of a type reach the target."""
        if function_type.degree < 2:
            return True
        if function_type.degree == NONLINEAR:
            return self._takes_operators
        return function_type.degree == 2 and self.abilities.quadratic_objective

    def missing(self, kind: Kind, name: str) -> str:
        """Why a kind does not reach the target."""
        if kind[0].degree == NONLINEAR and not self._takes_operators:
            return f"{name} takes no nonlinear functions, such as sines and powers; ot.solvers.Ipopt does."
        kind = _with_values(kind)
        if is_box(kind[1]) and kind[0].degree == 2:
            kind = _CONE_OF_ROW
        return self.graph.missing(reachable_kind(kind), name)

    def path(self, kind: Kind) -> list[str]:
        """How constraints of a kind get there, a line a step."""
        name = describe_kind(kind)
        if kind[0].degree == NONLINEAR:
            if not self._takes_operators:
                return [f"{name}  (unreachable)"]
            first, *below = self.path(_with_values(kind))
            return [f"{name}  with variables for the values of operators, in their graphs", "  " + first, *below]
        if is_box(kind[1]) and kind[0].degree == 2 and not self.abilities.quadratic_rows:
            below = self.graph.path(_CONE_OF_ROW, "    ")
            return [f"{name}  by factors of its curvature, where it has one", *below]
        first, *below = self.graph.path(reachable_kind(kind))
        return [name + first[len(describe_kind(reachable_kind(kind))) :], *below]

    def way(self, kind: Kind, example: Set) -> Iterator[str]:
        """How a constraint in a set gets there, a line a step."""
        return self._composite(kind, example).root.words()

    def _refusal(self, kind: Kind) -> UnsupportedConstraint:
        return UnsupportedConstraint(
            f"{describe_kind(kind)} cannot be brought there: {self.missing(kind, 'the target')}"
        )

    def _composite(self, kind: Kind, example: Set) -> Composite:
        """Of a set alone, made once."""
        key = kind, example.shape
        found = self._composites.get(key)
        if found is None:
            if self.graph.is_lacking(kind):
                raise self._refusal(kind)
            if len(self._composites) > _MOST_COMPOSITES:
                self._composites.clear()
            found = self._composites[key] = compose(self.graph, kind, example)
        return found
