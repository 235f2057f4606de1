"""Functions on their way down: parameters inserted in their products, outer variables replaced by inner ones."""

from __future__ import annotations

from typing import final

import numpy as np

from ..modelkit.arrays import IntArray
from ..modelkit.block import ConstraintBlock
from ..modelkit.errors import UnsupportedModification
from ..modelkit.functions import Function
from ..modelkit.indices import Kind
from ..modelkit.parameters import Parameters, inserted_blocks
from ..modelkit.rows import Rows
from ..modelkit.store import Store
from .lifting import Lifter

__all__ = ["Inserted"]


@final
class Inserted:
    """How the functions of a bridge layer look below, at the present values of the parameters.

    Parameters
    ----------
    store : the model as written
    lifter : of the layer
    """

    def __init__(self, store: Store, lifter: Lifter) -> None:
        self._store = store
        self._lifter = lifter
        self.forget()

    def forget(self) -> None:
        """The model was emptied."""
        self._parameters: Parameters | None = None
        self._moved: set[int] = set()

    def _present(self) -> Parameters:
        """The parameters, read anew only when there are other ones."""
        if self._parameters is None:
            self._parameters = Parameters(self._store)
        return self._parameters

    def parameters_changed(self, ids: IntArray | None = None) -> None:
        """Variables became parameters, or parameters (with these identifiers) got other values."""
        self._parameters = None
        if ids is not None:
            self._moved.update(ids.tolist())

    # ------------------------------------------------------------------ on the way down
    def rows(self, rows: Rows) -> Rows:
        """Rows in outer variables, in inner variables; with products inserted."""
        if rows.degree > 1:
            parameters = self._present()
            rows = parameters.check_degree(parameters.insert(rows))
        return self._lifter.variables.rewrite(rows)

    def objective(self, function: Function) -> tuple[type[Function], Rows]:
        """Type and rows of an objective below."""
        rows = self.rows(function.rows)
        if function.degree < 2:
            return type(function), rows
        return self._present().type_of(type(function), function.rows), rows

    def blocks(self, block: ConstraintBlock) -> list[tuple[IntArray, ConstraintBlock]]:
        """(items, constraints on inner variables) of the groups that a block of constraints becomes."""
        if block.function_type.degree < 2:
            rows = self._lifter.variables.rewrite(block.rows)
            return [(np.arange(block.count), ConstraintBlock(block.function_type, rows, block.sets))]
        takes_squares = not self._lifter.graph.is_lacking(block.kind)
        return [
            (items, ConstraintBlock(part.function_type, self._lifter.variables.rewrite(part.rows), part.sets))
            for items, part in inserted_blocks(self._present(), block, takes_squares)
        ]

    def check_no_products(self, ids: IntArray) -> None:
        """Raise if one of these variables, to become parameters or to be such no more, multiplies in a function."""
        store = self._store
        blocks = [store.block(kind).snapshot()[0].rows for kind in store.kinds() if kind[0].degree > 1]
        if store.objective_block is not None:
            blocks.append(store.objective_block.all_rows())
        for rows in blocks if len(ids) else []:
            terms = rows.terms()
            if np.isin(terms.factors[terms.degrees > 1], ids).any():
                raise UnsupportedModification(
                    "A variable that multiplies in a function becomes a parameter or a variable again only as the "
                    "model is built anew."
                )

    def has_products(self, rows: Rows) -> bool:
        """Whether a parameter multiplies in the rows."""
        return rows.degree > 1 and bool(len(self._present().products(rows)))

    # ------------------------------------------------------------------ what moved parameters change
    def moved(self) -> tuple[list[tuple[Kind, IntArray, Rows]], bool]:
        """Constraints with products of parameters that got other values since `passed_on`, and whether the objective.

        Constraints of one kind come together: their numbers in the store, and their functions as they are below now.
        """
        if not self._moved:
            return [], False
        moved = np.array(sorted(self._moved), np.int64)
        parameters = self._present()
        found: list[tuple[Kind, IntArray, Rows]] = []
        for kind in self._store.kinds():
            if kind[0].degree < 2:
                continue
            block, numbers = self._store.block(kind).snapshot()
            products = parameters.products(block.rows)
            touched = np.unique(products.row[np.isin(products.factors, moved).any(axis=1)])
            if not len(touched):
                continue
            items = np.unique(np.searchsorted(block.starts, touched, side="right") - 1)
            found.append((kind, numbers[items], self.rows(block.take(items).rows)))
        objective = self._store.objective_block
        if objective is None:
            return found, False
        products = parameters.products(objective.all_rows())
        return found, bool(np.isin(products.factors, moved).any())

    def passed_on(self) -> None:
        """All that moved is below."""
        self._moved.clear()
