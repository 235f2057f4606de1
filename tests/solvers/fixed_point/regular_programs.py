"""Random programs whose solution is a regular point: unique, with strictly complementary sides and independent rows."""

from __future__ import annotations

import numpy as np

from optangent.modelkit.form import Form
from optangent.solvers.testing.programs import form_of

__all__ = ["regular_form", "slot_matrix"]


def regular_form(seed: int, n: int = 20, m: int = 14, *, linear: bool = False, decades: float = 0.0) -> Form:
    """Equations, ranges and bounds, some met; all rows and columns in units up to so many decades apart.

    It is made from its solution: of n columns some are at a bound, and of the rows as many are met as leave the others
    columns determined (all of them in a linear program, which has a vertex then).
    """
    rng = np.random.default_rng([seed, linear])
    A, x = rng.standard_normal((m, n)), rng.standard_normal(n)
    at_bound, met = (n - m // 2, m // 2) if linear else (n // 4, m // 2)
    values = A @ x
    row_lower, row_upper = values - rng.uniform(0.5, 1.0, m), values + rng.uniform(0.5, 1.0, m)
    lower, upper = x - rng.uniform(0.5, 1.0, n), x + rng.uniform(0.5, 1.0, n)
    y, z = np.zeros(m), np.zeros(n)
    y[:met] = rng.choice([-1.0, 1.0], met) * rng.uniform(0.5, 1.0, met)
    row_lower[:met] = np.where(y[:met] > 0.0, values[:met], row_lower[:met])
    row_upper[:met] = np.where(y[:met] < 0.0, values[:met], row_upper[:met])
    row_lower[:2] = row_upper[:2] = values[:2]
    z[:at_bound] = rng.choice([-1.0, 1.0], at_bound) * rng.uniform(0.5, 1.0, at_bound)
    lower = np.where(z > 0.0, x, lower)
    upper = np.where(z < 0.0, x, upper)
    lower[-1], upper[-2], row_upper[-1] = -np.inf, np.inf, np.inf
    P = np.zeros((n, n))
    if not linear:
        factor = rng.standard_normal((n, n)) / np.sqrt(n)
        P = factor @ factor.T + 0.1 * np.eye(n)
    q = A.T @ y + z - P @ x
    D, E = 10.0 ** rng.uniform(-decades / 2, decades / 2, n), 10.0 ** rng.uniform(-decades / 2, decades / 2, m)
    return form_of(
        E[:, None] * A * D,
        (E * row_lower, E * row_upper),
        (lower / D, upper / D),
        D * q,
        None if linear else D[:, None] * P * D,
    )


def slot_matrix(form: Form) -> np.ndarray:
    """The coefficients of all slots, (slots, n)."""
    return np.vstack([form.A.toarray(), np.eye(form.n)])
