"""What is called clearly solved is optimal by the rule of all models, in whatever units."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from optangent.diffmodels.layers.dense.clearly_solved import is_clearly_solved
from optangent.diffmodels.layers.dense.dense_numbers import Programs
from optangent.modelkit.form import Form
from optangent.modelkit.form.residuals import OPTIMAL_RESIDUAL, largest
from optangent.modelkit.form.slot_rows import SlotRows

ZEROS = 1


def solved(seed: int, units: float) -> tuple[Programs, np.ndarray, np.ndarray]:
    """Three programs in odd units, made of their solutions: an equality, two active rows and two that are not."""
    rng = np.random.default_rng(seed)
    L, F, x = rng.standard_normal((3, 4, 4)), rng.standard_normal((3, 5, 4)), rng.standard_normal((3, 4))
    y = np.concatenate([rng.standard_normal((3, 1)), rng.uniform(0.5, 1.5, (3, 2)), np.zeros((3, 2))], axis=1)
    D, E = units ** rng.uniform(-1.0, 1.0, (3, 4)), units ** rng.uniform(-1.0, 1.0, (3, 5))
    P = (L @ L.transpose(0, 2, 1)) * D[:, :, None] * D[:, None, :]
    F, x, y = F * E[:, :, None] * D[:, None, :], x / D, y / E
    g = -np.einsum("bij,bj->bi", F, x) + np.concatenate([np.zeros((3, 3)), rng.uniform(0.5, 1.5, (3, 2))], axis=1) * E
    q = np.einsum("bij,bi->bj", F, y) - np.einsum("bij,bj->bi", P, x)
    return Programs(P, q, F, g), x, y


def form_of(programs: Programs, k: int) -> Form:
    """One of them as a form, each row by its lower side."""
    form = Form()
    form.add_columns(4)
    upper = np.where(np.arange(5) < ZEROS, -programs.g[k], np.inf)
    form.add_rows(sp.csr_array(programs.F[k]), -programs.g[k], upper)
    form.set_objective(sp.csc_array(programs.P[k]), programs.q[k], 0.0)
    return form


@pytest.mark.parametrize("units", [1.0, 1e3, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_clear_is_optimal(seed: int, units: float) -> None:
    """Solutions to rounding are clear; of points further and further off none is that the rule would not pass."""
    programs, x, y = solved(seed, units)
    rng = np.random.default_rng(seed)
    assert is_clearly_solved(programs, x, y, ZEROS).all()
    said = []
    for size in 10.0 ** np.arange(-12.0, 0.0):
        near, dual = x * (1.0 + size * rng.standard_normal(x.shape)), y * (1.0 + size * rng.standard_normal(y.shape))
        clear = is_clearly_solved(programs, near, dual, ZEROS)
        said.append(clear.all())
        for k in np.flatnonzero(clear):
            of_slots = np.append(dual[k], np.zeros(4))
            assert largest(SlotRows(form_of(programs, k)), near[k], of_slots) <= OPTIMAL_RESIDUAL
    assert said[0] and not said[-1]


def test_what_is_never_clear() -> None:
    """A multiplier of the wrong sign, a violated row, a gradient that is not zero, and what overflows."""
    programs, x, y = solved(9, 1.0)
    bad = y.copy()
    bad[:, -1] = -1e-9
    assert not is_clearly_solved(programs, x, bad, ZEROS).any()
    assert not is_clearly_solved(programs._replace(g=programs.g - 1e-4), x, y, ZEROS).any()
    assert not is_clearly_solved(programs._replace(q=programs.q + 1e-4), x, y, ZEROS).any()
    assert not is_clearly_solved(programs, 1e200 * x, y, ZEROS).any()
