"""What variables and constraints are called: in the text of an index, in warnings and in errors.

An index is a number. Which names belong to it the store knows, and a store that has names says so here (`announce`),
under its serial number, the high bits of its indices. A copy of a model has the serial number of the original; the
first of those that are alive is asked.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from .arrays import IntArray

__all__ = [
    "announce",
    "constraint_text",
    "described",
    "listed",
    "name_of_constraint",
    "name_of_variable",
    "with_article",
]

_LONGEST = 60
_SHOWN = 5
_SIDES = {
    "GreaterThan": "lower bound of {}",
    "LessThan": "upper bound of {}",
    "EqualTo": "fixed value of {}",
    "Interval": "bounds of {}",
    "Parameter": "parameter {}",
}
_stores: dict[int, list[weakref.ref[Any]]] = {}


def announce(store: Any) -> None:
    """Have names asked of this store from now on."""
    serial = store.base >> 32
    known = _stores.setdefault(serial, [])
    if all(one() is not store for one in known):
        known.append(weakref.ref(store, lambda gone: _forget(serial, gone)))


def _forget(serial: int, gone: weakref.ref[Any]) -> None:
    known = _stores.get(serial, [])
    if gone in known:
        known.remove(gone)
    if not known:
        _stores.pop(serial, None)


def _store_of(identifier: int) -> Any:
    for one in list(_stores.get(identifier >> 32, ())):
        store = one()
        if store is not None:
            return store
    return None


def name_of_variable(identifier: int) -> str:
    """The variable's name, or ``x[k]`` for the k-th variable of a model in which it has none."""
    store = _store_of(identifier)
    return f"x[{identifier & 0xFFFFFFFF}]" if store is None else str(store.name_of(identifier))


def name_of_constraint(index: Any) -> str:
    """The constraint's name, or ""."""
    store = _store_of(index.value)
    return "" if store is None else str(store.name_of_constraint(index))


# ---------------------------------------------------------------------- words
def with_article(word: str) -> str:
    """``a LessThan``, ``an EqualTo``.

    Examples
    --------
    >>> with_article("EqualTo"), with_article("LessThan"), with_article("SOS1"), with_article("int")
    ('an EqualTo', 'a LessThan', 'an SOS1', 'an int')
    """
    return f"{'an' if word[0] in 'AEIOaeio' or word.startswith('SOS') else 'a'} {word}"


def described(store: Any, index: Any) -> str:
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


def _of_variable(store: Any, identifier: int) -> str:
    name = store.name_of(identifier)
    return repr(name) if store.is_named(identifier) else str(name)


def constraint_text(store: Any, index: Any) -> str:
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


def listed(store: Any, found: Sequence[tuple[Any, IntArray | None]]) -> str:
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
