"""Where a chain of bridges ends: constraints that the inner model holds as they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import UnsupportedModification
from ..modelkit.indices import ConstraintIndex, ConstraintIndices
from ..modelkit.modifications import (
    MultirowChange,
    ScalarCoefficientChange,
)
from ..modelkit.protocol import AbstractModel
from ..modelkit.rows import Rows

__all__ = ["Leaf", "Piece", "is_plain"]


def is_plain(rows: Rows) -> bool:
    """Whether each row is exactly one variable."""
    return (
        len(rows.row) == rows.m
        and not len(rows.qrow)
        and bool((rows.coef == 1).all())
        and not rows.constant.any()
        and (np.bincount(rows.row, minlength=rows.m) == 1).all().item()
    )


class Piece(Protocol):
    """What stands for some constraints: native ones, or bridged ones. The verbs are those of `nodes`."""

    @property
    def dims(self) -> IntArray:
        """Rows of each constraint."""

    def pull(self, attribute: attr.Attribute, items: IntArray) -> FloatArray | None:
        """Bring values up; None stands for zeros."""

    def push(self, attribute: attr.Attribute, items: IntArray, payload: Any) -> None:
        """Send values down."""

    def clear(self, attribute: attr.Attribute, items: IntArray) -> None:
        """Take back what was set."""

    @property
    def has_extra(self) -> bool:
        """Whether there are extra variables."""

    def start_extra(self, items: IntArray, values: FloatArray) -> None:
        """Start the extra variables of some constraints, given the values of their functions."""

    def change_numbers(self, items: IntArray, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for some constraints, one below the other."""

    def change_function(self, items: IntArray, rows: Rows) -> None:
        """Other functions for some constraints, one below the other."""

    def change_column(self, item: int, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of one constraint."""

    def leaves(self, items: IntArray) -> Iterator[tuple[Leaf, IntArray]]:
        """The native constraints that stand for some constraints."""

    def delete(self, items: IntArray) -> None:
        """Delete constraints."""


@final
@dataclass(frozen=True, eq=False)
class Leaf:
    """Constraints that the inner model holds as they are."""

    inner: AbstractModel
    indices: ConstraintIndices
    dims: IntArray
    shapes: tuple[tuple[float, ...], ...] | None
    has_extra: ClassVar[bool] = False

    def pull(self, attribute: attr.Attribute, items: IntArray) -> FloatArray:
        """The inner model's values, in bulk."""
        values: FloatArray = self.inner.get(attribute, self.at(items))
        return values

    def push(self, attribute: attr.Attribute, items: IntArray, payload: Any) -> None:
        """To the inner model, in bulk."""
        self.inner.set(attribute, self.at(items), payload)

    def start_extra(self, items: IntArray, values: FloatArray) -> None:
        """There are none."""

    def at(self, items: IntArray) -> ConstraintIndices:
        """Inner constraints."""
        return ConstraintIndices(self.indices.kind, self.indices.values[items])

    def index(self, item: int) -> ConstraintIndex:
        """The inner constraint."""
        return self.indices[item]

    def change_numbers(self, items: IntArray, constants: FloatArray, numbers: FloatArray) -> None:
        """New constants and numbers for some constraints, one below the other."""
        function_type, set_type = self.indices.kind
        fields = numbers.reshape(len(constants), len(set_type.fields))
        self.inner.set_numbers(self.at(items), fields, constants if function_type.degree else None)

    def change_function(self, items: IntArray, rows: Rows) -> None:
        """Other functions for some constraints, one below the other."""
        if not self.indices.kind[0].degree and not is_plain(rows):
            raise UnsupportedModification("The function is no longer of plain variables below: build the model anew.")
        self.inner.set_functions(self.at(items), rows)

    def change_column(self, item: int, variable: Any, rows: IntArray, column: FloatArray) -> None:
        """New coefficients of one variable in some rows of one constraint; `column` has all rows."""
        index = self.index(item)
        if index.kind[1].is_vector:
            pairs = list(zip(rows.tolist(), column[rows].tolist(), strict=True))
            self.inner.modify(index, MultirowChange(variable, pairs))
        else:
            self.inner.modify(index, ScalarCoefficientChange(variable, float(column[0])))

    def leaves(self, items: IntArray) -> Iterator[tuple[Leaf, IntArray]]:
        """Itself."""
        yield self, items

    def clear(self, attribute: attr.Attribute, items: IntArray) -> None:
        """Take back what was set."""
        for index in self.at(items):
            self.inner.set(attribute, index, None)

    def delete(self, items: IntArray) -> None:
        """Delete constraints from the inner model."""
        self.inner.delete(self.at(items))
