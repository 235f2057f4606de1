"""Constraints and variables in words, for warnings, errors and tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import IntArray
from .tables import Tables

__all__ = ["constraint_text", "described", "listed"]

_LONGEST = 60
_SHOWN = 5
_SIDES = {
    "GreaterThan": "lower bound of {}",
    "LessThan": "upper bound of {}",
    "EqualTo": "fixed value of {}",
    "Interval": "bounds of {}",
    "Parameter": "parameter {}",
}


def described(store: Tables, index: Any) -> str:
    """A variable, constraint or (None) the model in words: by name, a bound by its variable, others by what they say.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model()
    >>> x, y = model.add_variable("x", lower=0.0), model.add_variable()
    >>> c, named = model.add_constraint(2 * x + y <= 3), model.add_constraint(x + y >= 1, name="least")
    >>> bound = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.GreaterThan))[0]
    >>> [described(model.store, one) for one in (x, y, c, named, bound)]
    ["'x'", 'x[1]', '2 x + x[1] in LessThan(3.0)', "'least'", "lower bound of 'x'"]
    """
    if index is None:
        return "the model"
    kind = getattr(index, "kind", None)
    if kind is None:
        return _of_variable(store, index.value)
    name = store.name_of_constraint(index)
    if name:
        return f"{name!r}"
    if not kind[0].degree and not kind[0].is_vector:
        words = _SIDES.get(kind[1].__name__)
        name = _of_variable(store, index.value)
        return words.format(name) if words else f"{name} in {kind[1].__name__}"
    return constraint_text(store, index)


def _of_variable(store: Tables, identifier: int) -> str:
    name = store.name_of(identifier)
    return repr(name) if store.is_named(identifier) else name


def constraint_text(store: Tables, index: Any) -> str:
    """What a constraint says, cut where it is long; of several rows the first."""
    block = store.block(index.kind)
    number = store.number(index)
    rows, chosen = block.rows(number), repr(block.set(number))
    text = store.text_of(rows.take(np.zeros(1, np.int64))) if rows.m else ""
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST].rstrip()} ..."
    if index.kind[1].is_vector:
        text = f"[{text}{', ...' if rows.m > 1 else ''}]"
    return f"{text} in {chosen if len(chosen) <= _LONGEST else index.kind[1].__name__}"


def listed(store: Tables, found: Sequence[tuple[Any, IntArray | None]]) -> str:
    """Some constraints in words, the first of them, and how many more there are; "" of none.

    Parameters
    ----------
    found : pairs of `ConstraintIndices` and the rows meant of each, from which one row of each is an entry; or None
        where the whole constraint is
    """
    words: list[str] = []
    total = 0
    for indices, rows in found:
        total += len(indices)
        for k in range(min(len(indices), _SHOWN - len(words))):
            row = "" if rows is None else f"row {int(rows[k])} of "
            words.append(row + described(store, indices[k]))
    if not words:
        return ""
    more = f" and {total - len(words):,} more" if total > len(words) else ""
    return f"constraint{'s' if total > 1 else ''} {', '.join(words)}{more}"
