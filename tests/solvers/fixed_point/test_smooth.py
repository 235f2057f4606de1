"""Smooth objectives by ADMM with Newton steps: entropy layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.solvers.fixed_point.smooth import Entropy, differentiated
from optangent.solvers.testing.programs import form_of

CODES = ot.DifferentiationStatusCode


def simplex(c: np.ndarray, cap: float = np.inf) -> Any:
    """``min Σ x log x - cᵀx`` over the simplex, with entries below a cap."""
    n = len(c)
    return form_of(np.ones((1, n)), ([1.0], [1.0]), (np.full(n, -np.inf), np.full(n, cap)), -c)


def test_softmax() -> None:
    """Solution and Jacobian are those in closed form, to rounding and, truncated, to what is told."""
    c = 2.0 * np.random.default_rng(0).standard_normal(40)
    e = np.exp(c) / np.exp(c).sum()
    jacobian = np.diag(e) - np.outer(e, e)
    for options, tolerance in (({}, 1e-10), ({"exact": False, "tolerance": 1e-5}, 3e-4)):
        derivative = differentiated(Entropy(), simplex(c), **options)
        assert derivative.status is (CODES.TRUNCATED if options else CODES.EXACT)
        np.testing.assert_allclose(derivative.x, e, atol=tolerance)
        slots = np.zeros((41, 40))
        for found in (derivative.push(np.eye(40), slots)[0], derivative.pull(np.eye(40), slots)[0]):
            np.testing.assert_allclose(found, jacobian, atol=tolerance)


def test_softmax_with_a_cap() -> None:
    """Entries at their cap do not move; the others are a softmax of what is left; by central differences."""
    c = 2.0 * np.random.default_rng(1).standard_normal(12)
    derivative = differentiated(Entropy(), simplex(c, 0.15))
    assert derivative.status is CODES.EXACT
    at_cap = derivative.x > 0.15 - 1e-12
    assert 0 < at_cap.sum() < 6
    d = np.random.default_rng(2).standard_normal(12)
    dx, _ = derivative.push(d[:, None], np.zeros((13, 1)))
    plus, minus = (differentiated(Entropy(), simplex(c + step * d, 0.15)).x for step in (1e-5, -1e-5))
    np.testing.assert_allclose(dx[:, 0], (plus - minus) / 2e-5, atol=1e-8)
    assert not dx[at_cap].any()


def test_what_is_refused() -> None:
    """Options out of range and unknown ones, a tolerance that is not met, and a weight that is none."""
    form = simplex(np.zeros(3))
    with pytest.raises(ot.InvalidData, match="a positive number, or None"):
        differentiated(Entropy(), form, rho=-1.0)
    with pytest.raises(ot.InvalidData, match="no option 'rhoo'"):
        differentiated(Entropy(), form, rhoo=1.0)
    with pytest.raises(ot.InvalidData, match="reached primal"):
        differentiated(Entropy(), form, exact=False, tolerance=1e-30, max_iterations=50)
    with pytest.raises(ot.InvalidData, match="weight"):
        Entropy(0.0)
    with pytest.raises(ot.InvalidData, match="linear rows, bounds and q"):
        differentiated(
            Entropy(), form_of(np.ones((1, 2)), ([1.0], [1.0]), ([0.0] * 2, [1.0] * 2), [0.0] * 2, np.eye(2))
        )
