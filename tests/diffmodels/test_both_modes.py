"""Every attribute of differentiation in one call: operators, many directions and many losses are what `get` gives.

The tables below have an entry for each attribute that is set before a differentiation, and for each that is read after
it. The first test fails for an attribute that is in none of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import optangent as ot
from optangent.diffmodels.inputs import Inputs
from optangent.diffmodels.meta_solver import _MODES

Array = np.ndarray[Any, Any]


@dataclass
class Made:
    """A solved model: variables, parameters, rows by what they are."""

    model: ot.Model
    x: Any
    p: Any
    rows: list[Any]
    sets: list[Any]
    """Those of `rows` whose sets have numbers."""
    curved: list[Any]
    """Those of `rows` with a quadratic part."""

    @property
    def parameters(self) -> Any:
        """The constraints of the parameters."""
        return self.model.get(ot.ListOfConstraintIndices(ot.VariableIndex, ot.Parameter))


def quadratic(scale: float = 1.0, *, maximize: bool = False) -> Made:
    """A quadratic program with bounds, an interval, a box and products with parameters, in other units if one likes."""
    rng, n = np.random.default_rng(1), 6
    root, A = rng.standard_normal((n, n)), rng.standard_normal((5, n))
    unit = scale ** np.linspace(-1.0, 1.0, n)
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x, p = model.add_variables(n, name="x"), model.add_parameters(np.array([0.3, -0.2, 0.8]), name="p")
    z = unit * x
    rows = [
        model.add_constraint(scale * (A[0] @ z + p[0] * z[1]), ot.LessThan(0.2 * scale), name="moving"),
        model.add_constraint(A[1] @ z - p[1], ot.EqualTo(0.3), name="equal"),
        model.add_constraint(A[2] @ z, ot.Interval(-0.1, 0.4), name="interval"),
        model.add_constraint(A[3:] @ z, ot.HyperRectangle([-0.2, -3.0], [0.2, 0.1]), name="box"),
        model.add_constraint(x[4], ot.GreaterThan(0.1 / unit[4])),
    ]
    objective = 0.5 * (z @ ((root.T @ root + np.eye(n)) @ z)) + 2.0 * rng.standard_normal(n) @ z
    objective = objective + p[2] * z[3] + p[0] * p[2]
    (model.maximize if maximize else model.minimize)(-objective if maximize else objective)
    model.optimize()
    return Made(model, x, p, rows, rows, [])


def conic(scale: float = 1.0, *, maximize: bool = False) -> Made:
    """A conic program with a quadratic row, a cone, a bridged norm, and parameters."""
    rng = np.random.default_rng(2)
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, p = model.add_variables(4, name="x"), model.add_parameters(np.array([1.0, 0.4, -0.3]), name="p")
    unit = scale ** np.linspace(-1.0, 1.0, 4)
    z = unit * x
    rows = [
        model.add_constraint(np.concatenate([[1.2 * p[0]], z[:3]]), ot.SecondOrderCone(4), name="ball"),
        model.add_constraint(np.concatenate([[1.5 + p[1]], z[:2]]), ot.NormOneCone(3), name="diamond"),
        model.add_constraint(z @ z + z[3] * z[3] + z[1] * z[3] + z[0] - p[1], ot.LessThan(1.0), name="curve"),
        model.add_constraint(z[0] + 0.2 * z[2], ot.LessThan(0.4), name="flat"),
    ]
    target = np.array([2.0, 1.0, -1.5, 2.5])
    objective = (z - target) @ (z - target) + p[2] * z[1] + 0.1 * (rng.standard_normal(4) @ z)
    (model.maximize if maximize else model.minimize)(-objective if maximize else objective)
    model.optimize()
    return Made(model, x, p, rows, [rows[2], rows[3]], [rows[2]])


def sparse(scale: float = 1.0, *, maximize: bool = False) -> Made:
    """Sixty variables, twenty sparse rows each way."""
    rng, n, m = np.random.default_rng(3), 60, 20
    A = sp.random_array((2 * m, n), density=0.05, rng=rng, data_sampler=rng.standard_normal) + sp.eye_array(2 * m, n)
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    x, p = model.add_variables(n, name="x"), model.add_parameters(rng.standard_normal(3), name="p")
    z = scale * x
    shift = np.concatenate([p, np.ones(m - 3)])
    rows = [
        model.add_constraint(sp.csr_array(A)[:m] @ z - shift, ot.Zeros(m), name="flow"),
        model.add_constraint(
            sp.csr_array(A)[m:] @ z, ot.HyperRectangle(np.full(m, -0.1), np.full(m, 0.1)), name="room"
        ),
    ]
    objective = (z @ z) + rng.standard_normal(n) @ z + p[1] * z[0]
    (model.maximize if maximize else model.minimize)(-objective if maximize else objective)
    model.optimize()
    return Made(model, x, p, rows, rows[1:], [])


MAKERS: list[Callable[..., Made]] = [quadratic, conic, sparse]
SCALES = [1.0, 30.0]


def rows_of(made: Made, c: Any) -> int:
    """How many rows a constraint has."""
    return int(made.model.get(ot.ConstraintFunction(), c).output_dimension)


def function(made: Made, terms: list[Any], v: Array, m: int, *, vector: bool) -> Any:
    """``Σ v[k] terms[k]``, the terms going row by row; a scalar function of one row."""
    each = np.reshape(v, (m, len(terms)))
    rows = [sum((float(a) * t for a, t in zip(line, terms, strict=True)), 0.0 * made.x[0]) for line in each]
    return ot.vectorize(rows) if vector else rows[0]


# ---------------------------------------------------------------------- what is set: data and how v moves them
def move_objective(made: Made, v: Array) -> Any:
    """Linear and quadratic coefficients of the objective."""
    x, p = made.x, made.p
    terms = [*x, x[0] * x[1], x[1] * x[1], p[2] * x[0]]
    return function(made, terms, v, 1, vector=False)


def data_of_objective(made: Made) -> Any:
    """The data that `move_objective` moves."""
    x, p, f = made.x, made.p, ot.ObjectiveFunction()
    return [x[:2], ot.Coefficients(f, x[2:]), ot.Coefficients(f, [x[0], x[1], p[2]], [x[1], x[1], x[0]])]


def function_data(made: Made) -> Any:
    """Right-hand sides and coefficients of all rows, of a product where there is a quadratic part."""
    x, p = made.x, made.p
    products = [ot.Coefficients(c, [x[0], p[1]], [x[2], x[1]]) for c in made.curved]
    return [*made.rows, *(ot.Coefficients(c, [x[0], x[3], p[0]]) for c in made.rows), *products]


def move_functions(made: Made, v: Array) -> dict[Any, Any]:
    """The data of `function_data`, as functions by constraint."""
    x, p = made.x, made.p
    sizes = [rows_of(made, c) for c in made.rows]
    ends = np.cumsum(sizes)
    first = np.split(-v[: ends[-1]], ends[:-1])
    rest = v[ends[-1] :]
    found = {}
    for c, m, constants in zip(made.rows, sizes, first, strict=True):
        coefficients, rest = rest[: 3 * m], rest[3 * m :]
        vector = c.kind[1].is_vector
        moved = function(made, [x[0], x[3], p[0]], coefficients, m, vector=vector)
        found[c] = moved + (constants if vector else float(constants[0]))
    for c in made.curved:
        found[c] = found[c] + float(rest[0]) * x[0] * x[2] + float(rest[1]) * p[1] * x[1]
        rest = rest[2:]
    return found


def move_sets(made: Made, v: Array) -> dict[Any, Any]:
    """Numbers of sets by constraint."""
    found = {}
    for c in made.sets:
        now = made.model.get(ot.ConstraintSet(), c)
        count = now.numbers.size
        found[c], v = type(now).build(now.shape, np.reshape(v[:count], now.numbers.shape)), v[count:]
    return found


FORWARD: dict[Any, tuple[Callable[[Made], Any], Callable[[Made, Array], dict[Any, Any]]]] = {
    ot.ForwardObjectiveFunction: (
        data_of_objective,
        lambda made, v: {ot.ForwardObjectiveFunction(): move_objective(made, v)},
    ),
    ot.ForwardConstraintFunction: (
        function_data,
        lambda made, v: {(ot.ForwardConstraintFunction(), c): f for c, f in move_functions(made, v).items()},
    ),
    ot.ForwardConstraintSet: (
        lambda made: [ot.SetNumbers(c) for c in made.sets],
        lambda made, v: {(ot.ForwardConstraintSet(), c): s for c, s in move_sets(made, v).items()},
    ),
    ot.ForwardParameterValue: (
        lambda made: made.p,
        lambda made, v: {(ot.ForwardParameterValue(), p): float(a) for p, a in zip(made.p, v, strict=True)},
    ),
}
"""What is set forward: the data, and the direction v of these."""


def seeds_of_rows(made: Made, u: Array) -> dict[Any, Any]:
    """Seeds of all duals, those of parameters among them."""
    found: dict[Any, Any] = {}
    for c in [*made.rows, *made.parameters]:
        m = rows_of(made, c)
        found[(ot.ReverseConstraintDual(), c)] = u[:m] if c.kind[1].is_vector else float(u[0])
        u = u[m:]
    return found


SEEDS: dict[Any, tuple[Callable[[Made], Any], Callable[[Made, Array], dict[Any, Any]]]] = {
    ot.ReverseVariablePrimal: (
        lambda made: [made.x, made.p],
        lambda made, u: {(ot.ReverseVariablePrimal(), x): float(a) for x, a in zip([*made.x, *made.p], u, strict=True)},
    ),
    ot.ReverseConstraintDual: (lambda made: [made.rows, made.parameters], seeds_of_rows),
    ot.ReverseObjectiveValue: (
        lambda made: ot.ObjectiveValue(),
        lambda made, u: {ot.ReverseObjectiveValue(): float(u[0])},
    ),
}
"""What is set backwards: the outputs, and the seeds u of these."""


# ---------------------------------------------------------------------- what is read
MOVED: dict[Any, tuple[Callable[[Made], Any], Callable[[Made], Any]]] = {
    ot.ForwardVariablePrimal: (
        lambda made: [made.x, made.p],
        lambda made: made.model.get(ot.ForwardVariablePrimal(), ot.VectorOfVariables([*made.x, *made.p])),
    ),
    ot.ForwardConstraintDual: (
        lambda made: [made.rows, made.parameters],
        lambda made: np.concatenate(
            [np.atleast_1d(made.model.get(ot.ForwardConstraintDual(), c)) for c in [*made.rows, *made.parameters]]
        ),
    ),
    ot.ForwardObjectiveValue: (
        lambda made: ot.ObjectiveValue(),
        lambda made: [made.model.get(ot.ForwardObjectiveValue())],
    ),
}
"""What is read forward: the outputs, and how they moved."""


def read_objective(made: Made) -> Any:
    """The gradient in the data of `data_of_objective`."""
    x, p = made.x, made.p
    gradient = made.model.get(ot.ReverseObjectiveFunction())
    pairs = [(x[0], x[1]), (x[1], x[1]), (p[2], x[0])]
    return [*(gradient.coefficient(one) for one in x), *(gradient.coefficient(*pair) for pair in pairs)]


def read_functions(made: Made) -> Any:
    """The gradient in the data of `function_data`."""
    x, p = made.x, made.p
    constants, coefficients, products = [], [], []
    for c in made.rows:
        gradient = made.model.get(ot.ReverseConstraintFunction(), c)
        if c.kind[1].is_vector:
            constants += (-gradient.constants).tolist()
            coefficients += gradient.matrix(ot.VectorOfVariables([x[0], x[3], p[0]])).ravel().tolist()
        else:
            constants.append(-gradient.constant)
            coefficients += [gradient.coefficient(one) for one in (x[0], x[3], p[0])]
        if c in made.curved:
            products += [gradient.coefficient(x[0], x[2]), gradient.coefficient(p[1], x[1])]
    return [*constants, *coefficients, *products]


GRADIENTS: dict[Any, tuple[Callable[[Made], Any], Callable[[Made], Any]]] = {
    ot.ReverseObjectiveFunction: (data_of_objective, read_objective),
    ot.ReverseConstraintFunction: (function_data, read_functions),
    ot.ReverseConstraintSet: (
        lambda made: [ot.SetNumbers(c) for c in made.sets],
        lambda made: np.concatenate([made.model.get(ot.ReverseConstraintSet(), c).numbers.ravel() for c in made.sets]),
    ),
    ot.ReverseParameterValue: (
        lambda made: made.p,
        lambda made: [made.model.get(ot.ReverseParameterValue(), p) for p in made.p],
    ),
}
"""What is read backwards: the data, and the gradient in these."""


def set_all(model: ot.Model, given: dict[Any, Any]) -> None:
    """Set what a mapping of directions or losses says, attribute by attribute."""
    model.empty_input_sensitivities()
    for key, value in given.items():
        if isinstance(key, tuple):
            model.set(key[0], key[1], value)
        else:
            model.set(key, value)


def close(found: Any, expected: Any) -> None:
    """Equal to 1e-12 of the largest number, or of one."""
    expected = np.asarray(expected, np.float64)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12 * max(1.0, np.abs(expected).max(initial=0.0)))


# ---------------------------------------------------------------------- tests
def test_every_attribute_has_its_entry() -> None:
    """The tables hold what is set before a differentiation, and what is read after it."""
    assert set(FORWARD) | set(SEEDS) == set(Inputs.TYPES)
    assert set(MOVED) == {one for one, mode in _MODES.items() if mode == "forward"}
    assert set(GRADIENTS) == {one for one, mode in _MODES.items() if mode == "reverse"}


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("make", MAKERS)
def test_forward_products_are_the_attributes(make: Any, maximize: bool, scale: float) -> None:
    """``J @ v`` is what the attributes give for the direction v, of every input and every output."""
    made = make(scale, maximize=maximize)
    assert made.model.termination_status() is ot.TerminationStatusCode.OPTIMAL
    rng = np.random.default_rng(4)
    for wrt, move in FORWARD.values():
        v: Array | None = None
        for of, read in MOVED.values():
            J = made.model.jacobian(of(made), wrt(made))
            if v is None:
                v = rng.standard_normal(J.shape[1])
                set_all(made.model, move(made, v))
                made.model.forward_differentiate()
            close(J @ v, read(made))
    assert made.model.get(ot.DifferentiationStatus()) is ot.DifferentiationStatusCode.EXACT


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("make", MAKERS)
def test_reverse_products_are_the_attributes(make: Any, maximize: bool, scale: float) -> None:
    """``J.T @ u`` is what the attributes give for the seeds u, of every seed and every gradient."""
    made = make(scale, maximize=maximize)
    rng = np.random.default_rng(5)
    for of, seeds in SEEDS.values():
        u: Array | None = None
        for wrt, read in GRADIENTS.values():
            J = made.model.jacobian(of(made), wrt(made))
            if u is None:
                u = rng.standard_normal(J.shape[0])
                set_all(made.model, seeds(made, u))
                made.model.reverse_differentiate()
            close(J.T @ u, read(made))


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("make", MAKERS)
def test_all_in_one_call(make: Any, maximize: bool, scale: float) -> None:
    """Directions and losses of all attributes at once are products with one operator, whose modes are transposes."""
    made = make(scale, maximize=maximize)
    model, rng = made.model, np.random.default_rng(6)
    outputs, data = [of(made) for of, _ in SEEDS.values()], [wrt(made) for wrt, _ in FORWARD.values()]
    J = model.jacobian(outputs, data)
    N, D = J.shape
    matrix = J @ np.eye(D)
    close((J.T @ np.eye(N)).T / np.abs(matrix).max(), matrix / np.abs(matrix).max())
    ends = np.cumsum([model.jacobian(made.x[0], wrt).shape[1] for wrt in data])
    V = rng.standard_normal((D, 3))
    directions = [
        {key: value for (_, move), v in zip(FORWARD.values(), np.split(V[:, k], ends[:-1]), strict=True)
         for key, value in move(made, v).items()}
        for k in range(3)
    ]  # fmt: skip
    close(model.directional_derivatives(outputs, directions), (J @ V).T)
    few = [made.x[0], made.rows[0], ot.ObjectiveValue()]
    close(model.directional_derivatives(few, directions * 4)[:3], (model.jacobian(few, data) @ V).T)
    ends = np.cumsum([model.jacobian(of, made.p).shape[0] for of in outputs])
    U = rng.standard_normal((N, 3))
    losses = [
        {key: value for (_, seeds), u in zip(SEEDS.values(), np.split(U[:, k], ends[:-1]), strict=True)
         for key, value in seeds(made, u).items()}
        for k in range(3)
    ]  # fmt: skip
    close(model.gradients(data, losses), (J.T @ U).T)


def moved(make: Any, change: Callable[[Made], None]) -> Array:
    """All outputs after a change of the data and an accurate solve."""
    made = make()
    change(made)
    made.model.optimize()
    duals = [np.atleast_1d(made.model.polished(c)) for c in made.rows]
    # of the optimal value, what the exact solution makes of the objective
    value = made.model.polished(made.model.get(ot.ObjectiveFunction()))
    return np.concatenate([made.model.polished(made.x), *duals, [value]])


def change_of(datum: str, step: float) -> Callable[[Made], None]:
    """A step of a datum."""

    def change(made: Made) -> None:
        model, x = made.model, made.x
        if datum == "objective":
            f = model.get(ot.ObjectiveFunction())
            model.set(ot.ObjectiveFunction(), f + step * x[0] * x[2])
        elif datum == "set":
            c = made.sets[1]
            now = model.get(ot.ConstraintSet(), c)
            model.set(ot.ConstraintSet(), c, type(now).build(now.shape, now.numbers + step))
        else:
            c = made.curved[0] if datum == "product" else made.rows[0]
            f = model.get(ot.ConstraintFunction(), c)
            term = step * x[0] * x[2] if datum == "product" else step * x[1]
            if c.kind[1].is_vector:
                term = ot.vectorize([term, *[0.0 * x[0]] * (rows_of(made, c) - 1)])
            model.set(ot.ConstraintFunction(), c, f + term)

    return change


@pytest.mark.parametrize(
    ("make", "datum"),
    [(make, datum) for make in (quadratic, conic) for datum in ("objective", "set", "linear")] + [(conic, "product")],
)
def test_against_central_differences(make: Any, datum: str) -> None:
    """Columns of new data are those of accurate solves."""
    made = make()
    x = made.x
    data: dict[str, Any] = {
        "objective": ot.Coefficients(ot.ObjectiveFunction(), x[0], x[2]),
        "set": ot.SetNumbers(made.sets[1]),
        "linear": ot.Coefficients((made.rows[0], 0), x[1]),
        "product": ot.Coefficients(made.curved[:1], x[2], x[0]),
    }
    column = made.model.jacobian([x, *made.rows, ot.ObjectiveValue()], data[datum]).toarray().sum(axis=1)
    step = 1e-5
    slope = (moved(make, change_of(datum, step)) - moved(make, change_of(datum, -step))) / (2.0 * step)
    np.testing.assert_allclose(column, slope, atol=2e-7 * (1.0 + np.abs(slope).max()))


def test_written_coefficients_and_names() -> None:
    """By default all that are written, row by row, each once, with the user's names."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    x, y = model.add_variable("x"), model.add_variable("y")
    p = model.add_parameter(2.0, "p")
    c = model.add_constraint(x * x + y * x + x * y + 2 * y * y + 2 * y - x + p * y <= 3, name="curve")
    v = model.add_constraint(ot.vectorize([x + y, 3 * y + 1.0]), ot.Nonnegatives(2), name="v")
    box = model.add_constraint(ot.vectorize([x, y]), ot.HyperRectangle([-5.0, -6.0], [7.0, 8.0]), name="box")
    model.minimize(x * x + y * y + x - 3 * y)
    model.optimize()
    J = model.jacobian(x, [ot.Coefficients(c), ot.Coefficients([v]), ot.Coefficients(ot.ObjectiveFunction())])
    products = {f"coefficient of {one} in curve" for one in ("x²", "x*y", "y²", "y*p")}
    assert J.data[:2] == ["coefficient of y in curve", "coefficient of x in curve"] and set(J.data[2:6]) == products
    assert J.data[6:9] == ["coefficient of x in v[0]", "coefficient of y in v[0]", "coefficient of y in v[1]"]
    assert J.data[9:] == [
        "cost of x",
        "cost of y",
        "coefficient of x² in the objective",
        "coefficient of y² in the objective",
    ]
    J = model.jacobian(x, [ot.SetNumbers((box, 1)), ot.SetNumbers(c), (v, 1), ot.Coefficients((v, 1), [x, y])])
    assert J.data == [
        "lower of box[1]",
        "upper of box[1]",
        "upper of curve",
        "right-hand side of v[1]",
        "coefficient of x in v[1]",
        "coefficient of y in v[1]",
    ]
    J = model.jacobian([(v, 1), v], p)
    assert J.outputs == ["dual of v[1]", "dual of v[0]", "dual of v[1]"]


def test_refusals() -> None:
    """What is no coefficient, no number and no loss, in words; the model is differentiated afterwards."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    x, y = model.add_variable("x"), model.add_variable("y", lower=0.0)
    c = model.add_constraint(x + y >= 1, name="c")
    v = model.add_constraint(ot.vectorize([x, y]), ot.Nonnegatives(2), name="v")
    model.minimize(x * x + y * y)
    model.optimize()
    for wrt, error, words in (
        (ot.Coefficients(c, x, y), ot.InvalidData, "no products"),
        (ot.Coefficients(x), ot.InvalidData, "of constraints or of ObjectiveFunction"),
        (ot.Coefficients(c, "x"), ot.InvalidData, "got 'x'"),
        (ot.Coefficients(ot.ObjectiveFunction(), [x, y], [x, y, y]), ot.DimensionMismatch, "2 and 3 variables"),
        (ot.Coefficients((v, 2), x), ot.DimensionMismatch, "rows 0 to 1; got row 2"),
        (ot.Coefficients(c, ot.Model().add_variable()), ot.InvalidIndex, "model"),
        (ot.SetNumbers(v), ot.InvalidData, "Nonnegatives"),
        (ot.SetNumbers(x), ot.InvalidData, "those of constraints"),
    ):
        with pytest.raises(error, match=words):
            model.jacobian(x, wrt)
    for loss, refused, words in (
        ({"x": 1.0}, ot.InvalidIndex, "got 'x'"),
        ({v: 1.0}, ot.DimensionMismatch, "2 numbers; got 1"),
        ({x: np.nan}, ot.InvalidData, "finite"),
        ({(ot.ReverseVariablePrimal(), c): 1.0}, ot.InvalidIndex, "variable"),
        ({(ot.ForwardParameterValue(), x): 1.0}, ot.InvalidData, "ReverseVariablePrimal"),
    ):
        with pytest.raises(refused, match=words):
            model.gradients(x, [loss])
    for move, unable, words in (
        ({(ot.ForwardConstraintSet(), c): ot.LessThan(1.0)}, ot.InvalidData, "GreaterThan"),
        ({(ot.ReverseConstraintDual(), c): 1.0}, ot.InvalidData, "ForwardConstraintFunction"),
        ({c: x * y}, ot.InvalidData, "an affine function"),
        ({ot.ForwardObjectiveFunction(): ot.vectorize([x, y])}, ot.DimensionMismatch, "one row"),
    ):
        with pytest.raises(unable, match=words):
            model.directional_derivatives(x, [move])
    np.testing.assert_allclose(model.gradients(c, [{x: 1.0}]), [[0.5]], atol=1e-12)


def test_no_directions_and_no_losses() -> None:
    """None at all give arrays without rows."""
    made = quadratic()
    assert made.model.directional_derivatives(made.x, []).shape == (0, 6)
    assert made.model.gradients(made.x, []).shape == (0, 6)


@pytest.mark.parametrize("make", [quadratic, sparse])
def test_direction_after_direction(make: Any) -> None:
    """A few variables read after each of many differentiations, by adjoints then, move as in one call."""
    made = make()
    model, x, p = made.model, made.x, made.p
    moves = np.random.default_rng(7).standard_normal((12, 3))
    expected = model.directional_derivatives([x, p, ot.ObjectiveValue()], [dict(zip(p, m, strict=True)) for m in moves])
    some = ot.VectorOfVariables([x[1], p[0], x[2]])
    for k, move in enumerate(moves):
        model.set(ot.ForwardParameterValue(), p, move)
        model.forward_differentiate()
        value = model.get(ot.ForwardObjectiveValue())
        found = [*model.get(ot.ForwardVariablePrimal(), some), model.get(ot.ForwardVariablePrimal(), x[0]), value]
        close(found, expected[k][[1, len(x), 2, 0, -1]])
        if k % 5 == 4:
            close(model.get(ot.ForwardVariablePrimal(), x), expected[k][: len(x)])
            again = model.get(ot.ForwardVariablePrimal(), x)
            model.forward_differentiate()
            assert np.array_equal(again, model.get(ot.ForwardVariablePrimal(), x))
