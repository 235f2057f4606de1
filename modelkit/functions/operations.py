"""Values of operators that stand in functions like variables: the nodes of an expression graph.

``sin(2 x + y)`` is one term, whose variable is the value of an operator, an *operation*. Operations have identifiers
of their own, far from those of the variables of models, so that `Rows` holds nonlinear functions as it holds others:
what is linear in a function stays a matrix. An operation of many rows is one array operation. Equal ones are the same
object, and live as long as a function in which they stand.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from ..arrays import FloatArray, IntArray
from ..operators import Operator, operator_number
from .rows import Rows

__all__ = [
    "WrittenOut",
    "evaluated",
    "made_again",
    "written_out",
    "Operation",
    "is_operation",
    "in_order",
    "operation",
    "operation_of",
    "operations_in",
    "without_operations",
]

_FIRST = 3 << 61
_PAGE = 12  # bits: identifiers come in pages, by which their operation is found

_pages: weakref.WeakValueDictionary[int, Operation] = weakref.WeakValueDictionary()
_known: weakref.WeakValueDictionary[tuple[int, tuple[bytes, ...]], Operation] = weakref.WeakValueDictionary()
_lock = threading.Lock()
_next_page = 0


@final
class Operation:
    """An operator done to rows.

    Attributes
    ----------
    operator : what is done
    arguments : as many `Rows` as the operator has arguments, all of m rows
    first : identifier of the first row's value
    m : number of rows
    inner : the operations that stand in the arguments
    """

    __slots__ = ("__weakref__", "arguments", "first", "inner", "m", "operator")

    def __init__(self, operator: Operator, arguments: tuple[Rows, ...], first: int) -> None:
        self.operator, self.arguments, self.first = operator, arguments, first
        self.m = arguments[0].m
        found = {one.first: one for rows in arguments for one in operations_in(rows)}
        self.inner = tuple(found.values())

    @property
    def ids(self) -> IntArray:
        """Identifiers of the rows' values."""
        return np.arange(self.first, self.first + self.m)

    def values(self, value: Callable[[IntArray], FloatArray]) -> FloatArray:
        """The values of the rows, (m,), from those of variables and of the operations inside."""
        return np.asarray(self.operator.value(*(rows.evaluate(value) for rows in self.arguments)), np.float64)


def operation(operator: Operator, arguments: Sequence[Rows]) -> Operation:
    """The operator done to rows, each of as many."""
    global _next_page
    rows = tuple(one.canonical() for one in arguments)
    key = operator_number(operator), tuple(_bytes(one) for one in rows)
    with _lock:
        found = _known.get(key)
        if found is not None:
            return found
        count = (max(rows[0].m, 1) - 1 >> _PAGE) + 1
        made = Operation(operator, rows, _FIRST + (_next_page << _PAGE))
        for page in range(_next_page, _next_page + count):
            _pages[page] = made
        _next_page += count
        _known[key] = made
        return made


def _bytes(rows: Rows) -> bytes:
    """All that tells canonical rows from others."""
    arrays = [rows.constant, rows.row, rows.var, rows.coef, rows.qrow, rows.qvar1, rows.qvar2, rows.qcoef]
    if rows.higher is not None:
        arrays += [rows.higher.row, rows.higher.factors, rows.higher.coef]
    return b"|".join(len(one).to_bytes(8, "little") + one.tobytes() for one in arrays)


WrittenOut = tuple[int, Operator, tuple[Rows, ...]]
"""Identifier of the first row, operator and arguments."""


def written_out(rows: Rows) -> list[WrittenOut]:
    """All operations in rows, the inner ones first, as they can be made again elsewhere."""
    return [(one.first, one.operator, one.arguments) for one in in_order(operations_in(rows))]


def made_again(operations: Sequence[WrittenOut]) -> tuple[Callable[[IntArray], IntArray], list[Operation]]:
    """What gives operations that were written out elsewhere their identifiers here, and these operations."""
    made: list[tuple[int, Operation]] = []

    def renamed(ids: IntArray) -> IntArray:
        out = ids.copy()
        for first, one in made:
            mine = (ids >= first) & (ids < first + one.m)
            out[mine] = ids[mine] - first + one.first
        return out

    for first, kind, arguments in operations:
        made.append((first, operation(kind, [rows.renamed(renamed) for rows in arguments])))
    return renamed, [one for _, one in made]


def is_operation(identifier: int) -> bool:
    """Whether an identifier is that of an operation's value."""
    return identifier >= _FIRST


def without_operations(ids: IntArray) -> IntArray:
    """The identifiers of variables among some."""
    return ids[ids < _FIRST]


def operations_in(rows: Rows) -> list[Operation]:
    """The operations whose values stand in rows, in order of making, not those inside of them."""
    parts = [rows.var, rows.qvar1, rows.qvar2]
    if rows.higher is not None:
        parts.append(rows.higher.factors.ravel())
    parts = [ids[ids >= _FIRST] for ids in parts if len(ids) and ids.max() >= _FIRST]
    if not parts:
        return []
    ids = np.concatenate(parts)
    pages = np.unique((ids - _FIRST) >> _PAGE)
    found = {one.first: one for one in (_pages[page] for page in pages.tolist())}
    return [found[first] for first in sorted(found)]


def operation_of(identifier: int) -> tuple[Operation, int]:
    """The operation of which an identifier is a value, and which row."""
    one = _pages[(identifier - _FIRST) >> _PAGE]
    return one, identifier - one.first


def values_with_operations(rows: Rows, value: Callable[[IntArray], FloatArray]) -> Callable[[IntArray], FloatArray]:
    """What gives the values of variables, and of the operations in rows, from what gives those of variables."""
    known: dict[int, FloatArray] = {}

    def values(ids: IntArray) -> FloatArray:
        are = ids >= _FIRST
        if not are.any():
            return value(ids)
        out = np.empty(ids.shape)
        if not are.all():
            out[~are] = value(ids[~are])
        wanted = ids[are]
        found = np.empty(len(wanted))
        pages = (wanted - _FIRST) >> _PAGE
        for first in {_pages[page].first for page in np.unique(pages).tolist()}:
            mine = (wanted >= first) & (wanted < first + len(known[first]))
            found[mine] = known[first][wanted[mine] - first]
        out[are] = found
        return out

    for one in in_order(operations_in(rows)):
        known[one.first] = one.values(values)
    return values


def evaluated(rows: Rows, value: Callable[[IntArray], FloatArray]) -> FloatArray:
    """Values of rows with operations, at ``x[id] = value(id)``."""
    return rows.evaluate(values_with_operations(rows, value))


def in_order(outer: Sequence[Operation]) -> list[Operation]:
    """Operations and all inside of them, the inner ones first."""
    order: dict[int, Operation] = {}
    waiting = [(one, False) for one in reversed(outer)]
    while waiting:
        one, is_open = waiting.pop()
        if one.first in order:
            continue
        if is_open:
            order[one.first] = one
        else:
            waiting.append((one, True))
            waiting += [(inner, False) for inner in one.inner]
    return list(order.values())
