"""Layers obey the `DifferentiationPolicy` of their model, on either route."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

from .small_models import interval, solved

ROUTES = pytest.mark.parametrize("chosen", [None, ot.QuadraticDiff], ids=["dense", "general"])
CODES = ot.DifferentiationStatusCode
AT_KINK = [[1.0, 3.0], [0.0, 3.0]]
BOTH, ONES = np.arange(2), np.ones((2, 1))


def layer(word: Any, chosen: Any) -> tuple[Any, Any, Any]:
    """An interval's nearest point to zero, with a policy."""
    parts = interval()
    parts[0].set(ot.ModelConstructor(), chosen)
    parts[0].set(ot.DifferentiationPolicy(), word)
    return parts


@ROUTES
@pytest.mark.parametrize("executor", [None, "threads"])
def test_an_item_at_a_kink_fails_where_exact_derivatives_are_wanted(chosen: Any, executor: Any) -> None:
    """It is named or, if failures are passed over, has no gradient and a reason; the others have theirs."""
    call, _ = solved(layer("exact", chosen), AT_KINK, executor=executor)
    with pytest.raises(ot.layers.UnsolvedItems, match=r"1 of 2 items has no derivative: item 1 .*WEAKLY_ACTIVE"):
        call.derivative("vjp", BOTH, ONES)
    call, _ = solved(layer("exact", chosen), AT_KINK, executor=executor, on_failure="nan")
    for mode, directions in (("vjp", ONES), ("jvp", np.ones((2, 2)))):
        found = call.derivative(mode, BOTH, directions)
        assert found[0].any() and not found[1].any()
    assert "exact" in call.reasons[1] and not call.reasons[0]
    assert call.batch.differentiation_status == [CODES.EXACT, CODES.NOT_DIFFERENTIATED]


@ROUTES
def test_one_sided_derivatives_of_layers(chosen: Any) -> None:
    """In forward mode, without a warning; reverse mode fails in words at the kink alone."""
    call, _ = solved(layer("directional", chosen), [[0.0, 3.0]] * 2, on_failure="nan")
    moves = np.array([[1.0, 0.0], [-1.0, 0.0]])
    np.testing.assert_allclose(call.derivative("jvp", BOTH, moves), [[1.0], [0.0]], atol=1e-12)
    assert call.batch.differentiation_status == [CODES.ONE_SIDED] * 2
    call, _ = solved(layer("directional", chosen), AT_KINK, on_failure="nan")
    np.testing.assert_allclose(call.derivative("vjp", BOTH, ONES), [[1.0, 0.0], [0.0, 0.0]], atol=1e-12)
    assert "not linear" in call.reasons[1] and not call.reasons[0]


@ROUTES
def test_least_norm_of_layers(chosen: Any) -> None:
    """The bound that is weakly active is left out, in both modes."""
    call, _ = solved(layer("least_norm", chosen), [[0.0, 3.0]])
    with pytest.warns(ot.DifferentiationWarning, match="WEAKLY_ACTIVE"):
        assert not call.derivative("vjp", BOTH[:1], ONES[:1]).any()
    assert not call.derivative("jvp", BOTH[:1], np.ones((1, 2))).any()


@ROUTES
def test_smoothed_derivatives_of_layers(chosen: Any) -> None:
    """Outputs stay those of the solution; derivatives are smoothed at every item, and both modes agree."""
    call, outputs = solved(layer(ot.Smoothed(0.01), chosen), AT_KINK)
    np.testing.assert_allclose(outputs, [[1.0], [0.0]], atol=1e-9)
    pulled = call.derivative("vjp", BOTH, ONES)
    assert call.batch.differentiation_status == [CODES.SMOOTHED] * 2
    for k in range(2):
        moves = np.tile(np.eye(2)[k], (2, 1))
        np.testing.assert_allclose(call.derivative("jvp", BOTH, moves)[:, 0], pulled[:, k], atol=1e-12)
    assert (pulled[:, 0] > 0.0).all() and (pulled[:, 0] < 1.0).all() and (pulled[:, 1] > 0.0).all()
