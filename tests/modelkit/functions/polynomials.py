"""Functions as plain dictionaries, against which the arrays are tested."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

import optangent as ot

Polynomial = dict[tuple[int, ...], float]
"""{sorted variables: coefficient of the written-out polynomial}, without zeros."""


def polynomials(f: Any) -> list[Polynomial]:
    """Rows of a function or number as {sorted identifiers: coefficient}, without zeros."""
    if not isinstance(f, ot.Function):
        return [{(): float(value)} if value else {} for value in np.atleast_1d(f)]
    rows = f.rows
    found: list[Counter[tuple[int, ...]]] = [Counter({(): c}) for c in rows.constant.tolist()]
    for r, i, c in zip(rows.row.tolist(), rows.var.tolist(), rows.coef.tolist(), strict=True):
        found[r][(i,)] += c
    quadratic = (rows.qrow.tolist(), rows.qvar1.tolist(), rows.qvar2.tolist(), rows.qcoef.tolist())
    for r, i, j, c in zip(*quadratic, strict=True):
        found[r][(min(i, j), max(i, j))] += c
    if rows.higher is not None:
        for r, factors, c in zip(
            *(a.tolist() for a in (rows.higher.row, rows.higher.factors, rows.higher.coef)), strict=True
        ):
            found[r][tuple(sorted(i for i in factors if i >= 0))] += c
    return [{k: c for k, c in row.items() if c} for row in found]
