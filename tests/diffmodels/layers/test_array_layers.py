"""Layers of arrays: parameters and outputs of several axes, with a batch in front."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import optangent as ot

RNG = np.random.default_rng(5)
Q, T = RNG.standard_normal((2, 2, 3)), RNG.uniform(-1.0, 0.5, (2, 3))


def make(kind: Any) -> Any:
    """(q, t) -> (x, part, slack, dual, value) of: minimize |x|²/2 - <q, x>, the sum over the first axis at most t."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    X = model.add_variables((2, 2, 3))
    q, t = model.add_parameters(np.zeros((2, 2, 3))), model.add_parameters(np.zeros((2, 3)))
    c = model.add_constraint(t >= X.sum(axis=0))
    model.minimize(0.5 * (X * X).sum() - np.vdot(q, X))
    return kind(model, [q, t], [X, X[1], (ot.ConstraintPrimal(), c), c, ot.ObjectiveValue()])


def by_hand(q: np.ndarray, t: np.ndarray) -> list[np.ndarray]:
    """The same: where the sum of q is too large, half of what is too much is taken off both."""
    excess = np.maximum(q.sum(-4 + 1) - t, 0.0)
    x = q - excess[..., None, :, :] / 2
    value = 0.5 * (x * x).sum((-3, -2, -1)) - (q * x).sum((-3, -2, -1))
    return [x, x[..., 1, :, :], t - x.sum(-3), excess / 2, value]


def test_torch_layer_of_arrays() -> None:
    """Values by hand, for one item and a batch, and derivatives by differences."""
    torch = pytest.importorskip("torch", reason="PyTorch is optional and not installed here")
    layer = make(ot.layers.TorchLayer)
    for batch in ((), (4,)):
        q, t = Q + RNG.standard_normal((*batch, 1, 1, 1)), T + RNG.standard_normal((*batch, 1, 1))
        found = layer(torch.tensor(q), torch.tensor(t))
        for got, want in zip(found, by_hand(q, t), strict=True):
            assert tuple(got.shape) == np.shape(want)
            np.testing.assert_allclose(got.numpy(), want, atol=1e-9)
    inputs = tuple(torch.tensor(one, requires_grad=True) for one in (Q, T))
    assert torch.autograd.gradcheck(layer, inputs, atol=1e-6)


def test_jax_layer_of_arrays() -> None:
    """Values and Jacobians by hand: at most two entries of x share an excess."""
    jax = pytest.importorskip("jax", reason='JAX is optional and not installed here: pip install "optangent[jax]"')
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        layer = make(ot.layers.JaxLayer)
        for got, want in zip(layer(Q, T), by_hand(Q, T), strict=True):
            assert got.shape == np.shape(want)
            np.testing.assert_allclose(got, want, atol=1e-9)
        jacobian = jax.jacrev(lambda q, t: layer(q, t)[0], argnums=1)(Q, T)
        active = (Q.sum(0) > T).astype(float)
        want = np.broadcast_to(np.einsum("ij,ik,jl->ijkl", active, np.eye(2), np.eye(3)) / 2, (2, 2, 3, 2, 3))
        np.testing.assert_allclose(jacobian, want, atol=1e-8)
    finally:
        jax.config.update("jax_enable_x64", before)


@pytest.mark.parametrize("solver", [ot.solvers.Clarabel, ot.solvers.SCS])
def test_outputs_that_share_variables(solver: Any) -> None:
    """A symmetric matrix, a row of it and its dual, twice: gradients add up."""
    torch = pytest.importorskip("torch", reason="PyTorch is optional and not installed here")
    model = ot.Model(ot.diff_optimizer(solver))
    X, P = model.add_variables((2, 2), symmetric=True), model.add_parameters(np.zeros((2, 2)))
    c = model.add_constraint(X >> 0)
    model.minimize(((X - P) * (X - P)).sum())
    layer = ot.layers.TorchLayer(model, [P], [X, X[0], c, c, X.T, ot.ObjectiveValue(), ot.ObjectiveValue()])
    given = np.array([[1.0, 1.5], [0.5, -2.0]])
    weights = [RNG.standard_normal(shape) for shape in ((2, 2), 2, 3, 3, (2, 2), (), ())]

    def loss(M: np.ndarray) -> float:
        values, V = np.linalg.eigh((M + M.T) / 2)
        x = V * values.clip(0.0) @ V.T
        y = 2.0 * (x - (M + M.T) / 2)[[0, 0, 1], [0, 1, 1]]
        value = ((x - M) ** 2).sum()
        parts = zip(weights, (x, x[0], y, y, x, value, value), strict=True)
        return float(sum(np.vdot(w, part) for w, part in parts))

    p = torch.tensor(given, requires_grad=True)
    total = sum((torch.tensor(w) * part).sum() for w, part in zip(weights, layer(p), strict=True))
    assert total.item() == pytest.approx(loss(given), abs=1e-6)
    total.backward()
    h, want = 1e-5, np.zeros((2, 2))
    for i, j in np.ndindex(2, 2):
        step = np.zeros((2, 2))
        step[i, j] = h
        want[i, j] = (loss(given + step) - loss(given - step)) / (2 * h)
    np.testing.assert_allclose(p.grad.numpy(), want, atol=1e-6)
