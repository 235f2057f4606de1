"""Programs of all that a file holds, at random: ranges, free rows, whole and semicontinuous columns, curvature."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from optangent.modelkit.form import Discreteness
from optangent.solvers.files.program import Program

_NUMBERS = (1.0, -1.0, 0.0, 1 / 3, -2.5, 1e-7 / 3, 1e10 / 7, -12345.678)


def random_program(seed: int) -> Program:
    """One of them; every third has curvature, of any sign, and then no discrete columns."""
    rng = np.random.default_rng(seed)
    n, m, curved = int(rng.integers(1, 7)), int(rng.integers(0, 7)), seed % 3 == 0
    kinds = np.zeros(n, np.uint8) if curved else rng.integers(0, 4, n).astype(np.uint8)
    lower = rng.choice([-np.inf, 0.0, -3.3, 1.0, -1 / 3], n)
    upper = rng.choice([np.inf, 1.0, 5.0, 1.5, 7 / 3], n)
    semi = kinds >= Discreteness.SEMICONTINUOUS
    lower = np.where(semi, rng.choice([0.0, 1 / 3], n), lower)
    upper = np.where(semi, rng.choice([3.0, 10 / 3, 1e5], n), upper)
    row_lower = rng.choice([-np.inf, 0.0, -3.3, 1.0, -1 / 3, -1e9 / 7], m)
    row_upper = rng.choice([np.inf, 1.0, 5.0, 1.5, 7 / 3, 1e9 / 3], m)
    equal = np.isfinite(row_lower) & (rng.random(m) < 0.3)
    A = sp.csr_array(np.where(rng.random((m, n)) < 0.5, rng.choice(_NUMBERS, (m, n)), 0.0))
    Q = np.zeros((n, n))
    if curved:
        Q = np.where(rng.random((n, n)) < 0.5, rng.normal(size=(n, n)), 0.0)
    return Program(
        "a name" if seed % 2 else "",
        [f"x[{j}]" if seed % 2 else f"x{j}" for j in range(n)],
        [f"r{i}" for i in range(m)],
        bool(seed % 5 < 2),
        sp.csc_array(Q + Q.T),
        rng.choice(_NUMBERS, n),
        float(rng.choice(_NUMBERS)),
        A,
        row_lower,
        np.where(equal, row_lower, row_upper),
        lower,
        upper,
        kinds,
    )
