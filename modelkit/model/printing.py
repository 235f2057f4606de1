"""A model in words: as text, in LaTeX, and how much there is of what."""

from __future__ import annotations

from collections.abc import Iterator

from .. import attributes as attr
from ..functions import Function
from ..functions.notation import latex_name, to_latex, to_text
from ..indices import describe_kind
from ..sets import Set
from ..store.store import Store

__all__ = ["counts", "model_latex", "model_text"]

_SHOWN = 20


def model_text(store: Store) -> str:
    """Sense and objective, then a line for each constraint, up to twenty of a kind."""
    objective = to_text(store.get(attr.ObjectiveFunction()), store.name_of)
    lines = [f"{store.sense.value} {objective}"]
    for name, function, chosen in _constraints(store):
        text = to_text(function, store.name_of).replace("\n ", " ")  # the rows of a vector beside each other
        lines.append(f"  {name + ': ' if name else ''}{text} in {chosen!r}")
    return "\n".join([*lines, *(f"  ... ({rest} in all)" for rest in counts(store, more_than=_SHOWN))])


def model_latex(store: Store) -> str:
    """The same in LaTeX, between dollar signs."""

    def namer(identifier: int) -> str:
        return latex_name(store.name_of(identifier))

    words = {"minimize": r"\min", "maximize": r"\max", "feasibility": r"\text{find}"}
    lines = [rf"{words[store.sense.value]}\ & {to_latex(store.get(attr.ObjectiveFunction()), namer)}"]
    for _, function, chosen in _constraints(store):
        lines.append(rf"& {to_latex(function, namer)} \in \text{{{chosen!r}}}")
    lines += [rf"& \text{{... ({rest} in all)}}" for rest in counts(store, more_than=_SHOWN)]
    return r"$$\begin{aligned}" + r" \\ ".join(lines) + r"\end{aligned}$$"


def counts(store: Store, *, more_than: int = 0) -> list[str]:
    """How many constraints there are of each kind, where they are more than a number."""
    found = [(store.get(attr.NumberOfConstraints(*kind)), kind) for kind in store.kinds()]
    return [f"{count} {describe_kind(kind)}" for count, kind in found if count > more_than]


def _constraints(store: Store) -> Iterator[tuple[str, Function, Set]]:
    """Name, function and set of the first constraints of each kind."""
    for kind in store.kinds():
        for index in store.get(attr.ListOfConstraintIndices(*kind))[:_SHOWN]:
            parts = (attr.ConstraintName(), attr.ConstraintFunction(), attr.ConstraintSet())
            name, function, chosen = (store.get(part, index) for part in parts)
            yield name, function, chosen
