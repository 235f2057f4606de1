"""From a model with parameters to a matrix form whose numbers are a sparse map of the parameters.

The model goes down one stack of bridges, to the sets that the solver and the diff model both take, with all parameters
at zero. What that leaves are the numbers without parameters; where parameters stand, their terms are sent down the
same bridges, each under a code for its product of parameters in place of a variable.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ....bridges import BridgeOptimizer
from ....bridges.nodes import Node
from ....modelkit import attributes as attr
from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.copying import Mirror
from ....modelkit.errors import UnsupportedConstraint
from ....modelkit.functions import VectorOfVariables
from ....modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from ....modelkit.matrix_form import MatrixForm
from ....modelkit.monomials import Monomials
from ....modelkit.naming import name_of_variable
from ....modelkit.parameters import PARAMETERS, Parameters, kinds_inserted
from ....modelkit.rows import Rows
from ...base import DiffModel
from .data_map import DataMap, Pattern

__all__ = ["Compiled", "NotCompilable", "compiled"]

_FEW_ROWS = 2000
"""Rows of a form up to which the duals' way up is read off from unit vectors."""
_PIECE = 256


class NotCompilable(UnsupportedConstraint):
    """A model with parameters that is not a matrix form with numbers polynomial in them; the message names the term."""


@final
class _Receiver(DiffModel):
    """The end of the stack: a store of native kinds, which notes what is sent to it."""

    name = "the compiled form"
    kinds = ()

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self.native = frozenset(kinds)
        self.form: MatrixForm | None = None
        self.duals: FloatArray = np.zeros(0)
        super().__init__()

    def supports_constraint(self, function_type: Any, set_type: Any) -> bool:
        return (function_type, set_type) in self.native

    def receive(self, attribute: attr.Attribute, index: Any, value: Any) -> None:
        """Starts are of no use here."""

    def forward(self) -> None:
        """Nothing is differentiated here."""

    def reverse(self) -> None:
        """Nothing is differentiated here."""

    def result(self, attribute: attr.Attribute, index: Any) -> Any:
        """The duals that the way up is probed with."""
        assert self.form is not None
        return self.duals[self.form.rows_of(index)]


@final
@dataclass(frozen=True, eq=False)
class Compiled:
    """A matrix form with a map from parameters to its numbers, and from its solution to the user's.

    Attributes
    ----------
    form : of which P, q, r, F, g are to be replaced
    data : from the parameters, in the order of `parameter_ids`, to these numbers
    parameter_ids : (p,) identifiers in the user's model
    columns : from identifiers of the user's variables to columns of the form
    layer, index_map : the bridges, and the way down to them
    rows_before : for each row that the bridges lead to, its row in the form, or m for those of the parameters
    """

    form: MatrixForm
    data: DataMap
    parameter_ids: IntArray
    columns: dict[int, int]
    layer: BridgeOptimizer
    index_map: Any
    rows_before: IntArray

    def duals_of(self, index: ConstraintIndex) -> sp.csr_array:
        """The duals of a constraint as combinations of the duals of the form's rows, (rows, m)."""
        m = self.form.m
        receiver: Any = self.layer.inner
        inner = self.index_map(ConstraintIndices(index.kind, np.array([index.value])))

        def up(values: FloatArray) -> FloatArray:
            receiver.duals = np.concatenate([values, np.zeros((1, *values.shape[1:]))])[self.rows_before]
            return np.asarray(self.layer.get(attr.ConstraintDual(), inner))

        if m > _FEW_ROWS and (found := _one_to_one(up, m)) is not None:
            return found
        parts = []
        for start in range(0, m, _PIECE):
            unit = np.zeros((m, min(_PIECE, m - start)))
            unit[np.arange(start, start + unit.shape[1]), np.arange(unit.shape[1])] = 1.0
            parts.append(sp.csr_array(up(unit)))
        return sp.csr_array(sp.hstack(parts)) if parts else sp.csr_array((len(up(np.zeros(m))), 0))


def _one_to_one(up: Any, m: int) -> sp.csr_array | None:
    """The way up if each dual is a multiple of one dual of the form, told by three vectors; else None."""
    rng = np.random.default_rng(0)
    weight, place, check = up(np.ones(m)), up(np.arange(1.0, m + 1.0)), rng.standard_normal(m)
    column = np.where(weight != 0.0, place / np.where(weight != 0.0, weight, 1.0), 1.0)
    at = np.rint(column).astype(np.int64) - 1
    if (np.abs(column - 1.0 - at) > 1e-6).any() or (at < 0).any() or (at >= m).any():
        return None
    found = sp.csr_array(sp.coo_array((weight, (np.arange(len(at)), at)), shape=(len(at), m)))
    return found if np.allclose(found @ check, up(check), rtol=1e-9, atol=1e-12) else None


def compiled(store: Any, kinds: Sequence[Kind]) -> Compiled:
    """The compiled form of a model.

    Parameters
    ----------
    store : the model as written
    kinds : (function type, set type) that solver and diff model take, in the order of the form's rows

    Raises
    ------
    NotCompilable
        If bridges do not lead to these kinds, or a parameter stands where the numbers are not polynomial in it.
    """
    copied = copy.deepcopy(store)
    parameters = Parameters(copied)
    if parameters:
        copied.block(PARAMETERS).all_numbers[:] = 0.0
    receiver = _Receiver(kinds)
    layer = BridgeOptimizer(receiver)
    lacking = [k for k in kinds_inserted(copied) if not layer.supports_constraint(*k)]
    if lacking:
        raise NotCompilable(
            f"{layer.graph.missing(lacking[0])} A layer takes what bridges bring to the solver's own sets."
        )
    index_map = Mirror(copied, layer).index_map
    receiver.form = whole = MatrixForm(receiver.store, kinds)
    return _Compiler(copied, parameters, layer, index_map, whole).run()


class _Compiler:
    """The steps of `compiled`: terms ``(place in d, product of parameters, coefficient)`` gathered one by one."""

    def __init__(self, store: Any, parameters: Parameters, layer: Any, index_map: Any, whole: MatrixForm) -> None:
        self._store, self._parameters = store, parameters
        self._layer, self._map, self._whole = layer, index_map, whole
        inner = layer.inner_variables(VectorOfVariables.of_ids(index_map.ids(parameters.ids)))
        pinned = whole.columns(inner.ids)
        self._kept = np.setdiff1d(np.arange(whole.n), pinned)
        self._new_column = np.full(whole.n, -1, np.int64)
        self._new_column[self._kept] = np.arange(len(self._kept))
        self._pinned = pinned
        self._products: dict[tuple[int, ...], int] = {}

    def run(self) -> Compiled:
        """The form without the columns and rows of the parameters."""
        whole = self._whole
        rows = self._rows_kept()
        F = sp.csr_array(whole.F[rows])
        alone = sp.coo_array(F[:, self._pinned])  # parameters that stand alone in rows
        g_terms = [(alone.coords[0], self._codes_of(alone.coords[1][:, None]), alone.data)]
        new_row = np.full(whole.m, -1, np.int64)
        new_row[rows] = np.arange(len(rows))
        F_terms = []
        for at, code, column, coef in self._sent_down():
            inside = column < 0
            g_terms.append((new_row[at[inside]], code[inside], coef[inside]))
            F_terms.append((new_row[at[~inside]], self._new_column[column[~inside]], code[~inside], coef[~inside]))
        base = sp.coo_array(F[:, self._kept])
        F_terms.append((*base.coords, np.full(base.nnz, -1), base.data))
        P_terms, q_terms, r_terms = self._objective()
        return self._assembled(rows, P_terms, q_terms, r_terms, F_terms, g_terms)

    # ------------------------------------------------------------------ products of parameters
    def _codes_of(self, places: IntArray) -> IntArray:
        """The numbers of products, given (T, K) places of their parameters, -1 for none."""
        found, which = np.unique(np.sort(places, axis=1), axis=0, return_inverse=True)
        codes = [
            self._products.setdefault(tuple(p for p in row if p >= 0), len(self._products)) for row in found.tolist()
        ]
        return np.array(codes, np.int64)[which.ravel()]

    def _split(self, terms: Monomials) -> tuple[IntArray, IntArray]:
        """(code of the product of parameters or -1, (T, K) other factors first) of terms."""
        terms = terms.packed()
        places = self._parameters.places(terms.factors)
        code = np.full(len(terms), -1, np.int64)
        has = (places >= 0).any(axis=1)
        if has.any():
            code[has] = self._codes_of(places[has])
        others = Monomials(terms.row, np.where(places >= 0, -1, terms.factors), terms.coef).packed().factors
        return code, np.pad(others, ((0, 0), (0, max(2 - others.shape[1], 0))), constant_values=-1)

    # ------------------------------------------------------------------ rows
    def _rows_kept(self) -> IntArray:
        """Rows of the form but those that hold parameters at their values."""
        whole = self._whole
        if not self._parameters:
            return np.arange(whole.m)
        receiver = self._layer.inner
        receiver.empty_inputs()
        p = len(self._parameters.ids)
        self._layer.send(
            attr.ReverseConstraintDual(), self._map(ConstraintIndices(PARAMETERS, self._parameters.ids)), np.ones(p)
        )
        held = np.concatenate([np.arange(whole.m)[whole.rows_of(indices)] for indices, _ in receiver.dual_seeds])
        return np.setdiff1d(np.arange(whole.m), held)

    def _sent_down(self) -> Iterator[tuple[IntArray, IntArray, IntArray, FloatArray]]:
        """(row, code, column of the variable or -1, coefficient) of the products in rows, behind the bridges."""
        receiver, whole = self._layer.inner, self._whole
        for kind in self._store.kinds():
            if kind[0].degree < 2:
                continue
            block, numbers = self._store.block(kind).snapshot()
            terms = self._parameters.products(block.rows)
            if not len(terms):
                continue
            code, others = self._split(terms)
            if (others[:, 1] >= 0).any():
                self._refuse(terms, others)
            row, one = terms.packed().row, others[:, 0]
            flat, bent = one < 0, one >= 0
            inner = self._layer.inner_variables(VectorOfVariables.of_ids(self._map.ids(one[bent]))).ids
            sent = Rows(
                np.zeros(block.rows.m),
                row[flat],
                code[flat],
                terms.coef[flat],
                row[bent],
                code[bent],
                inner,
                terms.coef[bent],
            )
            indices = self._map(self._store.indices(kind, numbers))
            self._check_bridges(indices)
            receiver.empty_inputs()
            self._layer.send(attr.ForwardConstraintFunction(), indices, sent)
            for below, rows in receiver.function_tangents:
                at = np.arange(whole.m)[whole.rows_of(below)]
                yield at[rows.row], rows.var, np.full(len(rows.var), -1), rows.coef
                yield at[rows.qrow], rows.qvar1, whole.columns(rows.qvar2), rows.qcoef

    def _check_bridges(self, indices: ConstraintIndices) -> None:
        """Bridges that choose their rows by the function would choose by parameters at zero."""
        for bundle, *_ in self._layer.located(indices):
            for piece in bundle.pieces:
                if isinstance(piece, Node) and piece.bridge.looks_at_functions:
                    raise NotCompilable(
                        f"{piece.bridge!r} chooses its rows by the function, in which a parameter is a coefficient: "
                        "write the constraint in the set that it leads to (a triangle instead of a square)."
                    )

    def _refuse(self, terms: Monomials, others: IntArray) -> None:
        factors = terms.packed().factors[np.flatnonzero(others[:, 1] >= 0)[0]]
        term = "*".join(name_of_variable(int(i)) for i in factors if i >= 0)
        raise NotCompilable(f"The term {term} makes a quadratic row whose curvature is a parameter; use a cone.")

    # ------------------------------------------------------------------ objective
    def _objective(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Terms (places..., code, coefficient) of P, q and r."""
        block = self._store.objective_block
        if block is None:
            return [], [], []
        rows, sign = block.all_rows(), self._whole.sign
        terms = rows.terms()
        code, others = self._split(terms)
        coef = sign * terms.packed().coef
        degree = (others >= 0).sum(axis=1)
        column = np.full(others[:, :2].shape, -1, np.int64)
        there = others[:, :2] >= 0
        inner = self._layer.inner_variables(VectorOfVariables.of_ids(self._map.ids(others[:, :2][there]))).ids
        column[there] = self._new_column[self._whole.columns(inner)]
        zero, one, two = (degree == d for d in range(3))
        i, j = column[two].T
        P = [(np.concatenate([i, j]), np.concatenate([j, i]), np.tile(code[two], 2), np.tile(coef[two], 2))]
        q = [(column[one][:, 0], code[one], coef[one])]
        r = [
            (np.zeros(int(zero.sum()), np.int64), code[zero], coef[zero]),
            (np.zeros(1, np.int64), np.full(1, -1), sign * rows.constant),
        ]
        return P, q, r

    # ------------------------------------------------------------------ the form
    def _assembled(self, rows: IntArray, P: Any, q: Any, r: Any, F: Any, g: Any) -> Compiled:
        whole, parameters = self._whole, self._parameters
        n, m = len(self._kept), len(rows)
        g.append((np.arange(m), np.full(m, -1), whole.g[rows]))
        pj, pi, p_code, p_coef = _joined(P, 4)
        P_key, P_at = np.unique(pj * n + pi, return_inverse=True)  # column by column
        fi, fj, f_code, f_coef = _joined(F, 4)
        F_key, F_at = np.unique(fi * max(n, 1) + fj, return_inverse=True)  # row by row
        pattern = Pattern(
            n,
            m,
            np.searchsorted(P_key, np.arange(n + 1) * n).astype(np.int32),
            (P_key % max(n, 1)).astype(np.int32),
            np.searchsorted(F_key, np.arange(m + 1) * max(n, 1)).astype(np.int32),
            (F_key % max(n, 1)).astype(np.int32),
        )
        starts = [s.start for s in pattern.slices]
        q_at, q_code, q_coef = _joined(q, 3)
        r_at, r_code, r_coef = _joined(r, 3)
        g_at, g_code, g_coef = _joined(g, 3)
        place = np.concatenate(
            [P_at.ravel() + starts[0], q_at + starts[1], r_at + starts[2], F_at.ravel() + starts[3], g_at + starts[4]]
        )
        code = np.concatenate([p_code, q_code, r_code, f_code, g_code])
        coef = np.concatenate([p_coef, q_coef, r_coef, f_coef, g_coef])
        size, fixed = pattern.slices[-1].stop, code < 0
        d0 = np.bincount(place[fixed], coef[fixed], size).astype(np.float64)
        width = max((len(p) for p in self._products), default=1)
        factors = np.full((len(self._products), width), -1, np.int64)
        for product, number in self._products.items():
            factors[number, : len(product)] = product
        entries = (coef[~fixed], (place[~fixed], code[~fixed]))
        M = sp.csc_array(sp.coo_array(entries, shape=(size, len(factors))))
        form = whole.part(rows, self._kept)
        data = DataMap(pattern, d0, M, factors, len(parameters.ids))
        ids = self._store.variable_ids()
        variables = np.setdiff1d(ids, parameters.ids)
        inner = self._layer.inner_variables(VectorOfVariables.of_ids(self._map.ids(variables))).ids
        columns = dict(zip(variables.tolist(), self._new_column[whole.columns(inner)].tolist(), strict=True))
        before = np.full(whole.m, len(rows), np.int64)
        before[rows] = np.arange(len(rows))
        return Compiled(form, data, parameters.ids, columns, self._layer, self._map, before)


def _joined(parts: list[Any], width: int) -> list[Any]:
    """The columns of lists of equal tuples of arrays, each joined."""
    if not parts:
        return [*([np.zeros(0, np.int64)] * (width - 1)), np.zeros(0)]
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
