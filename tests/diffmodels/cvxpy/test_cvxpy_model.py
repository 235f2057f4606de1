"""CVXPY problems as models: that what is read is CVXPY's cone program, and what comes back the problem's solution."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.layers.cvxpy_problems import cvxpy_model
from optangent.diffmodels.layers.cvxpy_problems.cvxpy_model import from_cvxpy
from optangent.diffmodels.layers.program import Program

from .exact import Exact, run_examples, values_of, weighted_sum, weights
from .problems import GEOMETRIC, PROBLEMS, VERSION, Array, cp, definite, made, numbers

# CVXPY's own canonicalization and solves read sparse values the way that it warns of
pytestmark = pytest.mark.filterwarnings("ignore:Reading from a sparse CVXPY expression")

# in the order of the rows that CVXPY hands to SCS
CONES = (
    ot.Zeros,
    ot.Nonnegatives,
    ot.SecondOrderCone,
    ot.ScaledPositiveSemidefiniteConeTriangle,
    ot.ExponentialCone,
    ot.PowerCone,
)


def moved(problem: Any, seed: int) -> None:
    """Give the parameters other values, of the same signs and symmetries."""
    rng = np.random.default_rng(seed)
    for p, value in zip(problem.parameters(), values_of(problem.parameters()), strict=True):
        special = any(p.attributes[kind] for kind in ("PSD", "symmetric", "diag"))
        p.value = value * rng.uniform(0.8, 1.2, () if special else value.shape)


def symmetric(entries: Array, places: tuple[Any, Any]) -> Array:
    """The matrix of scaled entries in the given places."""
    first, second = places
    M = np.zeros((int(second.max()) + 1,) * 2)
    M[first, second] = M[second, first] = entries / np.where(first == second, 1.0, np.sqrt(2))
    return M


def rows_of_cvxpy(data: Any, x: Array) -> list[Array]:
    """``b - A x`` as SCS gets it, a vector for each cone; of semidefinite cones the matrix."""
    rest = data["b"] - data["A"] @ x
    dims, found = data["dims"], []

    def cut(size: int) -> Array:
        nonlocal rest
        part, rest = rest[:size], rest[size:]
        return np.asarray(part)

    found += [cut(dims.zero), cut(dims.nonneg), *(cut(d) for d in dims.soc)]
    for side in dims.psd:
        found.append(symmetric(cut(side * (side + 1) // 2), np.triu_indices(side)))  # the lower one, by columns
    found += [cut(3) for _ in range(dims.exp)] + [cut(3) for _ in dims.p3d]
    assert not len(rest)
    return found


def rows_of_model(model: ot.Model, x: Array) -> list[Array]:
    """The same of the model."""
    ids = model.get(ot.ListOfVariableIndices()).ids
    parameters = {int(i) for i in ids[len(x) :]}
    value = dict(zip(ids.tolist(), x, strict=False))
    value |= {i: model.parameter_value(ot.VectorOfVariables.of_ids(np.array([i])))[0] for i in parameters}

    def at(wanted: Any) -> Array:
        return np.array([value[i] for i in wanted.tolist()])

    found: list[Array] = []
    for cone in CONES:
        kinds = [kind for kind in model.store.kinds() if kind[1] is cone]
        indices = [index for kind in kinds for index in model.get(ot.ListOfConstraintIndices(*kind))]
        parts = [model.get(ot.ConstraintFunction(), index).rows.evaluate(at) for index in indices]
        if cone in (ot.Zeros, ot.Nonnegatives):
            found.append(np.sort(np.concatenate([np.zeros(0), *parts])))
        elif cone is ot.ScaledPositiveSemidefiniteConeTriangle:
            sides = (int(np.sqrt(2 * len(part))) for part in parts)
            found += [symmetric(part, np.tril_indices(side)) for part, side in zip(parts, sides, strict=True)]
        else:
            found += parts
    objective = model.get(ot.ObjectiveFunction()).rows.evaluate(at)
    return [*found, objective]


def sorted_by_norm(arrays: list[Array]) -> list[Array]:
    """Cones of one kind in an order that does not depend on how they were written."""
    return sorted(arrays, key=lambda a: (a.ndim, len(a), float(np.round(np.abs(a).sum(), 9))))


@pytest.mark.parametrize("name", PROBLEMS)
def test_model_is_cvxpys_cone_program(name: str) -> None:
    """At any parameters and any point, rows and objective are those of the matrices that CVXPY gives to SCS."""
    problem, program = made(name)
    maximize = isinstance(problem.objective, cp.Maximize)
    for seed in range(2):
        moved(problem, seed)
        for p, value in zip(problem.parameters(), values_of(problem.parameters()), strict=True):
            program.set_parameter_value(p, value)
        fresh = cp.Problem(problem.objective, problem.constraints)
        data, _, inverse = fresh.get_problem_data("SCS", gp=name in GEOMETRIC)
        x = numbers(len(data["c"]), seed=seed + 5)
        P = data.get("P", sp.csc_array((len(x), len(x))))
        objective = 0.5 * x @ (P @ x) + data["c"] @ x + inverse[-1]["offset"]
        ours = rows_of_model(program.model, x)
        theirs = rows_of_cvxpy(data, x)
        theirs[:2] = [np.sort(part) for part in theirs[:2]]
        np.testing.assert_allclose(ours.pop(), [-objective if maximize else objective], rtol=1e-12, atol=1e-12)
        for mine, part in zip(ours[:2], theirs[:2], strict=True):
            np.testing.assert_allclose(mine, part, rtol=1e-12, atol=1e-12)
        assert len(ours) == len(theirs)
        for mine, part in zip(sorted_by_norm(ours[2:]), sorted_by_norm(theirs[2:]), strict=True):
            np.testing.assert_allclose(mine, part, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", PROBLEMS)
def test_solution_is_cvxpys(name: str) -> None:
    """Values, the objective and duals agree with those of a solve by CVXPY, in shape and sign."""
    problem, program = made(name)
    program.model.optimize()
    accurate = dict(tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    problem.solve(solver=cp.CLARABEL, gp=name in GEOMETRIC, **accurate)
    for v, value in zip(problem.variables(), values_of(problem.variables()), strict=True):
        np.testing.assert_allclose(program.value(v), value, atol=2e-5)
        np.testing.assert_allclose(program.value(v.name()), value, atol=2e-5)
    objective = program.model.objective_value()
    assert (np.exp(objective) if name in GEOMETRIC else objective) == pytest.approx(problem.value, abs=1e-5)
    for constraint in problem.constraints:
        if VERSION < (1, 9) and isinstance(constraint, cp.ExpCone):
            continue  # of arrays of cones, CVXPY transposed them
        ours, theirs = program.dual_value(constraint), constraint.dual_value
        several = isinstance(ours, list)
        for mine, its in zip(ours if several else [ours], theirs if several else [theirs], strict=True):
            np.testing.assert_allclose(mine, np.reshape(its, np.shape(mine)), atol=1e-4)


@pytest.mark.parametrize("name", PROBLEMS)
def test_derivatives_are_those_of_the_problem(name: str) -> None:
    """Gradients of variables and duals are central differences of exact solutions; both modes are adjoint."""
    problem, program = made(name)
    duals = [d for c in problem.constraints for d in c.dual_variables]
    outputs = [*problem.variables(), *duals]
    exact = Exact(program, problem.parameters(), outputs)
    constraints = [program.dual(d).constraints for d in duals]
    wanted: list[Any] = [program.variable(v).ids for v in problem.variables()]
    wanted += list(dict.fromkeys(c for several in constraints for c in several))
    parameters = [leaf.ids for leaf in program.parameters.values()]
    theta = np.concatenate([program.model.parameter_value(p) for p in parameters])
    item = Program(program.model, parameters, wanted).solve(theta)
    w = np.random.default_rng(0).standard_normal(len(item.outputs))
    gradient = item.vjp(w)
    tangent = np.random.default_rng(1).standard_normal(len(theta))
    assert w @ item.jvp(tangent) == pytest.approx(gradient @ tangent, rel=1e-9, abs=1e-9)

    sizes = np.cumsum([len(p) for p in parameters])[:-1]
    model, h = program.model, 1e-5

    def loss(at: Array) -> float:
        exact.at(np.split(at, sizes))
        return float(w @ np.concatenate([np.atleast_1d(model.meta_solver.polished(one)) for one in wanted]))

    differences = [(loss(theta + h * e) - loss(theta - h * e)) / (2 * h) for e in np.eye(len(theta))]
    np.testing.assert_allclose(gradient, differences, rtol=1e-6, atol=1e-6)


def test_parameters_have_the_values_of_the_problem() -> None:
    """A parameter starts at its value, symmetric ones in any triangle, and at zero without one."""
    S = cp.Parameter((2, 2), PSD=True, name="S", value=[[2.0, 0.5], [0.5, 1.0]])
    b = cp.Parameter(2, name="b")
    x = cp.Variable(2, name="x")
    program = from_cvxpy(cp.Problem(cp.Minimize(cp.sum_squares(x - S @ np.ones(2) - b))))
    program.model.optimize()
    np.testing.assert_allclose(program.value("x"), [2.5, 1.5], atol=1e-8)
    program.set_parameter_value(b, [1.0, -1.0])
    program.set_parameter_value("S", np.eye(2))
    program.model.optimize()
    np.testing.assert_allclose(program.value(x), [2.0, 0.0], atol=1e-8)
    assert b.value is None


def test_bounds_are_rows() -> None:
    """Bounds of attributes, parametric ones too, and cones on plain variables are constraints like all others."""
    upper = cp.Parameter(name="upper", value=0.5)
    x = cp.Variable(2, bounds=[0.0, 2.0], name="x")
    y = cp.Variable(nonneg=True, name="y")
    problem = cp.Problem(cp.Minimize(-cp.sum(x) - y), [x <= upper, y <= 3.0, x >= 0])
    program = from_cvxpy(problem)
    model = program.model
    kinds = [kind for kind in model.store.kinds() if kind[1] is ot.Nonnegatives]
    indices = [index for kind in kinds for index in model.get(ot.ListOfConstraintIndices(*kind))]
    total = sum(model.get(ot.ConstraintSet(), index).dimension for index in indices)
    assert total == 2 + 2 + 1 + 2 + 1 + 2
    program.model.optimize()
    np.testing.assert_allclose(program.value(x), [0.5, 0.5], atol=1e-7)


def test_model_reads_like_the_problem() -> None:
    """Variables and parameters of the model bear the names of their entries."""
    x, A = cp.Variable(2, name="x"), cp.Parameter((1, 2), name="A", value=np.ones((1, 2)))
    text = str(from_cvxpy(cp.Problem(cp.Minimize(cp.sum_squares(x)), [A @ x >= 1])).model)
    assert "A[0,1]*x[1]" in text and "A[0,0] == 1" in text


def test_users_problem_is_left_alone() -> None:
    """Neither the problem's cache nor its values change, and later changes of them do not reach the model."""
    problem, program = made("bounded_least_squares")
    assert problem.status is None and problem.variables()[0].value is None and problem._cache.key is None
    program.model.optimize()
    before = program.value("x")
    problem.param_dict["b"].value = np.zeros(4)
    program.model.optimize()
    np.testing.assert_array_equal(program.value("x"), before)


def test_names_may_repeat() -> None:
    """Of two variables with one name each is found by itself, and the first by the name."""
    x, y = cp.Variable(name="x"), cp.Variable(name="x")
    program = from_cvxpy(cp.Problem(cp.Minimize(cp.square(x - 1) + cp.square(y - 2))))
    program.model.optimize()
    assert [float(program.value(v)) for v in (x, y, "x")] == pytest.approx([1.0, 2.0, 1.0])


def test_no_rows() -> None:
    """A problem without any constraint is a model without any."""
    x = cp.Variable(2, name="x")
    program = from_cvxpy(cp.Problem(cp.Minimize(cp.quad_form(x, definite(2)) + cp.sum(x))))
    program.model.optimize()
    np.testing.assert_allclose(definite(2) @ program.value(x), [-0.5, -0.5], atol=1e-8)


@pytest.mark.skipif(VERSION < (1, 9), reason="CVXPY takes parametric matrices of quadratic forms from 1.9 on")
def test_parameter_that_leaves() -> None:
    """A parameter that is multiplied away has no influence, and no place in the model."""
    x, p = cp.Variable(name="x"), cp.Parameter(name="p", value=1.0)
    program = from_cvxpy(cp.Problem(cp.Minimize(cp.square(x - 3) + 0 * p)))
    program.set_parameter_value(p, 2.0)
    program.model.optimize()
    assert float(program.value(x)) == pytest.approx(3.0)


# ---------------------------------------------------------------------- what is refused
def refused() -> list[Any]:
    """(problem, error, words of it)."""
    x, n = cp.Variable(2), cp.Variable(integer=True)
    z = cp.Variable(complex=True)
    p, q = cp.Parameter(), cp.Parameter()
    y = cp.Variable(pos=True)
    return [
        pytest.param(3.0, ot.InvalidData, "Expected a cvxpy.Problem", id="no problem"),
        pytest.param(cp.Problem(cp.Minimize(p)), ot.InvalidData, "no variables", id="no variables"),
        pytest.param(cp.Problem(cp.Minimize(cp.sqrt(x[0]))), ot.InvalidData, "not DCP", id="not convex"),
        pytest.param(cp.Problem(cp.Minimize(1 / (y * y)), [y * y <= 2]), ot.InvalidData, "say gp=True", id="geometric"),
        pytest.param(cp.Problem(cp.Minimize(cp.sum_squares(p * q * x - 1))), ot.InvalidData, "not DPP", id="not DPP"),
        pytest.param(cp.Problem(cp.Minimize(cp.square(n - 0.3))), ot.Unsupported, "discrete", id="integer"),
        pytest.param(cp.Problem(cp.Minimize(cp.abs(z - 1))), ot.Unsupported, "complex", id="complex"),
    ]


@pytest.mark.parametrize(("problem", "error", "words"), refused())
def test_refusals(problem: Any, error: type[Exception], words: str) -> None:
    """What cannot become a model that differentiates is refused in a sentence that says why."""
    with pytest.raises(error, match=words):
        from_cvxpy(problem)


def test_wrong_names_and_values() -> None:
    """Unknown leaves, wrong shapes, numbers without a logarithm and duals that CVXPY rewrites are refused."""
    _, program = made("geometric")
    with pytest.raises(ot.InvalidData, match="no variable 'nobody'; it has x, y, z"):
        program.value("nobody")
    with pytest.raises(ot.InvalidData, match=r"no parameter"):
        program.set_parameter_value(cp.Parameter(), 1.0)
    with pytest.raises(ot.DimensionMismatch, match=r"a has the shape \(\)"):
        program.set_parameter_value("a", [1.0, 2.0])
    with pytest.raises(ot.InvalidData, match="positive in a geometric program"):
        program.set_parameter_value("a", -1.0)
    with pytest.raises(ot.Unsupported, match="is no dual of a constraint"):
        program.dual_value(cp.Variable() >= 1)
    program.model.optimize()
    assert float(program.value("x")) > 0


def test_without_a_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no default is known, a solver has to be named; a named one is used."""
    x = cp.Variable(name="x")
    problem = cp.Problem(cp.Minimize(cp.square(x - 1)))
    monkeypatch.setattr(cvxpy_model, "DEFAULT_SOLVERS", [])
    with pytest.raises(ot.InvalidData, match="Name a solver"):
        from_cvxpy(problem)
    program = from_cvxpy(problem, ot.solvers.SCS)
    program.model.optimize()
    assert program.model.get(ot.SolverName()) == "SCS"
    assert float(program.value(x)) == pytest.approx(1.0)


def test_without_cvxpy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without CVXPY the error names the extra that brings it."""
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(ot.MissingDependency, match=r'pip install "optangent\[cvxpy\]"'):
        from_cvxpy(None)


def test_another_cvxpy_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where CVXPY keeps its cone program otherwise, the error names its version and what is strange."""
    problem = PROBLEMS["bounded_least_squares"]()
    get = cp.Problem.get_problem_data

    def changed(self: Any, *args: Any, **options: Any) -> Any:
        data, chain, inverse = get(self, *args, **options)
        program = data["param_prob"]
        program.lower_bounds = np.zeros(3)
        del program.var_id_to_col
        return data, chain, inverse

    monkeypatch.setattr(cp.Problem, "get_problem_data", changed)
    with pytest.raises(ot.Unsupported, match=rf"CVXPY {cp.__version__} .*: var_id_to_col, lower_bounds"):
        from_cvxpy(problem)


def test_example() -> None:
    """The example in the documentation runs."""
    run_examples(from_cvxpy)


def test_losses_of_helpers() -> None:
    """The helpers' losses see every entry of every output."""
    given = weights([np.zeros((2, 2)), np.zeros(())])
    assert weighted_sum(given)([np.ones((2, 2)), np.array(2.0)]) == pytest.approx(given[0].sum() + 2 * given[1])
