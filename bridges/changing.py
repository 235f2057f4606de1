"""Changing data behind bridges, in place below if no bridge stands against it.

A change goes down first and into the layer's own store last; one that is refused on the way
(`UnsupportedModification`) is taken back, so that the layer stays as it was.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.checks import check_numbers
from ..modelkit.errors import NotAllowed
from ..modelkit.functions import VariableIndex
from ..modelkit.indices import ConstraintIndex, ConstraintIndices
from ..modelkit.modifications import (
    Modification,
    MultirowChange,
    ScalarCoefficientChange,
    ScalarConstantChange,
    ScalarQuadraticCoefficientChange,
    VectorConstantChange,
)
from ..modelkit.rows import Rows
from ..modelkit.store import Store
from .bundle import Bundle
from .inserted import Inserted
from .leaf import Leaf
from .variables import VariableMap

__all__ = ["ConstraintChange", "renamed"]


def change_numbers(
    store: Store, bundle: Bundle, indices: ConstraintIndices, items: IntArray, numbers: FloatArray
) -> None:
    """Give constraints on plain variables other numbers, below and in the store; all or none."""
    check_numbers(indices.kind[1], numbers)
    none, before = np.zeros(len(items)), store.block(indices.kind).all_numbers[items].ravel()
    try:
        bundle.change_numbers(items, none, numbers.ravel())
    except NotAllowed:
        with contextlib.suppress(NotAllowed):
            bundle.change_numbers(items, none, before)
        raise
    store.set_numbers(indices, numbers)


@final
class ConstraintChange:
    """One constraint whose data change.

    Parameters
    ----------
    store : with the constraint as written
    variables, inserted : of the layer
    index : of the constraint
    bundle : of its kind
    """

    def __init__(
        self,
        store: Store,
        variables: VariableMap,
        inserted: Inserted,
        index: ConstraintIndex,
        bundle: Bundle,
    ) -> None:
        self._store = store
        self._variables = variables
        self._inserted = inserted
        self._index = index
        self._bundle = bundle
        self._block = store.block(index.kind)
        self._number = store.number(index)
        self._item = np.array([self._number])
        self._rows = slice(*self._block.row_range(self._number))

    def change_set(self, value: Any) -> None:
        """Another set of the same shape."""
        pairs = self._store.check_setting(attr.ConstraintSet(), self._index, value)
        piece, item = self._bundle.piece(self._number)
        if isinstance(piece, Leaf):
            piece.inner.set(attr.ConstraintSet(), piece.index(item), value)
        else:
            self._pass_numbers(self._constants(), value.numbers.ravel())
        self._store.apply_setting(attr.ConstraintSet(), pairs)

    def change_function(self, value: Any) -> None:
        """Another function of the same type."""
        self._store.check_setting(attr.ConstraintFunction(), self._index, value)
        before = self._block.rows(self._number)
        with self._taken_back(before):
            self._pass_function(value.rows)
        self._store.set(attr.ConstraintFunction(), self._index, value)

    def modify(self, changes: Sequence[Modification]) -> None:
        """Other coefficients or constants."""
        self._store.check_modification(self._index, changes)
        by_itself = not self._inserted.has_products(self._block.rows(self._number))
        for one in changes:
            if by_itself and isinstance(one, (ScalarConstantChange, VectorConstantChange)):
                constants = np.array(one.new_constant, np.float64, ndmin=1)
                self._pass_numbers(constants, self._block.all_numbers[self._rows].ravel())
            elif by_itself and isinstance(one, ScalarCoefficientChange) and self._variables.inner_id(one.variable) >= 0:
                self._pass_column(one.variable, [(0, one.new_coefficient)])
            elif by_itself and isinstance(one, MultirowChange) and self._variables.inner_id(one.variable) >= 0:
                self._pass_column(one.variable, one.new_coefficients)
            else:  # of a bridged variable, quadratic, or beside products of parameters
                before = self._block.rows(self._number)
                self._store.modify(self._index, one)
                after = self._block.rows(self._number)
                self._block.set_rows(self._number, before)
                with self._taken_back(before):
                    self._pass_function(after)
            self._store.modify(self._index, one)

    def _constants(self) -> FloatArray:
        """The constants of the function below."""
        if self._index.kind[0].degree < 2:
            return self._block.constants[self._rows]
        return self._inserted.rows(self._block.rows(self._number)).constant

    def _pass_numbers(self, constants: FloatArray, numbers: FloatArray) -> None:
        before = self._constants().copy(), self._block.all_numbers[self._rows].ravel().copy()
        try:
            self._bundle.change_numbers(self._item, constants.copy(), numbers.copy())
        except NotAllowed:
            with contextlib.suppress(NotAllowed):
                self._bundle.change_numbers(self._item, *before)
            raise

    def _pass_function(self, rows: Rows) -> None:
        self._bundle.change_function(self._item, self._inserted.rows(rows))

    def _pass_column(self, variable: VariableIndex, pairs: Sequence[tuple[int, float]]) -> None:
        before = self._block.rows(self._number)
        m = before.m
        column = before.coefficients(np.arange(m), np.full(m, variable.value))
        for row, value in pairs:
            column[row] = value
        rows = np.unique(np.array([row for row, _ in pairs], np.int64))
        inner = VariableIndex(self._variables.inner_id(variable))
        with self._taken_back(before):
            self._bundle.change_column(self._item, inner, rows, column)

    @contextlib.contextmanager
    def _taken_back(self, before: Rows) -> Iterator[None]:
        """Give the constraint its old function again where a new one is refused."""
        try:
            yield
        except NotAllowed:
            with contextlib.suppress(NotAllowed):
                self._pass_function(before)
            raise


def renamed(change: Modification, variables: VariableMap) -> Modification | None:
    """A change of scalar coefficients in inner variables; None where one of the variables is bridged."""
    if isinstance(change, ScalarCoefficientChange):
        old = [change.variable]
    elif isinstance(change, ScalarQuadraticCoefficientChange):
        old = [change.variable_1, change.variable_2]
    else:
        return change
    ids = [variables.inner_id(v) for v in old]
    if min(ids) < 0:
        return None
    return type(change)(*map(VariableIndex, ids), change.new_coefficient)  # type: ignore[arg-type, call-arg]
