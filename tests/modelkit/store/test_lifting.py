"""Nonlinear functions in models: what is written is what is read, and users see no lifted variables."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import optangent as ot


def written() -> tuple[ot.Model, ot.ConstraintIndex]:
    """A model of many operators, and a constraint of it."""
    model = ot.Model()
    x, v, y = model.add_variable(name="x"), model.add_variables(2), model.add_variable(name="y")
    c = model.add_constraint(3 * np.sin(2 * x + y) - y**3 / x + np.exp(v).sum() <= 5.0, name="c")
    model.minimize((x - 1) ** 2 + x * y * np.cos(x) + np.log(v) @ np.ones(2))
    return model, c


def test_what_is_read() -> None:
    """Functions read as they were written; variables and kinds are the user's."""
    model, c = written()
    function = model.get(ot.ConstraintFunction(), c)
    assert type(function) is ot.ScalarNonlinearFunction
    assert repr(function) == "-y^3*(1 / x) + 3 sin(2 x + y) + exp(x[1]) + exp(x[2])"
    assert model.get(ot.NumberOfVariables()) == 4
    assert [x.value & 0xFF for x in model.get(ot.ListOfVariableIndices())] == [0, 1, 2, 3]
    assert model.get(ot.ListOfConstraintTypesPresent()) == [(ot.ScalarNonlinearFunction, ot.LessThan)]
    assert repr(model.get(ot.ObjectiveFunction())) == "x² + (x * y)*cos(x) - 2 x + log(x[1]) + log(x[2]) + 1"
    later = model.add_variable()
    assert repr(later) == "x[4]"
    assert r"\sin\left(2 \, x + y\right)" in function._repr_latex_()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies(copied: object) -> None:
    """Models and functions of them read the same when they come back."""
    model, c = written()
    twin = copied(model)  # type: ignore[operator]
    assert repr(twin.get(ot.ConstraintFunction(), c)) == repr(model.get(ot.ConstraintFunction(), c))
    x = model.variable_by_name("x")
    f = np.sin(x) ** 2 + np.sin(x) * x
    assert repr(copied(f)) == repr(f)  # type: ignore[operator]
    other = ot.Model()
    index_map = model.store.copy_to(other.store)
    assert repr(other.get(ot.ConstraintFunction(), index_map(c))) == repr(model.get(ot.ConstraintFunction(), c))


def test_equal_expressions_are_one_variable() -> None:
    """Common subexpressions are lifted once, whoever wrote them."""
    model = ot.Model()
    x = model.add_variables(3)
    model.add_constraint(np.sin(x).sum() <= 1.0)
    count = model.store.variable_count
    model.add_constraint(np.exp(np.sin(x)).sum() + np.sin(x) @ x <= 2.0)
    assert model.store.variable_count == count + 3


def test_variables_of_another_model_are_refused_inside_of_operators() -> None:
    """Nothing is added."""
    model, other = ot.Model(), ot.Model()
    x, y = model.add_variable(), other.add_variable()
    with pytest.raises(ot.InvalidIndex, match="another model"):
        model.add_constraint(np.sin(x + y) <= 1.0)
    assert model.store.variable_count == 1


def test_operators_are_registered_once() -> None:
    """A user's operator is one of the model's; names that are taken are refused."""
    softplus = ot.register_operator("softplus_of_test", 1, lambda u: np.log(1.0 + np.exp(u)))
    x = ot.Model().add_variable()
    assert repr(softplus(2 * x)) == "softplus_of_test(2 x[0])"
    with pytest.raises(ot.InvalidData, match="already"):
        ot.register_operator("sin", 1, np.sin)
    with pytest.raises(ot.InvalidData, match="identifier"):
        ot.register_operator("a b", 1, np.sin)


def test_ifelse() -> None:
    """A comparison inside of a function is zero or one."""
    x = ot.Model().add_variable()
    assert repr(ot.ifelse(x <= 1.0, x**2, 2 * x)) == "ifelse((x[0] <= 1), x[0]², 2 x[0])"
