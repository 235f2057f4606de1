"""Layers of nonlinear models: a batch solved by Ipopt, with gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

pytest.importorskip("casadi")
torch = pytest.importorskip("torch")


def nonlinear() -> tuple[ot.Model, Any, Any]:
    """A model with operators of variables and parameters, of which one row binds at some of the parameters."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Ipopt))
    x, p = model.add_variables(2, lower=0.1, upper=3.0), model.add_parameters(np.array([1.0, 0.5]))
    model.add_constraint(p[1] * np.exp(x[0]) + x[1] ** 2 <= 2.5)
    model.minimize((x - p) @ (x - p) + p[0] * np.cos(x[0]) - np.log(x).sum())
    return model, x, p


THETA = np.array([[1.0, 0.5], [1.2, 0.8], [0.7, 0.9]])


def test_a_batch_and_its_gradients() -> None:
    """Outputs are those of the model; gradients agree with differences."""
    model, x, p = nonlinear()
    layer = ot.layers.TorchLayer(model, [p], [x])
    theta = torch.tensor(THETA, requires_grad=True)
    (out,) = layer(theta)
    for item, values in zip(THETA, out.detach().numpy(), strict=True):
        model.set_parameter_value(p, item)
        model.optimize()
        np.testing.assert_allclose(values, model.polished(x), rtol=1e-9)
    assert torch.autograd.gradcheck(lambda t: layer(t)[0], theta, eps=1e-6, atol=1e-7)


@pytest.mark.parametrize("row", [False, True])
def test_layers_of_quadratic_programs_that_are_not_convex(row: bool) -> None:
    """They are differentiated as nonlinear programs, which tell a saddle, and have gradients at minima."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Ipopt))
    x, p = model.add_variables(2, lower=-0.5, upper=2.0), model.add_parameter(0.3)
    if row:
        model.add_constraint(x[0] * x[0] + x[1] * x[1] >= 1.0)
        model.minimize((x[0] - p) * (x[0] - p) + 2 * x[1] * x[1])
    else:
        model.minimize(-(x[0] - p) * (x[0] - p) + (x[1] - p) * (x[1] - p))
    layer = ot.layers.TorchLayer(model, [p], [x])
    theta = torch.tensor([0.3, 0.6], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: layer(t)[0], theta, eps=1e-6, atol=1e-7)


def test_items_without_a_solution_are_told() -> None:
    """A local solver's failure is that of its item."""
    model, x, p = nonlinear()
    layer = ot.layers.TorchLayer(model, [p], [x], on_failure="nan")
    (out,) = layer(torch.tensor([[1.0, 0.5], [1.0, 1e3]], dtype=torch.float64))
    assert torch.isfinite(out[0]).all() and torch.isnan(out[1]).all()
