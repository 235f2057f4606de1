"""Solver classes that others write: bases in between, arguments of their own, and what a wrapper must declare."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.form import Abilities, Form, Journal
from optangent.modelkit.model.remaking import recipe, remade
from optangent.solvers.contract import Start


class Base(ot.solvers.Solver):
    """A base of wrappers, which declares nothing yet."""


class Narrow(ot.solvers.Solver):
    """A wrapper around another solver, told by arguments what to do, one by place and one by name."""

    name = "Narrow"
    abilities = Abilities(cones=frozenset({ot.SecondOrderCone}))

    def __init__(self, digits: int, *, rounds: int, **options: Any) -> None:
        super().__init__(max_iter=rounds, **options)
        self.digits = digits

    def option_names(self) -> Any:
        """Those of the solver within."""
        return ot.solvers.Clarabel().option_names()

    def load(self, form: Form) -> None:
        """Make and load the solver within."""
        self.within = ot.solvers.Clarabel(**self.effective_options())
        self.within.load(form)

    def update(self, form: Form, journal: Journal) -> bool:
        """Change what it has loaded."""
        return self.within.update(form, journal)

    def run(self, form: Form, start: Start | None = None) -> ot.solvers.Result:
        """Have it run."""
        return self.within.run(form, start)


def test_a_wrapper_of_ones_own_solves() -> None:
    """What a wrapper declares is what models before it take, by bridges too, and a change reaches it."""
    model = ot.Model(lambda: Narrow(6, rounds=77))
    assert model.get(ot.SolverName()) == "Narrow"
    x = model.add_variables(2)
    assert model.supports_constraint(ot.VectorAffineFunction, ot.RotatedSecondOrderCone)
    with pytest.raises(ot.UnsupportedConstraint, match=r"ExponentialCone.*Narrow"):
        model.add_constraint(ot.vectorize([x[0], 1.0 + 0.0 * x[0], x[1]]), ot.ExponentialCone())
    c = model.add_constraint(ot.vectorize([2.0 + 0.0 * x[0], 1.0 * x[0], 1.0 * x[1]]), ot.SecondOrderCone(3))
    model.minimize(3.0 * x[0] + 4.0 * x[1])
    model.optimize()
    np.testing.assert_allclose(model.value(x), [-1.2, -1.6], atol=1e-6)
    np.testing.assert_allclose(model.dual(c), [5.0, 3.0, 4.0], atol=1e-6)
    model.modify(c, ot.VectorConstantChange(np.array([1.0, 0.0, 0.0])))
    model.optimize()
    np.testing.assert_allclose(model.value(x), [-0.6, -0.8], atol=1e-6)
    with pytest.raises(ot.UnsupportedAttribute, match="Narrow"):
        model.set(ot.TimeLimitSec(), 3.0)


def test_a_wrapper_without_declarations_is_refused_in_words() -> None:
    """What a wrapper has to declare is named when it is made."""

    class Empty(Base):
        """A wrapper that can do everything and says nothing."""

        load = run = option_names = lambda self, *args: None  # type: ignore[assignment]

    with pytest.raises(TypeError, match="Empty is a solver without name and abilities: declare them"):
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
    solver = again.meta_solver.optimizer
    assert type(solver) is Narrow and solver.digits == 6 and solver.options["max_iter"] == 88


def test_solvers_with_arguments_are_made_again() -> None:
    """By their recipe, and by themselves: with the arguments, and with what was set since."""
    one = Narrow(3, rounds=9)
    one.set_option(ot.RawOptimizerAttribute("tol_feas"), 1e-6)
    for again in (remade(recipe(one)), one.another()):
        assert type(again) is Narrow and again.digits == 3
        assert again.effective_options() == {"max_iter": 9, "tol_feas": 1e-6}


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
