"""What variables and constraints are called, wherever an index is all there is.

An index is a number. Which names belong to it the store knows, and a store that has names says so here (`announce`),
under its serial number, the high bits of its indices. A copy of a model has the serial number of the original; the
first of those that are alive is asked.
"""

from __future__ import annotations

import weakref
from typing import Any, Protocol

__all__ = [
    "KnowsNames",
    "announce",
    "name_of_constraint",
    "name_of_variable",
    "operation_at",
    "with_article",
]


class KnowsNames(Protocol):
    """What a store says of its names."""

    base: int

    def name_of(self, identifier: int) -> str:
        """The name of a variable, or ``x[k]``."""

    def name_of_constraint(self, index: Any) -> str:
        """The name of a constraint, or ""."""

    def operation_at(self, identifier: int) -> Any:
        """The operator of which a variable is the value, and its arguments; None of others."""


_stores: dict[int, list[weakref.ref[KnowsNames]]] = {}


def announce(store: KnowsNames) -> None:
    """Have names asked of this store from now on."""
    serial = store.base >> 32
    known = _stores.setdefault(serial, [])
    if all(one() is not store for one in known):
        known.append(weakref.ref(store, lambda gone: _forget(serial, gone)))


def _forget(serial: int, gone: weakref.ref[KnowsNames]) -> None:
    known = _stores.get(serial, [])
    if gone in known:
        known.remove(gone)
    if not known:
        _stores.pop(serial, None)


def _store_of(identifier: int) -> KnowsNames | None:
    for one in list(_stores.get(identifier >> 32, ())):
        store = one()
        if store is not None:
            return store
    return None


def name_of_variable(identifier: int) -> str:
    """The variable's name, or ``x[k]`` for the k-th variable of a model in which it has none."""
    store = _store_of(identifier)
    return f"x[{identifier & 0xFFFFFFFF}]" if store is None else store.name_of(identifier)


def operation_at(identifier: int) -> Any:
    """The operator of which a variable of a model is the value, and its arguments; None of others."""
    store = _store_of(identifier)
    return None if store is None else store.operation_at(identifier)


def name_of_constraint(index: Any) -> str:
    """The constraint's name, or ""."""
    store = _store_of(index.value)
    return "" if store is None else store.name_of_constraint(index)


# ---------------------------------------------------------------------- words
def with_article(word: str) -> str:
    """``a LessThan``, ``an EqualTo``.

    Examples
    --------
    >>> with_article("EqualTo"), with_article("LessThan"), with_article("SOS1"), with_article("int")
    ('an EqualTo', 'a LessThan', 'an SOS1', 'an int')
    """
    return f"{'an' if word[0] in 'AEIOaeio' or word.startswith('SOS') else 'a'} {word}"
