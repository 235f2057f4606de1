"""Layers over solvers that differentiate themselves: there and back as by a diff model, in every framework."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.diffmodels.layers.dense.dense_state import DenseState
from optangent.diffmodels.layers.program import Program as LayerProgram
from optangent.diffmodels.own_solution import OwnSolution

from ...self_differentiating import CODES, SUBJECTS, Subject
from ..accurate import accurate_solver
from ..own_models import MODELS, ranges

EVERY = pytest.mark.parametrize("subject", SUBJECTS, ids=str)


@EVERY
@pytest.mark.parametrize("written", MODELS.values(), ids=MODELS)
def test_layers(written: Any, subject: Subject) -> None:
    """A batch through a layer, there and back, is that of a diff model; so are pickled items."""
    results = []
    for make, chosen in ((subject.make, None), (accurate_solver, ot.ConicDiff)):
        model, p = written(make)
        model.set(ot.ModelConstructor(), chosen)
        x = model.get(ot.ListOfVariableIndices())[:3]
        layer = LayerProgram(model, [p], [ot.VectorOfVariables(x)])
        rng = np.random.default_rng(7)
        thetas = np.array([model.parameter_value(one) for one in p]) + 0.05 * rng.standard_normal((4, len(p)))
        items = layer.solve_batch(thetas)
        assert not any(item.reason for item in items)
        items[3] = pickle.loads(pickle.dumps(items[3]))
        seeds, moves = rng.standard_normal((4, 3)), rng.standard_normal((4, len(p)))
        back = [item.vjp(seed) for item, seed in zip(items, seeds, strict=True)]
        there = [item.jvp(move) for item, move in zip(items, moves, strict=True)]
        pairs = [(s @ t, b @ m) for s, t, b, m in zip(seeds, there, back, moves, strict=True)]
        np.testing.assert_allclose(*zip(*pairs, strict=True), rtol=1e-9, atol=1e-12)
        results.append([np.array([item.outputs for item in items]), np.array(back), np.array(there)])
        assert [item.state.differentiation_status for item in items] == [CODES.EXACT] * 4
        if chosen is None:
            # small quadratic programs may go as stacks, which have systems of their own
            states = [item.state for item in items if not isinstance(item.state, DenseState)]
            own = all(isinstance(state.point.solution, OwnSolution) for state in states)
            assert own or subject.hands_over
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-7 * (1.0 + np.abs(theirs).max()))


@EVERY
def test_torch(subject: Subject) -> None:
    """A batch through a PyTorch layer passes PyTorch's own check of gradients, and is told to be exact."""
    torch = pytest.importorskip("torch", reason='PyTorch is optional: pip install "optangent[torch]"')
    model, p = ranges(subject.make)
    layer = ot.layers.TorchLayer(model, [p], [model.get(ot.ListOfVariableIndices())[:4]])
    theta = torch.tensor([[1.0, 2.0, 0.5], [1.1, 1.9, 0.45]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (theta,), eps=1e-5, atol=1e-5)
    (x,) = layer(theta)
    x.sum().backward()
    assert layer.differentiation_status == [CODES.EXACT] * 2


@EVERY
def test_jax(subject: Subject) -> None:
    """Both modes of a JAX layer are those of a layer with the diff model."""
    jax = pytest.importorskip("jax", reason='JAX is optional: pip install "optangent[jax]"')
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        found = []
        for make, chosen in ((subject.make, None), (accurate_solver, ot.ConicDiff)):
            model, p = ranges(make)
            model.set(ot.ModelConstructor(), chosen)
            layer = ot.layers.JaxLayer(model, [p], [model.get(ot.ListOfVariableIndices())[:4]])
            theta = jax.numpy.array([1.0, 2.0, 0.5])
            found.append((np.asarray(jax.jacfwd(layer)(theta)), np.asarray(jax.jacrev(layer)(theta))))
        for ours in found[0]:
            np.testing.assert_allclose(ours, found[1][0], atol=1e-7)
    finally:
        jax.config.update("jax_enable_x64", before)
