"""How one constraint gets to the solver and how its derivative comes back, in words."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp

from ...bridges.lowering.shown import LoweredConstraint
from ...modelkit.indices import ConstraintIndex
from ...modelkit.store.store import Store
from ..meta_solver import MetaSolver
from .owners import label
from .summary import Lines

__all__ = ["ways_of"]

_SHOWN = 4


def ways_of(store: Store, solver: MetaSolver, index: ConstraintIndex, *, derivative: bool) -> Lines:
    """See `Model.explain`."""
    number = store.number(index)
    start, stop = store.block(index.kind).row_range(number)
    rows = stop - start
    found = solver.lowered(index)
    facts = [
        ("says", _says(store, index)),
        *_way(found, rows),
    ]
    if derivative:
        below = solver.lowered(index, differentiated=True)
        if below.way != found.way:
            facts += _way(below, rows)
        facts.append(("the derivative", _back(below)))
    return Lines(label(store, index), tuple((name, text) for name, text in facts))


def _way(found: LoweredConstraint, rows: int) -> list[tuple[str, str]]:
    after = sum(part.A.shape[0] for part in found.parts)
    size = f"{rows} row{'s' if rows != 1 else ''} before, {after} after"
    extra = f", and {found.extra} extra variable{'s' if found.extra != 1 else ''}" if found.extra else ""
    sets = ", ".join(dict.fromkeys(repr(one) for part in found.parts for one in part.sets)) or "nothing"
    return [
        (f"to {found.target}", "\n".join(line.strip() for line in found.way)),
        ("size", f"{size}{extra}: in {sets}"),
    ]


def _back(found: LoweredConstraint) -> str:
    plain = all(_is_identity(part.A) for part in found.parts)
    if plain and not found.extra:
        return "stands in the system of the derivative as it is: its dual and its gradients are those of its own rows"
    return (
        f"duals and gradients of what stands for it in {found.target} come back by Aᵀ, of size "
        f"{' and '.join(str(part.A.shape[::-1]) for part in found.parts)}; tangents go down by A. "
        "model.lowering(c, differentiated=True) shows the matrices"
    )


def _is_identity(A: Any) -> bool:
    return A.shape[0] == A.shape[1] and not (sp.eye_array(A.shape[0], format="csr") != A).nnz


def _says(store: Store, index: ConstraintIndex) -> str:
    """The constraint as it was written, its rows up to a few."""
    block, number = store.block(index.kind), store.number(index)
    rows = block.rows(number)
    words = [store.text_of(rows.take(np.array([k]))) for k in range(min(rows.m, _SHOWN))]
    text = ", ".join([*words, *(["..."] if rows.m > _SHOWN else [])])
    return f"{f'[{text}]' if index.kind[1].is_vector else text} in {block.set(number)!r}"
