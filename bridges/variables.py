"""Variables behind bridges: each outer variable is a linear expression ``x = T z`` of inner ones.

Mostly T is a selection and a variable of the outer model simply has another identifier below. A model that
takes no free variables, or variables only in certain cones, gets other variables z instead, and every function
is rewritten by substitution. Variable bridges travel the opposite way of constraint bridges: primal values by
T, duals by its inverse adjoint.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, Growable, IntArray
from ..modelkit.errors import UnsupportedAttribute, UnsupportedModification
from ..modelkit.functions import VariableIndex, VectorOfVariables
from ..modelkit.indices import ConstraintIndex
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import Rows
from ..modelkit.sets import Nonnegatives, Nonpositives, Set, VectorSet
from .base import Matrix

__all__ = ["FLIPS", "VariableMap"]

FLIPS: dict[type[Set], type[VectorSet]] = {Nonnegatives: Nonpositives, Nonpositives: Nonnegatives}
"""``x in S  <=>  -x in FLIPS[S]``."""


@final
class VariableMap:
    """The inner expressions of the outer variables, which are numbered in order of creation.

    Parameters
    ----------
    inner : the model that holds the inner variables
    base : identifier of the first outer variable; the others follow
    """

    def __init__(self, inner: AbstractModel, base: int) -> None:
        self._inner = inner
        self._base = base
        self._direct = Growable(np.int64)  # inner identifier, or -1 behind a bridge
        # terms of the bridged variables
        self._number, self._id, self._coef = Growable(np.int64), Growable(np.int64), Growable(np.float64)
        self._matrix: tuple[Matrix, IntArray] | None = None

    # ------------------------------------------------------------------ adding
    @property
    def split_cone(self) -> type[VectorSet] | None:
        """The cone whose differences stand for free variables where the inner model has none."""
        supported = self._inner.supports_constrained_variables
        return next((cone for cone in FLIPS.values() if supported(cone)), None)

    def add_free(self, count: int) -> Rows:
        """New free variables, as rows in inner variables; split in two where the inner model has none."""
        if self._inner.supports_free_variables():
            return Rows.of_variables(self._inner.add_variables(count).ids)
        cone = self.split_cone
        if cone is None:
            raise UnsupportedModification(
                f"{type(self._inner).__name__} takes neither free variables nor variables in an orthant."
            )
        z, _ = self._inner.add_constrained_variables(cone(2 * count))
        row, ones = np.arange(count), np.ones(count)
        return Rows(np.zeros(count), np.concatenate([row, row]), z.ids, np.concatenate([ones, -ones]))

    def add_flipped(self, chosen: VectorSet) -> tuple[Rows, ConstraintIndex]:
        """New variables in a cone, as negatives of inner variables in the opposite cone."""
        z, index = self._inner.add_constrained_variables(FLIPS[type(chosen)](chosen.dimension))
        m = chosen.dimension
        return Rows(np.zeros(m), np.arange(m), z.ids, -np.ones(m)), index

    def record(self, rows: Rows) -> None:
        """The next outer variables are these expressions."""
        first, m = len(self._direct), rows.m
        new = np.full(m, -1, np.int64)
        if len(rows.row) == m and (rows.coef == 1).all():
            new[rows.row] = rows.var
        else:
            self._number.extend(rows.row + first)
            self._id.extend(rows.var)
            self._coef.extend(rows.coef)
        self._direct.extend(new)
        self._matrix = None

    # ------------------------------------------------------------------ using
    def inner_id(self, variable: VariableIndex) -> int:
        """Identifier of the inner variable that stands for an outer one alone, or -1."""
        return int(self._direct.view[variable.value - self._base])

    def inner_ids(self, ids: IntArray) -> IntArray:
        """Identifiers of the inner variables that stand for outer ones, each alone."""
        T, z = self._expressions(ids)
        if T is not None:
            raise UnsupportedAttribute("One of the variables is bridged; it is no single variable below.")
        return z

    def _expressions(self, ids: IntArray) -> tuple[Matrix | None, IntArray]:
        """The rows of T for some outer variables, or None for I, and the identifiers of the inner ones in them."""
        numbers = ids - self._base
        direct: IntArray = self._direct.view[numbers]
        if (direct >= 0).all():
            return None, direct
        T, inner_ids = self._as_matrix()
        part = T[numbers]
        used = np.unique(part.indices)
        return part[:, used], inner_ids[used]

    def rewrite(self, rows: Rows) -> Rows:
        """Rows in outer variables, in inner variables."""
        if not len(self._number):
            direct = self._direct.view
            return rows.renamed(lambda ids: direct[ids - self._base])
        T, ids = self._as_matrix()
        columns = np.concatenate([rows.var, rows.qvar1, rows.qvar2]) - self._base
        return rows.substituted(T, np.zeros(len(self._direct)), columns, ids)

    def pull(self, attribute: attr.Attribute, ids: IntArray) -> Any:
        """Values of outer variables from those of the inner ones: T z."""
        T, z = self._expressions(ids)
        if T is not None and isinstance(attribute, attr.VariableBasisStatus):
            raise UnsupportedAttribute(f"{attribute!r} of a bridged variable: it is no single variable below.")
        values = self._inner.get(attribute, VectorOfVariables.of_ids(z))
        return values if T is None else np.asarray(T @ values)

    def push_seeds(self, attribute: attr.Attribute, ids: IntArray, values: FloatArray) -> None:
        """The transpose of `pull`."""
        T, z = self._expressions(ids)
        self._inner.set(attribute, VectorOfVariables.of_ids(z), values if T is None else T.T @ values)

    def push_starts(self, attribute: attr.Attribute, ids: IntArray, values: FloatArray | None) -> None:
        """Starts of inner variables that give the outer ones theirs, inside the cones of split ones."""
        T, z = self._expressions(ids)
        if T is not None:
            z = z[T.indices]
            if values is not None:
                terms = np.diff(T.indptr)
                alone = np.repeat(terms == 1, terms)
                parts = np.repeat(values, terms) / T.data  # a coefficient is 1 or -1
                inside = np.minimum if self.split_cone is Nonpositives else np.maximum
                values = np.where(alone, parts, inside(parts, 0.0))
        if values is not None:
            self._inner.set(attribute, VectorOfVariables.of_ids(z), values)
            return
        for one in VectorOfVariables.of_ids(z):
            self._inner.set(attribute, one, None)

    def _as_matrix(self) -> tuple[Matrix, IntArray]:
        """T, and the identifiers of its columns."""
        if self._matrix is None:
            direct = np.flatnonzero(self._direct.view >= 0)
            row = np.concatenate([direct, self._number.view])
            var = np.concatenate([self._direct.view[direct], self._id.view])
            coef = np.concatenate([np.ones(len(direct)), self._coef.view])
            ids, column = np.unique(var, return_inverse=True)
            shape = (len(self._direct), len(ids))
            self._matrix = sp.csr_array(sp.coo_array((coef, (row, column)), shape=shape)), ids
        return self._matrix
