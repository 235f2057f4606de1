"""
How much does one patient matter to a regression?
=================================================

Ridge regression is the one model of statistics whose every derivative is known by heart, and therefore the right place
to learn how derivatives of an optimization problem are asked for: each answer can be checked against a formula. On the
way, an old acquaintance turns up. The derivative of a fitted value with respect to the response it was fitted to is the
*leverage* of the patient, and the leverages add up to the number of degrees of freedom.

The story in order: fit; move a response, then a patient's features, then all of them at once (forward mode); compare
with the formulas; then turn the question around and ask which patient's record, if it were slightly different, would
change the predictions for *new* patients most (reverse mode).

Run ``python tutorials/ridge_sensitivity.py``. It prints two tables and draws
``tutorials/output/ridge_sensitivity.png``. Pictures and all are in this one file, to be downloaded and run by itself.

References
----------
A. E. Hoerl, R. W. Kennard, *Ridge regression: biased estimation for nonorthogonal problems*, Technometrics 12 (1970),
55-67.

B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, *Least angle regression*, Annals of Statistics 32 (2004), 407-499: the
data.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import optangent as ot

try:
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch
    from sklearn.datasets import load_diabetes
except ImportError as error:
    raise ImportError(
        "This tutorial draws with matplotlib and reads its data from scikit-learn; "
        'install both with: pip install "optangent[tutorials]"'
    ) from error

Array = NDArray[np.float64]

# %%
# The data
# --------
# For 442 diabetes patients: age, sex, body mass index, blood pressure and six blood values; and, as the response, a
# score between 25 and 346 of how far the disease had progressed a year later. Features are standardized. Every fourth
# patient is set aside as a *new* one, for the end of the story.

FEATURES = ("age", "sex", "BMI", "blood pressure", "cholesterol", "LDL", "HDL", "chol./HDL", "triglycerides", "glucose")


@dataclass(frozen=True)
class Data:
    """Features (N, D) and responses (N,) of the patients to fit, and those of new ones."""

    X: Array
    y: Array
    X_new: Array
    y_new: Array
    patient: NDArray[np.int64]
    """(N,): number of each patient to fit, in the full list."""


def patients() -> Data:
    """Read and standardize."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    new = np.arange(len(y)) % 4 == 3
    X = (X - X[~new].mean(axis=0)) / X[~new].std(axis=0)
    return Data(X[~new], y[~new], X[new], y[new], np.flatnonzero(~new))


# %%
# Fitting is a quadratic program
# ------------------------------
# With residuals :math:`r_i` as variables of their own,
#
# .. math::
#
#     \min_{w, b, r}\; \sum_i r_i^2 + \lambda |w|^2 \quad\text{subject to}\quad x_i^T w + b + r_i = y_i .
#
# The constraints are there for the sake of the derivatives: every number of the data table stands in exactly one row, a
# response as a constant and a feature as a coefficient.

RIDGE = 10.0


@dataclass(frozen=True)
class Fit:
    """A fitted ridge regression and the model behind it."""

    model: ot.Model
    w: ot.VectorOfVariables
    b: ot.VariableIndex
    rows: ot.ConstraintIndex
    coefficients: Array
    """(D + 1,): w, then b."""


def fit(X: Array, y: Array) -> Fit:
    """Fit by quadratic programming."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    w = model.add_variables(X.shape[1], "w")
    b = model.add_variable("b")
    r = model.add_variables(len(y))
    rows = model.add_constraint(X @ w + b + r == y)
    model.minimize(r @ r + RIDGE * (w @ w))
    model.optimize()
    assert model.termination_status() == ot.TerminationStatusCode.OPTIMAL
    return Fit(model, w, b, rows, np.append(model.value(w), model.value(b)))


# %%
# Forward mode, in bulk
# ---------------------
# The function of row i is :math:`x_i^T w + b + r_i - y_i`. If the response :math:`y_i` grows by t, it changes by
# :math:`-t`: a constant tangent of −1. If the patient moves by :math:`t u`, it changes by :math:`t\,u^T w`: a tangent
# that is a function of w. A direction names the constraint, the row and the tangent; all of them go in together, and
# share one factorization.


def by_response(fitted: Fit, count: int) -> Array:
    """Derivatives (N, D + 1) of the coefficients: row i as response i grows."""
    outputs = ot.VectorOfVariables([*fitted.w, fitted.b])
    return fitted.model.directional_derivatives(outputs, [{(fitted.rows, i): -1.0} for i in range(count)])


def by_point(fitted: Fit, count: int) -> Array:
    """Derivatives (N, D, D + 1) of the coefficients: [i, j] as feature j of patient i grows."""
    outputs = ot.VectorOfVariables([*fitted.w, fitted.b])
    directions = [{(fitted.rows, i): 1.0 * w_j} for i in range(count) for w_j in fitted.w]
    return fitted.model.directional_derivatives(outputs, directions).reshape(count, len(fitted.w), len(outputs))


# %%
# Forward mode, through the objective
# -----------------------------------
# The same regression can be written without constraints, as the sum of squares
# :math:`\sum_i (y_i - x_i^T w - b)^2 + \lambda|w|^2`. Now the data stand in the objective, and the tangent is one of
# the objective: :math:`2 (y_i - x_i^T w - b)` as the response grows, and
# :math:`-2 (y_i - x_i^T w - b)\, u^T w`, a quadratic function, as the patient moves along u. The two ways of writing
# must give the same derivative, and they do.


def by_objective(X: Array, y: Array, i: int, u: Array) -> tuple[Array, Array]:
    """Derivatives (D + 1,) of the coefficients as response i grows, and as patient i moves along u."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    w = model.add_variables(X.shape[1], "w")
    b = model.add_variable("b")
    residuals = y - (X @ w + b)
    model.minimize(residuals @ residuals + RIDGE * (w @ w))
    model.optimize()
    found = []
    for tangent in (2 * residuals[i], -2 * (residuals[i] * (u @ w))):
        model.set(ot.ForwardObjectiveFunction(), tangent)
        model.forward_differentiate()
        dw, db = model.get(ot.ForwardVariablePrimal(), w), model.get(ot.ForwardVariablePrimal(), b)
        found.append(np.append(dw, db))
    return found[0], found[1]


# %%
# What the textbook says
# ----------------------
# With a column of ones, :math:`\tilde x = (x, 1)`, and
# :math:`M = \tilde X^T \tilde X + \lambda\,\mathrm{diag}(1, \dots, 1, 0)`, the coefficients are
# :math:`\beta = M^{-1} \tilde X^T y`. Differentiating :math:`M \beta = \tilde X^T y`,
#
# .. math::
#
#     \frac{\partial \beta}{\partial y_i} = M^{-1} \tilde x_i, \qquad
#     \frac{\partial \beta}{\partial x_i} u = M^{-1} \bigl( r_i \tilde u - (u^T w)\, \tilde x_i \bigr), \qquad
#     \tilde u = (u, 0).
#
# In words: a patient far from the line (large r) tilts it when moved along u; and moving a patient whose predicted
# response would change by :math:`u^T w` is like changing the response by as much, the other way.


def textbook(X: Array, y: Array) -> tuple[Array, Array, Array]:
    """Coefficients (D + 1,) and the two tables, by the formulas."""
    count, width = X.shape
    ones = np.column_stack([X, np.ones(count)])
    inverse = np.linalg.inv(ones.T @ ones + RIDGE * np.diag([1.0] * width + [0.0]))
    beta = inverse @ ones.T @ y
    responses = ones @ inverse
    residual = y - ones @ beta
    points = residual[:, None, None] * inverse[:width] - beta[:width, None] * responses[:, None, :]
    return beta, responses, points


# %%
# Reverse mode
# ------------
# So far: many inputs, and all coefficients as outputs. Now there is one output, the mean squared error L of the
# predictions for new patients, and the inputs are all the data. Forward mode would need as many directions as there are
# numbers in the table. Reverse mode needs one: hand in the gradient of L with respect to the coefficients, get the
# gradient with respect to everything else. It comes as a *function* in each constraint's own terms: its constant is the
# gradient with respect to the constant of the row (minus that of the response), its coefficients those with respect to
# the features.


@dataclass(frozen=True)
class Gradient:
    """Gradient of the error on new patients."""

    seed: Array
    """(D + 1,): with respect to the coefficients."""
    responses: Array
    """(N,): with respect to each response."""
    points: Array
    """(N, D): with respect to each feature of each patient."""


def error_on_new(beta: Array, data: Data) -> tuple[float, Array]:
    """Mean squared error of the predictions for new patients, and its gradient."""
    ones = np.column_stack([data.X_new, np.ones(len(data.y_new))])
    wrong = ones @ beta - data.y_new
    return float(np.mean(wrong**2)), 2 * ones.T @ wrong / len(wrong)


def pull_back(fitted: Fit, data: Data) -> Gradient:
    """The gradient of the error on new patients with respect to all data, in one reverse pass."""
    model = fitted.model
    _, seed = error_on_new(fitted.coefficients, data)
    model.empty_input_sensitivities()
    model.set(ot.ReverseVariablePrimal(), fitted.w, seed[:-1])
    model.set(ot.ReverseVariablePrimal(), fitted.b, seed[-1])
    model.reverse_differentiate()
    gradient = model.get(ot.ReverseConstraintFunction(), fitted.rows)
    count, width = data.X.shape
    pairs = np.repeat(np.arange(count), width), fitted.w[np.tile(np.arange(width), count)]
    return Gradient(seed, -gradient.constants, gradient.coefficients(*pairs).reshape(count, width))


# %%
# Tables and picture
# ------------------


def print_tables(data: Data, fitted: Fit, leverage: Array, points: Array, gradient: Gradient) -> None:
    """Who tilts the fit, and who matters to new patients."""
    influence = np.linalg.norm(points, 2, axis=(1, 2))
    residual = data.y - data.X @ fitted.coefficients[:-1] - fitted.coefficients[-1]
    print("Who moves the fit: influence = change of (w, b), in length, for each standard deviation the patient moves")
    print(f"{'':4}{'patient':>7}{'response':>10}{'residual':>10}{'leverage':>10}{'influence':>11}")
    for rank, i in enumerate(np.argsort(-influence)[:5], 1):
        print(
            f"{rank:3} {data.patient[i]:7}{data.y[i]:10.0f}{residual[i]:10.1f}{leverage[i]:10.4f}{influence[i]:11.3f}"
        )
    error, _ = error_on_new(fitted.coefficients, data)
    print(
        f"Who moves the mean squared error on new patients, {error:.0f}: change for each standard deviation the patient"
    )
    print("moves, in the direction where this is most, and for each unit of the response")
    print(f"{'':4}{'patient':>7}{'response':>10}{'moving':>10}  {'most along':15}{'response':>12}")
    size = np.linalg.norm(gradient.points, axis=1)
    for rank, i in enumerate(np.argsort(-size)[:5], 1):
        name = FEATURES[int(np.argmax(np.abs(gradient.points[i])))]
        print(f"{rank:3} {data.patient[i]:7}{data.y[i]:10.0f}{size[i]:10.3f}  {name:15}{gradient.responses[i]:12.4f}")


BLUE, ORANGE = "#0072B2", "#D55E00"  # told apart by all kinds of colour vision


def draw(data: Data, fitted: Fit, leverage: Array, points: Array, gradient: Gradient, path: Path) -> None:
    """Residual against leverage with influence as area; and the gradient of the error on new patients."""
    influence = np.linalg.norm(points, 2, axis=(1, 2))
    residual = data.y - data.X @ fitted.coefficients[:-1] - fitted.coefficients[-1]
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(13, 6.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.35, 1))
        left.axhline(0, color="0.25", lw=1)
        left.scatter(leverage, residual, s=_area(influence), c=BLUE, alpha=0.55, edgecolors="black", linewidths=0.5)
        left.set_xlim(left=0)
        left.margins(x=0.12)
        strongest = np.argsort(-influence)[:5]
        _label(left, leverage[strongest], residual[strongest], [f"patient {data.patient[i]}" for i in strongest])
        left.set_xlabel("leverage: change of the fitted value for each unit of the patient's own response")
        left.set_ylabel("residual: response − fitted value (units of the response)")
        left.set_title("Forward: who moves the fit", loc="left", weight="bold")
        sizes = (2, 4, 8)
        marks = [
            Line2D(
                [], [], ls="", marker="o", ms=float(np.sqrt(_area(k))), mfc=BLUE, mec="black", alpha=0.55, label=str(k)
            )
            for k in sizes
        ]
        title = "influence: change of (w, b), in length, for each standard deviation the patient moves"
        figure.legend(handles=marks, loc="outside lower left", ncols=3, frameon=False, title=title)

        patient, feature = np.unravel_index(np.argsort(-np.abs(gradient.points), axis=None)[:10], gradient.points.shape)
        value = gradient.points[patient, feature]
        places = np.arange(len(value))
        right.barh(places, value, color=np.where(value > 0, ORANGE, BLUE), edgecolor="black", lw=0.8)
        right.axvline(0, color="0.25", lw=1)
        names = [f"{FEATURES[j]} of patient {data.patient[i]}" for i, j in zip(patient, feature, strict=True)]
        right.set_yticks(places, names)
        right.invert_yaxis()
        right.set_xlabel("change of the mean squared error on new patients for\neach standard deviation of that entry")
        right.set_title("Reverse: the entries that matter most", loc="left", weight="bold")
        signs = {BLUE: "a larger entry lowers the error", ORANGE: "a larger entry raises the error"}
        patches = [Patch(fc=colour, ec="black", lw=0.8, label=text) for colour, text in signs.items()]
        figure.legend(handles=patches, loc="outside lower right", ncols=2, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _label(axes: Any, x: Array, y: Array, texts: list[str]) -> None:
    """Write texts right of their marks, above each other where the marks are close, each with a line to its own."""
    order = np.argsort(y)
    heights = y[order].copy()
    apart = 0.055 * np.ptp(axes.get_ylim())
    for _ in range(100):  # push neighbours apart until all have room
        gaps = np.maximum(apart - np.diff(heights), 0) / 2
        heights[1:] += gaps
        heights[:-1] -= gaps
    for i, height in zip(order, heights, strict=True):
        axes.annotate(
            texts[i],
            (x[i], y[i]),
            xytext=(x.max() + 0.016, height),
            va="center",
            arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.8, "shrinkB": 8},
        )


def _area(influence: Any) -> Any:
    """Area of a mark, in points squared."""
    return 22 * np.asarray(influence)


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    data: Data
    by_response: Array
    by_point: Array
    leverage: Array
    gradient: Gradient
    errors: dict[str, float]
    figure: Path


def relative(found: Array, expected: Array) -> float:
    """Relative error in the Frobenius norm."""
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def main(output_directory: str | Path | None = None) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None)."""
    data = patients()
    count = len(data.y)
    fitted = fit(data.X, data.y)
    responses, points = by_response(fitted, count), by_point(fitted, count)
    leverage = np.einsum("ij,ij->i", np.column_stack([data.X, np.ones(count)]), responses)
    gradient = pull_back(fitted, data)
    print(f"{count} patients to fit, {len(data.y_new)} new ones, {data.X.shape[1]} features, ridge {RIDGE:g}.")
    print(f"Degrees of freedom (the leverages' sum): {leverage.sum():.3f} of {data.X.shape[1] + 1}.")
    print_tables(data, fitted, leverage, points, gradient)

    beta, expected_responses, expected_points = textbook(data.X, data.y)
    i = int(np.argmax(np.linalg.norm(points, 2, axis=(1, 2))))
    u = np.ones(data.X.shape[1]) / np.sqrt(data.X.shape[1])
    response_again, point_again = by_objective(data.X, data.y, i, u)

    # And train again, with the record that matters most to new patients moved a little, to and fro.
    k = int(np.argmax(np.linalg.norm(gradient.points, axis=1)))
    ends, step = [], 1e-3
    for sign in (+1, -1):
        moved = data.X.copy()
        moved[k] += sign * step * gradient.points[k] / np.linalg.norm(gradient.points[k])
        ends.append(error_on_new(fit(moved, data.y).coefficients, data)[0])
    quotient = (ends[0] - ends[1]) / (2 * step)

    errors = {
        "coefficients, textbook": relative(fitted.coefficients, beta),
        "d(w, b)/dy, textbook": relative(responses, expected_responses),
        "d(w, b)/dx, textbook": relative(points, expected_points),
        "d(w, b)/dy, through the objective": relative(response_again, responses[i]),
        "d(w, b)/dx, through the objective": relative(point_again, u @ points[i]),
        "dL/dy, reverse and forward": relative(gradient.responses, responses @ gradient.seed),
        "dL/dx, reverse and forward": relative(gradient.points, points @ gradient.seed),
        "dL/dx, fitted again": abs(quotient / float(np.linalg.norm(gradient.points[k])) - 1),
    }
    print("Relative errors")
    for name, error in errors.items():
        print(f"    {name:36}{error:9.1e}")
    folder = Path(output_directory) if output_directory is not None else Path(__file__).parent / "output"
    figure = folder / "ridge_sensitivity.png"
    draw(data, fitted, leverage, points, gradient, figure)
    print(f"Figure: {figure}")

    # What this tutorial claims:
    assert fitted.model.get(ot.DifferentiationStatus()) == ot.DifferentiationStatusCode.EXACT
    assert all(error <= 1e-8 for name, error in errors.items() if name != "dL/dx, fitted again"), errors
    assert errors["dL/dx, fitted again"] <= 1e-5
    assert np.all((leverage > 0) & (leverage < 1))
    return Report(data, responses, points, leverage, gradient, errors, figure)


if __name__ == "__main__":
    main()

# %%
# What to take home
# -----------------
# Large influence takes a large residual: the patients who move the fit are those whom it predicts badly, and only then
# those who are unusual (leverage). On these data they are also the ones who matter to new patients: three of them lead
# both tables. But what moves the predictions is a feature (triglycerides, BMI), hardly ever the response itself.
