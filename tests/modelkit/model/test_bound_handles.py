"""Bounds by name of the variable: what becomes of the constraints underneath, and of solutions."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import optangent as ot

INF = np.inf


def bounds(model: ot.Model) -> dict[str, list[str]]:
    """The sets of plain variables by name, in alphabetical order."""
    found: dict[str, list[str]] = {}
    for kind in model.get(ot.ListOfConstraintTypesPresent()):
        for c in model.get(ot.ListOfConstraintIndices(*kind)) if kind[0] is ot.VariableIndex else ():
            found.setdefault(model.name_of(c.value), []).append(repr(model.get(ot.ConstraintSet(), c)))
    return {name: sorted(sets) for name, sets in found.items()}


STATES: dict[str, tuple[dict[str, Any], Any, list[str]]] = {
    "lower, none before": ({}, lambda m, x: m.set_lower(x, 1.0), ["GreaterThan(1.0)"]),
    "upper, none before": ({}, lambda m, x: m.set_upper(x, 1.0), ["LessThan(1.0)"]),
    "another lower": ({"lower": 0.0}, lambda m, x: m.set_lower(x, 1.0), ["GreaterThan(1.0)"]),
    "another upper": ({"upper": 0.0}, lambda m, x: m.set_upper(x, 1.0), ["LessThan(1.0)"]),
    "beside": ({"upper": 2.0}, lambda m, x: m.set_lower(x, 1.0), ["GreaterThan(1.0)", "LessThan(2.0)"]),
    "lower taken away": ({"lower": 0.0}, lambda m, x: m.set_lower(x, None), []),
    "upper taken away": ({"upper": 0.0}, lambda m, x: m.set_upper(x, INF), []),
    "none taken away": ({}, lambda m, x: m.set_lower(x, -INF), []),
    "of an interval": ({"lower": 0.0, "upper": 2.0}, lambda m, x: m.set_lower(x, 1.0), ["Interval(1.0, 2.0)"]),
    "to a point": ({"lower": 0.0, "upper": 2.0}, lambda m, x: m.set_lower(x, 2.0), ["Interval(2.0, 2.0)"]),
    "half an interval": ({"lower": 0.0, "upper": 2.0}, lambda m, x: m.set_upper(x, None), ["Interval(0.0, inf)"]),
    "fixed": ({}, lambda m, x: m.fix(x, 1.0), ["EqualTo(1.0)"]),
    "fixed within": ({"lower": 0.0, "upper": 2.0}, lambda m, x: m.fix(x, 1.0), ["Interval(1.0, 1.0)"]),
    "fixed within, twice": (
        {"lower": 0.0, "upper": 2.0},
        lambda m, x: (m.fix(x, 1.0), m.fix(x, 2.0), m.unfix(x), m.set_lower(x, 1.0)),
        ["Interval(1.0, 2.0)"],
    ),
    "freed, moved, fixed": (
        {"lower": 0.0, "upper": 2.0},
        lambda m, x: (m.fix(x, 1.0), m.unfix(x), m.set_upper(x, 5.0), m.fix(x, 4.0), m.unfix(x)),
        ["Interval(0.0, 5.0)"],
    ),
    "fixed elsewhere": ({"at": 3.0}, lambda m, x: m.fix(x, 1.0), ["EqualTo(1.0)"]),
    "fixed twice": ({"lower": 0.0}, lambda m, x: (m.fix(x, 1.0), m.fix(x, 2.0)), ["EqualTo(2.0)"]),
    "freed": ({"lower": 0.0, "upper": 2.0}, lambda m, x: (m.fix(x, 1.0), m.unfix(x)), ["Interval(0.0, 2.0)"]),
    "freed after two": ({"lower": 0.0}, lambda m, x: (m.fix(x, 1.0), m.fix(x, 2.0), m.unfix(x)), ["GreaterThan(0.0)"]),
    "freed of an equation": ({"at": 3.0}, lambda m, x: m.unfix(x), []),
    "a whole number": (
        {"integer": True, "lower": 0.0},
        lambda m, x: m.set_upper(x, 4),
        ["GreaterThan(0.0)", "Integer()", "LessThan(4.0)"],
    ),
}


@pytest.mark.parametrize("what", STATES)
@pytest.mark.parametrize("shape", [(), (2,), (2, 2)])
def test_what_becomes_of_the_constraints(what: str, shape: tuple[int, ...]) -> None:
    """For one variable and for arrays: the owner of a side changes, comes, goes, or is put aside."""
    before, change, after = STATES[what]
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variables(shape, "x", **{key: value for key, value in before.items() if key != "at"})
    if "at" in before:
        for one in np.ravel(x):
            model.add_constraint(one, ot.EqualTo(before["at"]))
    change(model, x)
    names = [model.name_of(i) for i in np.ravel(x.value if not shape else x.ids).tolist()]
    assert bounds(model) == (dict.fromkeys(names, after) if after else {})


def test_arrays_of_bounds() -> None:
    """Numbers broadcast to the shape; some variables may have owners of one sort and some of another."""
    model = ot.Model(ot.solvers.HiGHS)
    X = model.add_variables((2, 3), "X")
    model.set_lower(X[0], [0.0, -INF, 2.0])
    model.set_upper(X[:, :2], [[4.0], [5.0]])
    model.set_lower(X, np.array([[1.0], [-INF]]))
    model.fix([X[1, 2], X[1, 1]], 3.0)
    assert bounds(model) == {
        "X[0,0]": ["GreaterThan(1.0)", "LessThan(4.0)"],
        "X[0,1]": ["GreaterThan(1.0)", "LessThan(4.0)"],
        "X[0,2]": ["GreaterThan(1.0)"],
        "X[1,0]": ["LessThan(5.0)"],
        "X[1,1]": ["EqualTo(3.0)"],
        "X[1,2]": ["EqualTo(3.0)"],
    }
    S = model.add_variables((2, 2), "S", symmetric=True)
    model.set_upper(S, [[1.0, 2.0], [2.0, 3.0]])
    with pytest.raises(ot.InvalidData, match=r"set_upper of S\[0,1\]: got .*a variable has one"):
        model.set_upper(S, [[1.0, 2.0], [4.0, 3.0]])


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "above": (lambda m, n: m.set_lower(n["v"], [1.0, 6.0]), ot.InvalidData, r"set_lower of v\[1\]: .* 6.0 .* 5.0"),
    "below": (lambda m, n: m.set_upper(n["x"], -1.0), ot.InvalidData, "set_upper of x: .* 0.0 .* -1.0"),
    "nan": (lambda m, n: m.set_lower(n["v"], [1.0, np.nan]), ot.InvalidData, r"set_lower of v\[1\].*nan"),
    "wrong infinity": (lambda m, n: m.set_upper(n["x"], -INF), ot.InvalidData, "set_upper of x.*-inf"),
    "no number": (lambda m, n: m.set_lower(n["x"], "a"), ot.InvalidData, "'a'"),
    "shape": (lambda m, n: m.set_lower(n["v"], [1.0, 2.0, 3.0]), ot.DimensionMismatch, "2 numbers"),
    "no variable": (lambda m, n: m.set_lower(2 * n["x"], 1.0), ot.InvalidIndex, "2 x"),
    "not plain": (lambda m, n: m.fix(n["v"][:, None] * 2.0, 1.0), ot.InvalidData, "plain variables"),
    "a name": (lambda m, n: m.set_lower("x", 1.0), ot.InvalidIndex, "variable_by_name"),
    "fixed": (lambda m, n: m.set_lower([n["x"], n["f"]], 1.0), ot.BoundAlreadySet, "f is fixed at 7.0.*unfix"),
    "a parameter": (
        lambda m, n: m.fix([n["x"], n["p"]], 1.0),
        ot.BoundAlreadySet,
        "p is in a Parameter.*set_parameter",
    ),
    "semicontinuous": (lambda m, n: m.set_upper(n["s"], 1.0), ot.BoundAlreadySet, "s is in a Semicontinuous"),
    "fixed in its interval": (lambda m, n: m.set_upper(n["i"], 9.0), ot.BoundAlreadySet, "i is fixed at 2.0"),
    "outside of what is put aside": (lambda m, n: m.fix(n["i"], 4.0), ot.InvalidData, "fix of i: 4.0 .* 1.0 to 3.0"),
    "outside": (lambda m, n: m.fix(n["v"], 6.0), ot.InvalidData, r"fix of v\[0\]: 6.0 .* -inf to 5.0"),
    "infinite": (lambda m, n: m.fix(n["x"], INF), ot.InvalidData, "fix of x takes a finite value, got inf"),
    "not fixed": (lambda m, n: m.unfix([n["f"], n["x"]]), ot.InvalidData, "unfix: x is not fixed"),
    "foreign": (lambda m, n: m.fix(ot.Model().add_variable(), 1.0), ot.InvalidIndex, "another model"),
    "deleted": (lambda m, n: m.set_lower([n["x"], n["gone"]], 1.0), ot.InvalidIndex, "has been deleted"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused_bounds_change_nothing(what: str) -> None:
    """The error names the variable and what to do, and all bounds are as before."""
    model = ot.Model(ot.solvers.HiGHS)
    named: dict[str, Any] = {name: model.add_variable(name) for name in ("x", "f", "s", "gone")}
    named |= {"v": model.add_variables(2, "v"), "p": model.add_parameter(1.0, "p")}
    named["i"] = model.add_variable("i", lower=1.0, upper=3.0)
    model.fix(named["i"], 2.0)
    model.set_lower(named["x"], 0.0)
    model.set_upper(named["v"], 5.0)
    model.fix(named["f"], 7.0)
    model.add_constraint(named["s"], ot.Semicontinuous(1.0, 2.0))
    model.delete(named["gone"])
    before = str(model)
    make, error, words = REFUSED[what]
    with pytest.raises(error, match=words):
        make(model, named)
    assert str(model) == before


# ---------------------------------------------------------------------- solutions
@pytest.mark.parametrize("solver", [ot.solvers.HiGHS, ot.solvers.Clarabel, ot.solvers.OSQP])
def test_solutions_follow_the_bounds(solver: Any) -> None:
    """After each of many random changes, values and reduced costs are those of a model built with these bounds."""
    rng = np.random.default_rng(17)
    n = 4
    L = rng.standard_normal((n, n))
    P, q = L @ L.T + np.eye(n), 3.0 * rng.standard_normal(n)
    model = ot.Model(solver)
    v = model.add_variables(n, lower=[-INF, -1.0, -1.0, -INF], upper=[INF, 1.0, 1.0, INF])
    model.minimize(0.5 * (v @ P @ v) - q @ v)
    low, high, at = np.array([-INF, -1.0, -1.0, -INF]), np.array([INF, 1.0, 1.0, INF]), np.full(n, np.nan)
    for _ in range(25):
        which = np.flatnonzero(rng.random(n) < 0.5)
        free = which[np.isnan(at[which])]
        new = rng.uniform(-1.0, 1.0, len(free))
        new[rng.random(len(free)) < 0.2] = INF
        choice = rng.integers(4)
        if choice == 0:
            model.set_lower(v[free], low_new := np.minimum(-new, high[free]))
            low[free] = low_new
        elif choice == 1:
            model.set_upper(v[free], high_new := np.maximum(new, low[free]))
            high[free] = high_new
        elif choice == 2:
            at[which] = rng.uniform(low[which].clip(-1.0, 1.0), high[which].clip(-1.0, 1.0))
            at[which] = at[which].clip(low[which], high[which])
            model.fix(v[which], at[which])
        else:
            fixed = np.flatnonzero(~np.isnan(at))
            model.unfix(v[fixed])
            at[fixed] = np.nan
        model.optimize()
        fresh = ot.Model(solver)
        held = ~np.isnan(at)
        w = fresh.add_variables(n, lower=np.where(held, at, low), upper=np.where(held, at, high))
        fresh.minimize(0.5 * (w @ P @ w) - q @ w)
        fresh.optimize()
        np.testing.assert_allclose(model.value(v), fresh.value(w), atol=2e-5)
        np.testing.assert_allclose(model.reduced_cost(v), fresh.reduced_cost(w), atol=2e-4)
        np.testing.assert_allclose(model.reduced_cost(v), P @ model.value(v) - q, atol=2e-4)


def test_reduced_costs() -> None:
    """Of two bounds the sum, of a parameter that of its value, without bounds zero; of whole numbers none."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    X = model.add_variables((2, 2), lower=0.0)
    model.set_upper(X[0], 1.0)
    p, z = model.add_parameter(2.0), model.add_variable()
    model.add_constraint(z - p * X[0, 0] >= 0)
    model.minimize(np.vdot([-1.0, 2.0, 3.0, 0.5], X) + 0.25 * z)
    with pytest.raises(ot.NotOptimized, match="no dual solution"):
        model.reduced_cost(X)
    model.optimize()
    np.testing.assert_allclose(model.reduced_cost(X), [[-0.5, 2.0], [3.0, 0.5]], atol=1e-9)
    assert model.reduced_cost(z) == 0.0 and model.reduced_cost(p) == pytest.approx(0.25, abs=1e-9)
    assert model.reduced_cost([X[0, 1], z]).tolist() == [2.0, 0.0]
    model.add_variable(integer=True)
    model.optimize()
    with pytest.raises(ot.NotOptimized, match="whole numbers"):
        model.reduced_cost(X)


def test_what_is_put_aside_goes_with_copies_and_with_the_constraint() -> None:
    """Copies and pickles free a variable likewise; where somebody deletes the equation, nothing comes back."""
    model = ot.Model(ot.solvers.HiGHS)
    x = model.add_variable("x", lower=0.0, upper=2.0)
    c = model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Interval))[0]
    model.fix(x, 1.0)
    other = ot.Model(ot.solvers.HiGHS)
    there = model.copy_to(other)(x)
    for twin, y in ((copy.deepcopy(model), x), (pickle.loads(pickle.dumps(model)), x), (other, there)):
        twin.unfix(y)
        assert bounds(twin) == {"x": ["Interval(0.0, 2.0)"]}
    assert model.is_valid(c) and bounds(model) == {"x": ["Interval(1.0, 1.0)"]}
    model.delete(c)
    y = model.add_variable("y", lower=0.0)
    model.fix([x, y], 1.0)
    model.delete(model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.EqualTo))[1])
    model.unfix(x)
    model.fix(y, -1.0)
    model.unfix(y)
    assert bounds(model) == {}
