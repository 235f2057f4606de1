"""A model in words: as text, in LaTeX and HTML, and how much there is of what."""

from __future__ import annotations

import html
from collections.abc import Iterator
from math import isfinite

from .. import attributes as attr
from ..functions import Function
from ..functions.notation import latex_name, to_latex, to_text
from ..indices import describe_kind
from ..sets import (
    EqualTo,
    GreaterThan,
    Integer,
    Interval,
    LessThan,
    Nonnegatives,
    Nonpositives,
    Parameter,
    Set,
    ZeroOne,
    Zeros,
)
from ..store.store import Store

__all__ = ["counts", "model_html", "model_latex", "model_text"]

_SHOWN = 20
_PLAIN: dict[type[Set], str] = {
    Nonnegatives: ">= 0",
    Nonpositives: "<= 0",
    Zeros: "== 0",
    Integer: "is integer",
    ZeroOne: "is binary",
}
_LATEX = {">=": r"\ge", "<=": r"\le", "==": "=", "is integer": r"\in \mathbb{Z}", "is binary": r"\in \{0, 1\}"}


def model_text(store: Store) -> str:
    """Sense and objective, then a line for each constraint, up to twenty of a kind."""
    objective = to_text(store.get(attr.ObjectiveFunction()), store.name_of)
    lines = [f"{store.sense.value} {objective}"]
    for name, function, chosen in _constraints(store):
        text = to_text(function, store.name_of).replace("\n ", " ")  # the rows of a vector beside each other
        lines.append(f"  {name + ': ' if name else ''}{_related(text, chosen)}")
    return "\n".join([*lines, *(f"  ... ({rest} in all)" for rest in counts(store, more_than=_SHOWN))])


def model_latex(store: Store) -> str:
    """The same in LaTeX, between dollar signs."""

    def namer(identifier: int) -> str:
        return latex_name(store.name_of(identifier))

    words = {"minimize": r"\min", "maximize": r"\max", "feasibility": r"\text{find}"}
    lines = [rf"{words[store.sense.value]}\ & {to_latex(store.get(attr.ObjectiveFunction()), namer)}"]
    for _, function, chosen in _constraints(store):
        before, after = _relation(chosen)
        for word, sign in _LATEX.items():
            before, after = before.replace(word, sign), after.replace(word, sign)
        after = rf"\in \text{{{chosen!r}}}" if after.startswith("in ") else after
        lines.append(rf"& {before}{to_latex(function, namer)} {after}")
    lines += [rf"& \text{{... ({rest} in all)}}" for rest in counts(store, more_than=_SHOWN)]
    return r"$$\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}$$"


def model_html(store: Store) -> str:
    """The same as a table: the name of a constraint, and what it says."""
    objective = html.escape(to_text(store.get(attr.ObjectiveFunction()), store.name_of))
    cell = "<td style='text-align:left'>{}</td>"
    rows = [f"<tr><th style='text-align:left'>{store.sense.value}</th>{cell.format(objective)}</tr>"]
    for name, function, chosen in _constraints(store):
        text = _related(to_text(function, store.name_of).replace("\n ", " "), chosen)
        rows.append(f"<tr>{cell.format(html.escape(name))}{cell.format(html.escape(text))}</tr>")
    rows += [
        f"<tr>{cell.format('')}{cell.format(f'... ({rest} in all)')}</tr>" for rest in counts(store, more_than=_SHOWN)
    ]
    return f"<table>{''.join(rows)}</table>"


def counts(store: Store, *, more_than: int = 0) -> list[str]:
    """How many constraints there are of each kind, where they are more than a number."""
    found = [(store.get(attr.NumberOfConstraints(*kind)), kind) for kind in store.kinds()]
    return [f"{count} {describe_kind(kind)}" for count, kind in found if count > more_than]


def _related(text: str, chosen: Set) -> str:
    """A constraint as one would write it."""
    before, after = _relation(chosen)
    return f"{before}{text} {after}"


def _relation(chosen: Set) -> tuple[str, str]:
    """What stands before a function in a set, and what after it."""
    plain = _PLAIN.get(type(chosen))
    if plain is not None:
        return "", plain
    match chosen:
        case LessThan(upper=u):
            return "", f"<= {u:.12g}"
        case GreaterThan(lower=l):
            return "", f">= {l:.12g}"
        case EqualTo(value=v) | Parameter(value=v):
            return "", f"== {v:.12g}"
        case Interval(lower=l, upper=u):
            if not isfinite(u):
                return "", f">= {l:.12g}" if isfinite(l) else "is free"
            return f"{l:.12g} <= " if isfinite(l) else "", f"<= {u:.12g}"
    return "", f"in {chosen!r}"


def _constraints(store: Store) -> Iterator[tuple[str, Function, Set]]:
    """Name, function and set of the first constraints of each kind."""
    for kind in store.kinds():
        for index in store.get(attr.ListOfConstraintIndices(*kind))[:_SHOWN]:
            parts = (attr.ConstraintName(), attr.ConstraintFunction(), attr.ConstraintSet())
            name, function, chosen = (store.get(part, index) for part in parts)
            yield name, function, chosen
