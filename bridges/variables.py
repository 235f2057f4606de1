"""Variables behind bridges: each outer variable is an affine expression ``x = T z + t`` of inner ones.

Mostly T is a selection and a variable of the outer model simply has another identifier below. A model that
takes no free variables, or variables only in certain cones, gets other variables z instead, and every function
is rewritten by substitution. Variable bridges travel the opposite way of constraint bridges: primal values by T,
duals by its inverse adjoint.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.errors import UnsupportedAttribute
from ..modelkit.functions import VectorOfVariables
from ..modelkit.indices import ConstraintIndex
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import FloatArray, IntArray, Rows
from ..modelkit.sets import Nonnegatives, Nonpositives, Set, VectorSet

__all__ = ["VARIABLE_FLIPS", "VariableMap"]

VARIABLE_FLIPS: dict[type[Set], type[VectorSet]] = {Nonnegatives: Nonpositives, Nonpositives: Nonnegatives}
"""``x in S  <=>  x = -z, z in -S``."""


@final
class VariableMap:
    """The inner expressions of the outer variables, numbered from 0.

    Parameters
    ----------
    inner : the model that holds the inner variables
    """

    def __init__(self, inner: AbstractModel) -> None:
        self._inner = inner
        self._direct: IntArray = np.zeros(0, np.int64)  # inner identifier, or -1 behind a bridge
        self._terms: dict[int, list[tuple[int, float]]] = {}  # of bridged variables
        self._matrix: tuple[sp.csr_array, IntArray] | None = None

    # ------------------------------------------------------------------ adding
    def add_free(self, count: int) -> Rows:
        """New free variables, as rows in inner variables; split in two where the inner model has none."""
        if self._inner.supports_free_variables():
            return Rows.of_variables(self._inner.add_variables(count).ids)
        z, _ = self._inner.add_constrained_variables(Nonnegatives(2 * count))
        row, ones = np.arange(count), np.ones(count)
        return Rows(np.zeros(count), np.concatenate([row, row]), z.ids, np.concatenate([ones, -ones]))

    def add_flipped(self, chosen: VectorSet) -> tuple[Rows, ConstraintIndex]:
        """New variables in a cone, as negatives of inner variables in the opposite cone."""
        z, index = self._inner.add_constrained_variables(VARIABLE_FLIPS[type(chosen)](chosen.dimension))
        m = chosen.dimension
        return Rows(np.zeros(m), np.arange(m), z.ids, -np.ones(m)), index

    def record(self, rows: Rows) -> None:
        """The next outer variables are these expressions."""
        first, m = len(self._direct), rows.m
        plain = len(rows.row) == m and bool((rows.coef == 1).all())
        new = np.full(m, -1, np.int64)
        if plain:
            new[rows.row] = rows.var
        else:
            for r, z, c in zip(rows.row.tolist(), rows.var.tolist(), rows.coef.tolist(), strict=True):
                self._terms.setdefault(first + r, []).append((z, c))
        self._direct = np.concatenate([self._direct, new])
        self._matrix = None

    # ------------------------------------------------------------------ using
    def inner_id(self, number: int) -> int:
        """Identifier of the inner variable that stands for an outer one alone, or -1."""
        return int(self._direct[number])

    def inner_ids(self, number: int) -> list[int]:
        """Identifiers of all inner variables in the expression of an outer one."""
        return [z for z, _ in self._terms[number]] if number in self._terms else [int(self._direct[number])]

    def rewrite(self, rows: Rows, base: int) -> Rows:
        """Rows in outer variables (identifiers from `base`), in inner variables."""
        if not self._terms:
            return rows.renamed(lambda ids: self._direct[ids - base])
        T, ids = self._as_matrix()
        columns = np.concatenate([rows.var, rows.qvar1, rows.qvar2]) - base
        return rows.substituted(T, np.zeros(len(self._direct)), columns, ids)

    def pull(self, attribute: attr.Attribute, numbers: IntArray) -> FloatArray:
        """Values of outer variables from those of the inner ones."""
        direct = self._direct[numbers]
        if not self._terms or (direct >= 0).all():
            values: FloatArray = self._inner.get(attribute, VectorOfVariables.of_ids(direct))
            return values
        T, ids = self._as_matrix()
        return np.asarray(T[numbers] @ self._inner.get(attribute, VectorOfVariables.of_ids(ids)))

    def alone(self, numbers: IntArray) -> IntArray:
        """Identifiers of the inner variables that stand for outer ones, each alone."""
        direct = self._direct[numbers]
        if (direct < 0).any():
            raise UnsupportedAttribute("One of the variables is bridged; it is no single variable below.")
        return direct

    def push_many(self, attribute: attr.Attribute, v: VectorOfVariables, values: Any, base: int) -> bool:
        """Set values of many variables at once, if each stands for one inner variable."""
        direct = self._direct[v.ids - base]
        if (direct < 0).any():
            return False
        self._inner.set(attribute, VectorOfVariables.of_ids(direct), values)
        return True

    def push_seed(self, attribute: attr.Attribute, number: int, value: Any) -> None:
        """The transpose of `pull`, for one variable."""
        for z, c in self._terms.get(number, [(int(self._direct[number]), 1.0)]):
            self._inner.set(attribute, VectorOfVariables.of_ids(np.array([z]))[0], c * value)

    def push_start(self, attribute: attr.Attribute, number: int, value: Any) -> None:
        """Starts of inner variables that give the outer one its start, the nonnegative ones among them."""
        terms = self._terms.get(number, [(int(self._direct[number]), 1.0)])
        for z, c in terms:
            start = value if value is None or len(terms) == 1 and c == 1 else max(c * value, 0.0)
            self._inner.set(attribute, VectorOfVariables.of_ids(np.array([z]))[0], start)

    def _as_matrix(self) -> tuple[sp.csr_array, IntArray]:
        if self._matrix is None:
            direct = np.flatnonzero(self._direct >= 0)
            bridged = [(n, z, c) for n, terms in self._terms.items() for z, c in terms]
            row = np.concatenate([direct, np.array([n for n, _, _ in bridged], np.int64)])
            var = np.concatenate([self._direct[direct], np.array([z for _, z, _ in bridged], np.int64)])
            coef = np.concatenate([np.ones(len(direct)), np.array([c for _, _, c in bridged])])
            ids, column = np.unique(var, return_inverse=True)
            T = sp.csr_array(sp.coo_array((coef, (row, column)), shape=(len(self._direct), len(ids))))
            self._matrix = T, ids
        return self._matrix
