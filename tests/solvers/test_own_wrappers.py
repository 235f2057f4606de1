"""Solver classes that others write: bases in between, arguments of their own, and what a wrapper must declare."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.remaking import recipe, remade
from optangent.solvers.matrix_solver import MatrixSolver
from optangent.solvers.osqp import OSQP


class Base(MatrixSolver):
    """A base of wrappers, which declares nothing yet."""


class Narrow(ot.solvers.Clarabel):  # type: ignore[misc]
    """A solver that is told by arguments what to do, one by place and one by name."""

    def __init__(self, digits: int, *, rounds: int, **options: Any) -> None:
        super().__init__(max_iter=rounds, **options)
        self.digits = digits


def test_a_base_of_wrappers_declares_no_kinds() -> None:
    """`form_kinds` are the kinds where a class declares those, and else what it inherits."""
    assert Base.form_kinds == MatrixSolver.form_kinds == ()
    assert Narrow.form_kinds == ot.solvers.Clarabel.form_kinds

    class Faster(OSQP):  # type: ignore[misc]
        """Another OSQP."""

    assert Faster.form_kinds == OSQP.form_kinds != OSQP.kinds


def test_a_wrapper_without_declarations_is_refused_in_words() -> None:
    """What a wrapper has to declare is named when it is made."""

    class Empty(Base):
        """A wrapper that can do everything and says nothing."""

        load = run = option_names = lambda self, *args: None  # type: ignore[assignment]

    with pytest.raises(TypeError, match="Empty is a solver without name and kinds: declare them"):
        Empty()


@pytest.mark.parametrize("move", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_models_on_solvers_with_arguments_are_copied(move: Any) -> None:
    """A copy's solver is made with the arguments of the original, and has the options that were set since."""
    model = ot.Model(ot.diff_optimizer([lambda: Narrow(6, rounds=77, verbose=False), ot.solvers.HiGHS]))
    x = model.add_variable(lower=1.0)
    model.minimize(x * x)
    model.set(ot.RawOptimizerAttribute("max_iter"), 88)
    again = move(model)
    again.optimize()
    assert again.value(x) == pytest.approx(1.0, abs=1e-6)
    solver = next(iter(again.cache.candidates)).inner
    assert type(solver) is Narrow and solver.digits == 6 and solver.options["max_iter"] == 88


def test_bridge_layers_keep_their_bridges() -> None:
    """A layer that was given some bridges only is made again with those."""
    layer = ot.BridgeOptimizer(Narrow(3, rounds=9), bridges=[])
    again = remade(recipe(layer))
    assert again.inner.digits == 3 and again.inner.options["max_iter"] == 9
    assert not again.supports_constraint(ot.VariableIndex, ot.GreaterThan)
    assert remade(recipe(ot.BridgeOptimizer(Narrow(3, rounds=9)))).supports_constraint(ot.VariableIndex, ot.GreaterThan)


def test_layers_make_solvers_with_arguments() -> None:
    """A layer makes further solvers as the first was made."""
    jax = pytest.importorskip("jax")
    model = ot.Model(ot.diff_optimizer(lambda: Narrow(6, rounds=77)))
    v, p = model.add_variables(2), model.add_parameters(np.zeros(2))
    model.add_constraint(ot.vectorize([1.0 + 0.0 * v[0], v[0], v[1]]), ot.SecondOrderCone(3))
    model.minimize((v - p) @ (v - p))
    layer = ot.layers.JaxLayer(model, [p], [v])
    (out,) = layer(jax.numpy.array([[3.0, 4.0], [0.3, 0.4]]))
    np.testing.assert_allclose(out, [[0.6, 0.8], [0.3, 0.4]], atol=1e-6)
