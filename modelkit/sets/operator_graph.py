"""Graphs of operators: what a nonlinear function is in a model whose functions are polynomials."""

from __future__ import annotations

from typing import Self, final

import numpy as np

from ..arrays import FloatArray
from ..errors import Unsupported
from ..operators import Operator, operator_number, operator_of_number
from .abstract_set import VectorSet

__all__ = ["OperatorGraph"]


@final
class OperatorGraph(VectorSet):
    """``{(z, u) : z = f(u)}`` of an operator f.

    It is no cone and not convex. Models put it in the place of nonlinear functions, with z a variable of their own: a
    function of variables is then linear or quadratic in these and in the values of operators (McCormick 1976).

    Parameters
    ----------
    operator : Operator

    Examples
    --------
    >>> from optangent.modelkit.operators import operator
    >>> OperatorGraph(operator("exp", 1)).violation([1.5, 0.0])
    0.5
    """

    __slots__ = ("operator",)

    def __init__(self, operator: Operator) -> None:
        super().__init__(1 + operator.arity)
        self.operator = operator

    @property
    def shape(self) -> tuple[float, ...]:
        """Dimension and the operator's number."""
        return self.dimension, operator_number(self.operator)

    @classmethod
    def build(cls, shape: tuple[float, ...], numbers: FloatArray) -> Self:
        """The graph of this shape."""
        return cls(operator_of_number(int(shape[1])))

    def dual_set(self) -> VectorSet:
        """There is none: feasible duals at a point are the normals of the graph there.

        Raises
        ------
        Unsupported
        """
        raise Unsupported("The graph of an operator is no cone and has no dual cone; its duals are its normals.")

    def _distance(self, x: FloatArray) -> float:
        value = self.operator.value(*x[1:])
        return float(np.abs(x[0] - value)) if np.isfinite(value) else float("inf")

    def __repr__(self) -> str:
        return f"OperatorGraph({self.operator.name!r})"
