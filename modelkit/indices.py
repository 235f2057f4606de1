"""Indices of constraints, and the maps between the indices of two models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, final, overload

import numpy as np

from .arrays import IntArray
from .errors import InvalidIndex
from .functions import Function, VariableIndex, VectorOfVariables
from .functions.shaped import ArrayFunction, plain_index
from .naming import name_of_constraint
from .sets import Set

__all__ = ["ConstraintIndex", "ConstraintIndices", "Index", "IndexMap", "Kind", "describe_kind", "no_index", "plain"]

Kind = tuple[type[Function], type[Set]]
"""(function type, set type) of a constraint: `VariableIndex` in `LessThan`, say."""


def describe_kind(kind: Kind) -> str:
    """``ScalarAffineFunction-in-LessThan``."""
    return f"{kind[0].__name__}-in-{kind[1].__name__}"


@final
class ConstraintIndex:
    """One constraint of a model.

    Parameters
    ----------
    kind : (function type, set type)
    value : int
        Identifier within the kind; for a constraint on a plain variable, that of the variable.
    """

    __slots__ = ("kind", "value")

    def __init__(self, kind: Kind, value: int) -> None:
        self.kind = kind
        self.value = value

    @property
    def function_type(self) -> type[Function]:
        """The type of the constraint's function."""
        return self.kind[0]

    @property
    def set_type(self) -> type[Set]:
        """The type of the constraint's set."""
        return self.kind[1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ConstraintIndex) and self.value == other.value and self.kind == other.kind

    def __hash__(self) -> int:
        return hash((self.kind, self.value))

    def __repr__(self) -> str:
        name = name_of_constraint(self)
        return f"ConstraintIndex({describe_kind(self.kind)}, {repr(name) if name else self.value & 0xFFFFFFFF})"


Index = VariableIndex | ConstraintIndex
"""What names one variable or one constraint."""


@final
class ConstraintIndices(Sequence[ConstraintIndex]):
    """Many constraints of one kind, without a Python object for each.

    `Model.get` of a numeric attribute gives one array for all of them: their rows, one below the other.
    """

    __slots__ = ("kind", "values")

    def __init__(self, kind: Kind, values: IntArray) -> None:
        self.kind = kind
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    @overload
    def __getitem__(self, key: int) -> ConstraintIndex: ...
    @overload
    def __getitem__(self, key: slice) -> ConstraintIndices: ...
    def __getitem__(self, key: Any) -> Any:
        values = self.values[key]
        if values.ndim == 0:
            return ConstraintIndex(self.kind, int(values))
        return ConstraintIndices(self.kind, values)

    def __iter__(self) -> Iterator[ConstraintIndex]:
        kind = self.kind
        return (ConstraintIndex(kind, value) for value in self.values.tolist())

    def __repr__(self) -> str:
        return f"ConstraintIndices({describe_kind(self.kind)}, {len(self)})"


_INDICES = (VariableIndex, VectorOfVariables, ConstraintIndex, ConstraintIndices)


def plain(given: Any, wanted: str = "the index of a variable or constraint, or several of them") -> Any:
    """What names variables or constraints, arrays of indices as lists; raises `InvalidIndex` where it names none.

    Examples
    --------
    >>> plain([VariableIndex(3), VariableIndex(4)])
    [x[3], x[4]]
    """
    if isinstance(given, _INDICES):
        return given
    if isinstance(given, (list, tuple)) or (isinstance(given, np.ndarray) and given.ndim):
        return [one if isinstance(one, _INDICES) else plain(one, wanted) for one in given]
    if isinstance(given, ArrayFunction):
        return plain_index(given)
    raise no_index(given, wanted)


def no_index(given: Any, wanted: str) -> InvalidIndex:
    """The error that says what was given in the place of an index, and what to give."""
    advice = ""
    if isinstance(given, str):
        advice = " Look a name up with model.variable_by_name or model.constraint_by_name."
    elif isinstance(getattr(given, "ids", None), VectorOfVariables):
        advice = " Its variables are in its `ids`."
    shown = repr(given)
    return InvalidIndex(f"Expected {wanted}, got {shown if len(shown) < 80 else type(given).__name__}.{advice}")


@final
class IndexMap:
    """From the indices of one model to those of a copy.

    Both models count variables, and constraints of each kind, from 0 up, so the map is an array for the
    variables and one for each kind, growing as the copy does.

    Examples
    --------
    >>> import optangent as ot
    >>> model, copy = ot.Store(), ot.Store()
    >>> v = model.add_variables(2)
    >>> model.delete(v[0])
    >>> index_map = model.copy_to(copy)
    >>> v[1], index_map(v[1]), index_map(2.0 * v[1] + 1.0)
    (x[1], x[0], 2 x[0] + 1)
    """

    def __init__(self, base: int) -> None:
        self._base = base
        self._variables: IntArray = np.zeros(0, np.int64)
        self._constraints: dict[Kind, IntArray] = {}

    def add_variables(self, source: IntArray, copy: IntArray) -> None:
        """Record pairs of identifiers."""
        self._variables = _put(self._variables, source - self._base, copy)

    def add_constraints(self, kind: Kind, source: IntArray, copy: IntArray) -> None:
        """Record pairs of identifiers of constraints of one kind."""
        known = self._constraints.get(kind, np.zeros(0, np.int64))
        self._constraints[kind] = _put(known, source - self._base, copy)

    def ids(self, source: IntArray) -> IntArray:
        """Identifiers of the copy's variables."""
        return self._variables[source - self._base]

    def value(self, index: ConstraintIndex) -> int:
        """Identifier of the copy's constraint."""
        return int(self._constraints[index.kind][index.value - self._base])

    def values(self, indices: ConstraintIndices) -> IntArray:
        """Identifiers of the copy's constraints."""
        return self._constraints[indices.kind][indices.values - self._base]

    def __call__(self, index: Any) -> Any:
        """The copy's index or indices: of a variable, a constraint, or many of one kind; functions too."""
        if isinstance(index, ConstraintIndex):
            return ConstraintIndex(index.kind, self.value(index))
        if isinstance(index, VariableIndex):
            return VariableIndex(int(self._variables[index.value - self._base]))
        if isinstance(index, VectorOfVariables):
            return VectorOfVariables.of_ids(self.ids(index.ids))
        if isinstance(index, ConstraintIndices):
            return ConstraintIndices(index.kind, self.values(index))
        if isinstance(index, Function):
            return type(index).from_rows(index.rows.renamed(self.ids))
        if isinstance(index, ArrayFunction):
            return index.with_entries(self(index.entries))
        if isinstance(index, (list, tuple)):
            return [self(one) for one in index]
        raise InvalidIndex(f"{index!r} is not an index.")


def _put(array: IntArray, at: IntArray, values: IntArray) -> IntArray:
    need = int(at.max(initial=-1)) + 1
    if need > len(array):
        grown = np.full(max(need, 2 * len(array)), -1, np.int64)
        grown[: len(array)] = array
        array = grown
    array[at] = values
    return array
