"""The numbers of a model one by one: named, moved, given as tangents, read from gradients.

A number is a parameter's value, a coefficient or constant of a constraint's function or of the objective, or one of
the numbers of a set. What `gradcheck` moves.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.errors import InvalidData
from ...modelkit.functions import Function, VariableIndex, VectorOfVariables
from ...modelkit.functions.row_products import times
from ...modelkit.functions.rows import Rows
from ...modelkit.functions.shaped import ArrayFunction
from ...modelkit.indices import ConstraintIndex
from ...modelkit.model.model import Model
from ...modelkit.sets import Set
from ...modelkit.store.parameters import PARAMETERS

__all__ = ["Number", "constraint_name", "numbers_of"]


class Number(Protocol):
    """One number of a model."""

    @property
    @abstractmethod
    def value(self) -> float:
        """What it is now."""

    @abstractmethod
    def name(self, model: Model) -> str:
        """In words."""

    @abstractmethod
    def move(self, model: Model, by: float) -> None:
        """Make it the present value plus `by`."""

    @abstractmethod
    def tell(self, model: Model) -> None:
        """Set the tangent in which it moves by one and all others stay."""

    @abstractmethod
    def gradient(self, model: Model) -> float:
        """Read its entry of what `reverse_differentiate` left."""


@final
@dataclass(frozen=True)
class ParameterValue:
    """The value of a parameter."""

    parameter: VariableIndex
    value: float

    def name(self, model: Model) -> str:
        """The parameter's."""
        return model.name_of(self.parameter.value)

    def move(self, model: Model, by: float) -> None:
        """Set the value."""
        model.set_parameter_value(self.parameter, self.value + by)

    def tell(self, model: Model) -> None:
        """By the parameter's tangent."""
        model.set(attr.ForwardParameterValue(), self.parameter, 1.0)

    def gradient(self, model: Model) -> float:
        """By the parameter's gradient."""
        return float(model.get(attr.ReverseParameterValue(), self.parameter))


@final
@dataclass(frozen=True)
class Coefficient:
    """The coefficient of a product of variables, or the constant, in one row of a function.

    Parameters
    ----------
    index : the constraint, or None for the objective
    function : as it is
    row : of the function
    factors : identifiers, none for the constant
    """

    index: ConstraintIndex | None
    function: Function
    row: int
    factors: tuple[int, ...]
    value: float

    def name(self, model: Model) -> str:
        """``coefficient of x*y in budget``."""
        product = "*".join(model.name_of(i) for i in self.factors)
        where = "the objective" if self.index is None else constraint_name(model, self.index, self.row)
        return f"coefficient of {product} in {where}" if product else f"constant of {where}"

    def _moved_by(self, change: float) -> Rows:
        """The change of the function."""
        m = self.function.rows.m
        constant, row = np.zeros(m), np.array([self.row])
        if not self.factors:
            constant[self.row] = change
            return Rows(constant)
        one = Rows(np.array([change]))
        for i in self.factors:
            one = times(one, Rows.of_variables(np.array([i])))
        return one.moved(row, m)

    def move(self, model: Model, by: float) -> None:
        """Set the function."""
        new = type(self.function).from_rows(self.function.rows + self._moved_by(by))
        if self.index is None:
            model.set(attr.ObjectiveFunction(), new)
        else:
            model.set(attr.ConstraintFunction(), self.index, new)

    def tell(self, model: Model) -> None:
        """By a function tangent of one term."""
        tangent = type(self.function).from_rows(self._moved_by(1.0))
        if self.index is None:
            model.set(attr.ForwardObjectiveFunction(), tangent)
        else:
            model.set(attr.ForwardConstraintFunction(), self.index, tangent)

    def gradient(self, model: Model) -> float:
        """From the reverse function."""
        if self.index is None:
            found = model.get(attr.ReverseObjectiveFunction())
        else:
            found = model.get(attr.ReverseConstraintFunction(), self.index)
        if self.function.is_vector:
            found = found[self.row]
        return float(found.coefficient(*map(VariableIndex, self.factors)) if self.factors else found.constant)


@final
@dataclass(frozen=True)
class SetNumber:
    """One of the numbers of a constraint's set; two that are equal bounds move together.

    Parameters
    ----------
    index : the constraint
    set : as it is
    row : of the set
    fields : positions of the number among those of a row
    """

    index: ConstraintIndex
    set: Set
    row: int
    fields: tuple[int, ...]
    value: float

    def name(self, model: Model) -> str:
        """``upper of budget``."""
        names = " and ".join(type(self.set).fields[f] for f in self.fields)
        return f"{names} of {constraint_name(model, self.index, self.row)}"

    def _with(self, numbers: Any, value: float) -> Set:
        new = np.array(numbers, np.float64)
        new[self.row, list(self.fields)] += value
        return type(self.set).build(self.set.shape, new)

    def move(self, model: Model, by: float) -> None:
        """Set the set."""
        model.set(attr.ConstraintSet(), self.index, self._with(self.set.numbers, by))

    def tell(self, model: Model) -> None:
        """By a set tangent."""
        model.set(attr.ForwardConstraintSet(), self.index, self._with(np.zeros(self.set.numbers.shape), 1.0))

    def gradient(self, model: Model) -> float:
        """From the reverse set."""
        return float(model.get(attr.ReverseConstraintSet(), self.index).numbers[self.row, list(self.fields)].sum())


# ---------------------------------------------------------------------- all of them
def numbers_of(model: Model, what: Any = None) -> list[Number]:
    """The numbers behind parameters (one, a vector or a matrix), constraints or the objective, or a list of such.

    Parameters
    ----------
    model : the model
    what : None for all parameters or, where there are none, for everything
    """
    if what is None:
        store = model.store
        if PARAMETERS in store.kinds():
            return numbers_of(model, VectorOfVariables.of_ids(store.block(PARAMETERS).snapshot()[0].rows.var))
        every: list[Any] = [i for kind in store.kinds() for i in store.get(attr.ListOfConstraintIndices(*kind))]
        return numbers_of(model, [*every, attr.ObjectiveFunction()])
    if isinstance(what, VariableIndex):
        return [ParameterValue(what, float(model.parameter_value(what)))]
    if isinstance(what, ArrayFunction):
        what = VectorOfVariables.of_ids(what.ids.ravel())
    if isinstance(what, ConstraintIndex):
        return list(_of_constraint(model, what))
    if isinstance(what, attr.ObjectiveFunction):
        return list(_of_function(None, model.get(what)))
    if isinstance(what, Iterable) and not isinstance(what, str):
        return [number for one in what for number in numbers_of(model, one)]
    raise InvalidData(
        f"A derivative is checked in parameters, constraints or ObjectiveFunction(), or lists of them; got {what!r}."
    )


def _of_constraint(model: Model, index: ConstraintIndex) -> Iterator[Number]:
    chosen: Set = model.get(attr.ConstraintSet(), index)
    if index.kind == PARAMETERS:
        yield ParameterValue(VariableIndex(index.value), float(chosen.numbers[0, 0]))
        return
    if index.kind[0].degree:
        yield from _of_function(index, model.get(attr.ConstraintFunction(), index))
    for row, numbers in enumerate(chosen.numbers.tolist() if chosen.fields else []):
        if len(numbers) == 2 and numbers[0] == numbers[1]:
            yield SetNumber(index, chosen, row, (0, 1), numbers[0])
            continue
        for field, value in enumerate(numbers):
            if np.isfinite(value):
                yield SetNumber(index, chosen, row, (field,), value)


def _of_function(index: ConstraintIndex | None, function: Function) -> Iterator[Number]:
    rows = function.rows.canonical()
    if not function.degree:  # a plain variable as objective: it has no numbers of its own
        return
    terms = rows.terms()
    for row, factors, value in zip(terms.row.tolist(), terms.factors.tolist(), terms.coef.tolist(), strict=True):
        yield Coefficient(index, function, row, tuple(i for i in factors if i >= 0), value)
    for row, value in enumerate(rows.constant.tolist()):
        yield Coefficient(index, function, row, (), value)


def constraint_name(model: Model, index: ConstraintIndex, row: int = 0) -> str:
    """The name of a constraint, or what stands for it; with the row where there are several."""
    name = str(model.get(attr.ConstraintName(), index) or "")
    if not name and index.kind[0] is VariableIndex:
        name = f"{model.name_of(index.value)} in {index.kind[1].__name__}"
    name = name or f"{index.kind[1].__name__} {index.value & 0xFFFFFFFF}"
    return f"{name}[{row}]" if index.kind[1].is_vector else name
