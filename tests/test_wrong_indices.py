"""What is no index is refused in words, wherever an index is asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

import optangent as ot
from optangent.modelkit.attributes import On


class Known:
    """A model that is solved and differentiated in both modes, and what is in it."""

    def __init__(self) -> None:
        self.m = m = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        self.x, self.v = m.add_variable("x", lower=0.0), m.add_variables(2, "v")
        self.p = m.add_parameter(1.0, "p")
        self.c = m.add_constraint(self.x + self.v[0] >= self.p, name="c")
        m.minimize(self.x * self.x + self.v @ self.v)
        m.optimize()
        m.set(ot.ReverseVariablePrimal(), self.x, 1.0)
        m.set(ot.ForwardParameterValue(), self.p, 1.0)
        m.reverse_differentiate()
        m.forward_differentiate()


class Leaf:
    """What holds variables in its `ids`, as the leaf of a CVXPY parameter does."""

    ids = ot.Model().add_variables(2)


KNOWN = Known()
WRONG: dict[str, Callable[[], Any]] = {
    "a name": lambda: "x",
    "bytes": lambda: b"x",
    "a dict": lambda: {"a": 1},
    "a number": lambda: 1.5,
    "a whole number": lambda: 3,
    "an object": object,
    "a nested list": lambda: [["x"]],
    "a list of names": lambda: ["x", "c"],
    "a list with a number": lambda: [KNOWN.x, 1.5],
    "a comparison": lambda: KNOWN.x + 0.0 <= 1,
    "a leaf": Leaf,
    "an array": lambda: np.ones(2),
    "nothing": lambda: None,
}
EVERY = [a for a in map(vars(ot).get, ot.modelkit.attributes.__all__) if isinstance(a, type) and hasattr(a, "on")]
ATTRIBUTES = [a() for a in EVERY if a.on in (On.VARIABLE, On.CONSTRAINT)]


def _get(attribute: Any, model: Any, index: Any) -> Any:
    return model.get(attribute, index)


def _set(attribute: Any, model: Any, index: Any) -> Any:
    return model.set(attribute, index, 1.0)


CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "value": lambda m, one: m.value(one),
    "dual": lambda m, one: m.dual(one),
    "polished": lambda m, one: m.polished(one),
    "delete": lambda m, one: m.delete(one),
    "modify": lambda m, one: m.modify(one, ot.ScalarConstantChange(1.0)),
    "set_parameter_value": lambda m, one: m.set_parameter_value(one, 2.0),
    "parameter_value": lambda m, one: m.parameter_value(one),
    "is_valid": lambda m, one: _refuse(m.is_valid(one)),
    **{f"get {a!r}": partial(_get, a) for a in ATTRIBUTES},
    **{f"set {a!r}": partial(_set, a) for a in ATTRIBUTES if a.settable},
}


def _refuse(found: bool) -> None:
    assert not found
    raise ot.InvalidIndex


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_is_no_index_is_refused(call: Any) -> None:
    """Whatever stands in the place of an index raises one of our errors, and nothing has changed."""
    before = str(KNOWN.m)
    for name, wrong in WRONG.items():
        given = wrong()
        with pytest.raises(ot.OptangentError):
            print(name, call(KNOWN.m, given))  # shown if it was taken
    assert str(KNOWN.m) == before
    assert KNOWN.m.value([KNOWN.x, KNOWN.p]) == pytest.approx([0.5, 1.0])


def test_the_error_says_how_to_look_a_name_up() -> None:
    """A name given for an index is answered with the method that finds it; so are the variables of a leaf."""
    for ask in (KNOWN.m.value, KNOWN.m.dual, KNOWN.m.polished, lambda one: KNOWN.m.get(ot.VariableName(), one)):
        with pytest.raises(ot.InvalidIndex, match=r"'x'.*variable_by_name"):
            ask("x")
        with pytest.raises(ot.InvalidIndex, match="ids"):
            ask(Leaf())
    assert KNOWN.m.value(KNOWN.m.variable_by_name("x")) == pytest.approx(0.5)


@pytest.mark.parametrize("name", [None, 1.5, {"a": 1}, ["x"], KNOWN.x], ids=repr)
def test_names_are_strings(name: Any) -> None:
    """Looking up what is no string says so."""
    for look_up in (KNOWN.m.variable_by_name, KNOWN.m.constraint_by_name):
        with pytest.raises(ot.InvalidData, match="A name is a string"):
            look_up(name)


def test_tangents_of_a_parameter_of_cvxpy() -> None:
    """The leaf of a parameter is no index; its `ids` are, with the tangent lowered to them."""
    cp = pytest.importorskip("cvxpy")
    b, z = cp.Parameter(3, name="b", value=[1.0, 2.0, 3.0]), cp.Variable(3, name="z")
    made = ot.from_cvxpy(cp.Problem(cp.Minimize(cp.sum_squares(z - b)), [z >= 0]))
    leaf = made.parameter("b")
    assert made.parameter(leaf) is leaf
    with pytest.raises(ot.InvalidIndex, match="ids"):
        made.model.set(ot.ForwardParameterValue(), leaf, np.ones(3))
    with pytest.raises(ot.InvalidIndex, match="ids"):
        made.model.get(ot.ReverseParameterValue(), leaf)
    made.model.optimize()
    made.model.set(ot.ForwardParameterValue(), leaf.ids, leaf.lower(np.array([1.0, 0.0, 2.0])))
    made.model.forward_differentiate()
    moved = made.variable("z").lift(made.model.get(ot.ForwardVariablePrimal(), made.variable("z").ids))
    np.testing.assert_allclose(moved, [1.0, 0.0, 2.0], atol=1e-9)
    with pytest.raises(ot.InvalidData, match="no parameter"):
        made.parameter(1.5)
