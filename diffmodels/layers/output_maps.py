"""What the outputs of a layer are, of the solution of its form: entries of x, combinations of duals, functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ...bridges.lowering import Lowering
from ...bridges.lowering.travel import dual_matrix
from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.form.polynomial_map import PolynomialMap
from ...modelkit.functions.rows import Rows
from ...modelkit.functions.shaped import ids_of
from ...modelkit.indices import ConstraintIndex
from ...modelkit.store.parameters import PARAMETERS, Parameters
from ...modelkit.store.store import Store
from ..outcome import located

__all__ = ["OutputMaps"]


@final
class OutputMaps:
    """The outputs, one after the other.

    Parameters
    ----------
    store : the model as written
    lowering : to the form, in step with the store
    outputs : see `program.Output`

    Attributes
    ----------
    size : o, how many numbers they are
    X : csr_array (o, n), of the form's columns
    Y : csr_array (o, 2 slots), of duals through lower sides and cones, then through upper sides
    value : (o,) 1 where the objective's value is, else 0
    observed : (places, functions of z = (x, all parameters))
    costs_out, costs_of : places of duals of parameters, and which parameters these are of
    """

    def __init__(self, store: Store, lowering: Lowering, outputs: Sequence[Any]) -> None:
        n, slots = lowering.form.n, lowering.form.slots.size
        self._columns, self._base, self._n = lowering.columns.view, store.base, n
        self._parameters = lowering.parameters or Parameters(store)
        self.observed: list[tuple[slice, PolynomialMap]] = []
        of_x, of_y, of_value = [sp.csr_array((0, n))], [sp.csr_array((0, 2 * slots))], [np.zeros(0)]
        reduced: list[tuple[int, int]] = []
        self.size = 0
        for output in outputs:
            columns, duals, value, size = sp.csr_array((0, n)), sp.csr_array((0, 2 * slots)), 0.0, 1
            if isinstance(output, attr.ObjectiveValue):
                value = 1.0
            elif isinstance(output, tuple) and isinstance(output[0], attr.ObjectiveFunction):
                size = self._observe(output[1].rows)
            elif isinstance(output, tuple):  # (ConstraintPrimal(), constraint)
                size = self._observe(store.get(attr.ConstraintFunction(), output[1]).rows)
            elif isinstance(output, ConstraintIndex) and output.kind == PARAMETERS:
                reduced.append((self.size, int(self._parameters.places(np.array([output.value]))[0])))
            elif isinstance(output, ConstraintIndex):
                duals = dual_matrix(lowering, output.kind, *located(store, output))
                size = duals.shape[0]
            else:
                ids = np.ravel(ids_of(output))
                at, size = self._columns[ids - self._base], len(ids)
                if (at < 0).any():  # a parameter is what it is set to
                    self._observe(Rows(np.zeros(size), np.arange(size), ids, np.ones(size)))
                else:
                    columns = sp.csr_array((np.ones(size), at, np.arange(size + 1)), shape=(size, n))
            of_x.append(columns if columns.shape[0] else sp.csr_array((size, n)))
            of_y.append(duals if duals.shape[0] else sp.csr_array((size, 2 * slots)))
            of_value.append(np.full(size, value))
            self.size += size
        self.X, self.Y = sp.csr_array(sp.vstack(of_x)), sp.csr_array(sp.vstack(of_y))
        self.value: FloatArray = np.concatenate(of_value)
        self.costs_out, self.costs_of = np.array(reduced, np.int64).reshape(-1, 2).T
        del self._columns, self._parameters  # the model, which is not to travel with the outputs

    @property
    def uses_duals(self) -> bool:
        """Whether duals are among the outputs."""
        return bool(self.Y.nnz or len(self.costs_of))

    def _observe(self, rows: Rows) -> int:
        """Functions of the model as polynomials of z; returns how many they are."""
        terms = rows.terms().packed()
        factors = np.where(terms.factors >= 0, self._places(np.maximum(terms.factors, self._base)), -1)
        if not factors.shape[1]:
            factors = np.full((len(factors), 1), -1, np.int64)
        M = sp.coo_array((terms.coef, (terms.row, np.arange(len(factors)))), shape=(rows.m, len(factors)))
        found = PolynomialMap(rows.constant, M.tocsr(), factors, self._n + len(self._parameters.ids))
        self.observed.append((slice(self.size, self.size + rows.m), found))
        return rows.m

    def _places(self, ids: IntArray) -> IntArray:
        """Where in z variables are."""
        at = self._columns[ids - self._base]
        return np.where(at >= 0, at, self._n + self._parameters.places(ids))
