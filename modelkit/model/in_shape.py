"""The protocol of a `Model`, with arrays of variables, and constraints that came in a shape."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from .. import attributes as attr
from ..functions.layout import Layout
from ..functions.shaped import ArrayFunction, plain_index
from ..indices import ConstraintIndex, ConstraintIndices, plain
from ..labels import is_labelled
from ..store.store import Store
from .passed_on import PassedOn
from .shaped_values import each_once

__all__ = ["InShape"]


class InShape(PassedOn):
    """What a model is asked and told of arrays, in their shapes.

    Attributes
    ----------
    lock : reentrant lock, see `Model`
    """

    lock: threading.RLock

    @property
    def store(self) -> Store:
        """The model as written."""
        return self.meta_solver.store

    def get(self, attribute: attr.Attribute, index: Any = None) -> Any:
        """Value of an attribute; of an array of variables in its shape."""
        if isinstance(index, ArrayFunction):
            return np.reshape(self.meta_solver.get(attribute, plain_index(index)), index.ids.shape)
        return self.meta_solver.get(attribute, index if index is None else plain(index))

    def set(self, attribute: attr.Attribute, *index_and_value: Any) -> None:
        """Set an attribute; of an array of variables, or a constraint with a shape, from an array of that shape."""
        if len(index_and_value) != 2:
            self.meta_solver.set(attribute, *index_and_value)
            return
        index, value = index_and_value
        if isinstance(index, ArrayFunction):
            value = value if np.ndim(value) == 0 and not is_labelled(value) else index.at_places(value)
        elif isinstance(index, ConstraintIndex) and not isinstance(attribute, attr.ConstraintLayout):
            layout = self._layout(index)
            if layout is not None:
                value = layout.rows_of(value, adjoint=isinstance(attribute, attr.ReverseConstraintDual))
            elif isinstance(value, ArrayFunction) and value.ndim == 1:
                value = value.flat
        value = value.to_numpy() if is_labelled(value) else value
        self.meta_solver.set(attribute, *each_once(attribute, plain(index), value))

    def is_valid(self, index: Any) -> bool:
        """Whether the model holds the variable or constraint, or all variables of an array."""
        return self.meta_solver.is_valid(plain_index(index))

    def delete(self, index: Any) -> None:
        """Delete a variable or constraint, a sequence of them, or an array of variables."""
        self.meta_solver.delete(plain_index(index))

    def _layout(self, constraint: Any) -> Layout | None:
        """How a constraint's rows stand in an array, if it came in one."""
        found: Layout | None = self.store.values_of(attr.ConstraintLayout()).get(constraint)
        return found

    def add_constraints(self, functions: Any, sets: Any) -> ConstraintIndices:
        """Add many constraints of one kind at once.

        Parameters
        ----------
        functions : sequence of functions of one type; or a vector or array of functions, whose rows are dealt out
        sets : sequence of sets of one type, or one set for all

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model()
        >>> X = model.add_variables((2, 2))
        >>> len(model.add_constraints(X + X.T, ot.LessThan(1.0)))
        4
        """
        return super().add_constraints(functions.flat if isinstance(functions, ArrayFunction) else functions, sets)

    def _in_shape(self, constraint: Any, rows: Any) -> Any:
        """Numbers of a constraint's rows, in its shape."""
        layout = self._layout(constraint) if isinstance(constraint, ConstraintIndex) else None
        return rows if layout is None else layout.arranged(rows)
