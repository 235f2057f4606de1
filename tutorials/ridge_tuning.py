r"""
Tuning a penalty by gradient descent
====================================

Ridge regression has a knob, the penalty :math:`\alpha`. The usual way to set it is a grid: fit for each of fifty
values, and keep the one that predicts best for data that were not used to fit. That is a fine way for one knob. It is a
poor one for five, and it never says in which direction to look.

Yet the fit is the solution of an optimization problem, the penalty is a number in it, and solutions can be
differentiated with respect to the numbers. So the loss on the validation data has a derivative with respect to the
penalty, and one can simply walk downhill.

The story in order: fit, with the penalty as a *parameter* of the model; pull the gradient of the validation loss back
to the penalty (reverse mode), and compare it with the closed form; walk, and compare the place of arrival with a grid;
then turn one penalty into two, which changes a single line, and walk again.

Run ``python tutorials/ridge_tuning.py``. It prints two tables and draws ``tutorials/output/ridge_tuning.png``.
Pictures and all are in this one file, to be downloaded and run by itself.

References
----------
J. Larsen, L. K. Hansen, C. Svarer, M. Ohlsson, *Design and regularization of neural networks: the optimal use of a
validation set*, Proceedings of the IEEE Workshop on Neural Networks for Signal Processing (1996), 62-71.

Y. Bengio, *Gradient-based optimization of hyperparameters*, Neural Computation 12 (2000), 1889-1900.

B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, *Least angle regression*, Annals of Statistics 32 (2004), 407-499: the
data, and the products of features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import optangent as ot

try:
    import matplotlib
    from matplotlib.figure import Figure
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
# 442 diabetes patients: ten features and, as the response, a score of how far the disease had progressed a year later.
# To the features we add their products and squares (but not the square of sex, which has two values only): 64 columns,
# standardized. A third of the patients is there to fit, a third to validate, and the last third to *test*: nothing is
# tuned to them, so that they may judge the result. With 64 columns for 148 patients, the penalty matters.


@dataclass(frozen=True)
class Patients:
    """Columns (N, D) and responses (N,)."""

    X: Array
    y: Array


@dataclass(frozen=True)
class Data:
    """Three groups of patients; the first `features` columns are features, the others products of two."""

    fit: Patients
    validate: Patients
    test: Patients
    features: int


def patients() -> Data:
    """Read, multiply, standardize and split."""
    X, y = load_diabetes(return_X_y=True, scaled=False)
    group = np.arange(len(y)) % 3

    def standardized(columns: Array) -> Array:
        fitted = columns[group == 0]
        return (columns - fitted.mean(axis=0)) / fitted.std(axis=0)

    X, sex = standardized(X), 1
    i, j = np.triu_indices(X.shape[1])
    keep = (i != sex) | (j != sex)
    X = np.column_stack([X, standardized(X[:, i[keep]] * X[:, j[keep]])])
    fit, validate, test = (Patients(X[group == k], y[group == k]) for k in range(3))
    return Data(fit, validate, test, features=10)


# %%
# The model
# ---------
# The columns come in groups g, each with a penalty of its own; for now there is one group, of all columns.
#
# .. math::
#
#     \min_{w, b, r}\; \sum_i r_i^2 + \sum_g \alpha_g |w_g|^2 \quad\text{subject to}\quad X w + b + r = y .
#
# The penalties are parameters. A product of a parameter and a function of variables is written like any other product,
# and setting a parameter changes the model in place: it is built once, whatever number of fits follows.

Groups = Sequence[slice]


class Ridge:
    """A ridge regression whose penalties can be set, and differentiated with respect to.

    Parameters
    ----------
    patients : Patients
        To fit.
    groups : sequence of slices
        Columns that share a penalty.
    """

    def __init__(self, patients: Patients, groups: Groups) -> None:
        count, width = patients.X.shape
        self.model = model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        self.w, self.b, r = model.add_variables(width, "w"), model.add_variable("b"), model.add_variables(count, "r")
        self.penalties = model.add_parameters(np.ones(len(groups)), "penalty")
        model.add_constraint(patients.X @ self.w + self.b + r == patients.y)
        ridge = sum(alpha * (self.w[g] @ self.w[g]) for alpha, g in zip(self.penalties, groups, strict=True))
        model.minimize(r @ r + ridge)

    def fit(self, penalties: Array) -> Array:
        """Coefficients (D + 1,), w then b, at penalties (G,)."""
        self.model.set_parameter_value(self.penalties, penalties)
        self.model.optimize()
        assert self.model.termination_status() == ot.TerminationStatusCode.OPTIMAL
        return np.append(self.model.value(self.w), self.model.value(self.b))

    def pull_back(self, seed: Array) -> Array:
        """Gradient (G,) with respect to the penalties, given that with respect to the coefficients (D + 1,)."""
        model = self.model
        model.empty_input_sensitivities()
        model.set(ot.ReverseVariablePrimal(), self.w, seed[:-1])
        model.set(ot.ReverseVariablePrimal(), self.b, seed[-1])
        model.reverse_differentiate()
        return np.asarray(model.get(ot.ReverseParameterValue(), self.penalties))


# %%
# The derivative of the validation loss
# -------------------------------------
# The loss is the mean squared error of the predictions for the validation patients. It depends on the penalties only
# through the coefficients: its gradient with respect to these goes in, and the one with respect to the penalties comes
# out, for all penalties in one reverse pass. Penalties are positive and span orders of magnitude, so we walk in their
# logarithms :math:`\theta = \log \alpha`; by the chain rule,
# :math:`\partial / \partial \theta = \alpha\,\partial / \partial \alpha`.


def error(coefficients: Array, patients: Patients) -> tuple[float, Array]:
    """Mean squared error, and its gradient with respect to the coefficients."""
    ones = np.column_stack([patients.X, np.ones(len(patients.y))])
    wrong = ones @ coefficients - patients.y
    return float(np.mean(wrong**2)), 2 * ones.T @ wrong / len(wrong)


def validation_loss(ridge: Ridge, theta: Array, data: Data) -> tuple[float, Array]:
    """Loss at log penalties (G,), and its gradient."""
    loss, seed = error(ridge.fit(np.exp(theta)), data.validate)
    return loss, np.exp(theta) * ridge.pull_back(seed)


# %%
# The closed form
# ---------------
# For ridge regression we can do without all this, and therefore check it. With a column of ones,
# :math:`\tilde X = (X, 1)`, and :math:`M = \tilde X^T \tilde X + D(\alpha)`, where the diagonal matrix D has each
# column's penalty and 0 for b, the coefficients are :math:`\beta = M^{-1} \tilde X^T y`, and
#
# .. math::
#
#     \frac{\partial \beta}{\partial \alpha_g} = -M^{-1} \frac{\partial D}{\partial \alpha_g} \beta .


def textbook(theta: Array, groups: Groups, data: Data, judges: Patients) -> tuple[float, Array]:
    """Loss on some patients at log penalties (G,), and its gradient, by the formulas."""
    ones = np.column_stack([data.fit.X, np.ones(len(data.fit.y))])
    diagonals = np.zeros((len(groups), ones.shape[1]))
    for diagonal, g in zip(diagonals, groups, strict=True):
        diagonal[:-1][g] = 1.0  # b has no penalty
    M = ones.T @ ones + np.diag(np.exp(theta) @ diagonals)
    beta = np.linalg.solve(M, ones.T @ data.fit.y)
    loss, seed = error(beta, judges)
    return loss, -np.exp(theta) * (diagonals * beta @ np.linalg.solve(M, seed))


# %%
# Walking downhill
# ----------------
# Gradient descent with one precaution. A step that does not lower the loss is not taken but halved; after one that
# does, we dare a longer one. The loss is measured in units of the variance of the responses, so that the first step
# length, 1, means something. We stop where the slope is less than 1e-5 of that variance.


@dataclass(frozen=True)
class Walk:
    """The places that gradient descent visited."""

    theta: Array
    """(T, G): log penalties."""
    loss: Array
    """(T,): on the validation patients."""
    gradient: Array
    """(T, G)."""
    fits: int
    """How often the model was solved, steps not taken included."""


def walk(ridge: Ridge, start: Array, data: Data, most: int = 100) -> Walk:
    """Descend from log penalties ``start`` (G,)."""
    unit = float(np.var(data.validate.y))
    theta, length, fits = start, 1.0, 1
    loss, gradient = validation_loss(ridge, theta, data)
    visited = [(theta, loss, gradient)]
    while np.linalg.norm(gradient) > 1e-5 * unit and fits < most:
        there = theta - length * gradient / unit
        fits += 1
        new_loss, new_gradient = validation_loss(ridge, there, data)
        if new_loss < loss:
            theta, loss, gradient, length = there, new_loss, new_gradient, 1.5 * length
            visited.append((theta, loss, gradient))
        else:
            length /= 2
    return Walk(*(np.array(column) for column in zip(*visited, strict=True)), fits)


# %%
# One penalty, and two
# --------------------
# With one penalty there is a curve to compare with: the loss on a fine grid. With two, one for the ten features and one
# for their products, the grid is a table already, while gradient descent does what it did before: one fit and one
# reverse pass a step. Its start is the best single penalty.

ALL = (slice(None),)
GRID = np.log(np.logspace(-2, 5, 141))


def separate(data: Data) -> Groups:
    """Features, and products."""
    return slice(0, data.features), slice(data.features, None)


# %%
# Tables and picture
# ------------------


def print_walk(one: Walk, expected: Array) -> None:
    """Every third step, and the last."""
    print(f"{'step':>6}{'penalty':>11}{'loss':>10}{'dL/dlog(penalty)':>19}{'closed form':>15}")
    for k in sorted({*range(0, len(one.loss), 3), len(one.loss) - 1}):
        penalty, slope = np.exp(one.theta[k, 0]), one.gradient[k, 0]
        print(f"{k:6}{penalty:11.3f}{one.loss[k]:10.1f}{slope:19.6f}{expected[k, 0]:15.6f}")


def print_results(places: dict[str, tuple[Array, float, float]], fits: dict[str, int]) -> None:
    """Penalties and losses (validation, test), and how many fits it took to find them."""
    print("Mean squared errors at the penalties found; nothing was tuned to the test patients")
    print(f"{'':36}{'features':>9}{'products':>10}{'fits':>6}{'validation':>12}{'test':>8}")
    for name, (theta, validation, test) in places.items():
        first, last = np.exp(theta[0]), np.exp(theta[-1])
        print(f"{name:36}{first:9.1f}{last:10.1f}{fits[name]:6}{validation:12.1f}{test:8.1f}")


BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.55"  # told apart by all kinds of colour vision


def draw(one: Walk, two: Walk, curves: tuple[Array, Array], coarse: Array, table: Array, path: Path) -> None:
    """The curve and the walk on it, with its slopes; the table as contours, and the walk across."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(14, 6.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        _draw_curve(left, one, *curves)
        _draw_table(right, two, coarse, table)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _draw_curve(axes: Any, one: Walk, validation: Array, test: Array) -> None:
    axes.plot(np.exp(GRID), validation, c=BLUE, lw=2, label="validation loss, on the grid")
    axes.plot(np.exp(GRID), test, c=GREY, lw=1.4, ls="--", label="test loss")
    reach = 0.45 * np.array([-1, 1])  # of a tangent, in log(penalty)
    for k, (theta, loss, slope) in enumerate(zip(one.theta[:, 0], one.loss, one.gradient[:, 0], strict=True)):
        label = "derivative by reverse mode, as a tangent" if k == 0 else None
        axes.plot(np.exp(theta + reach), loss + slope * reach, c=ORANGE, lw=1.6, zorder=3, label=label)
    axes.scatter(
        np.exp(one.theta[:, 0]), one.loss, s=46, c=ORANGE, ec="black", lw=0.8, zorder=4, label="gradient descent"
    )
    axes.annotate("start", (np.exp(one.theta[0, 0]), one.loss[0]), xytext=(10, 6), textcoords="offset points")
    axes.annotate(
        f"end: penalty {np.exp(one.theta[-1, 0]):.0f}",
        (np.exp(one.theta[-1, 0]), one.loss[-1]),
        xytext=(0, 120),
        textcoords="offset points",
        ha="center",
        arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.8},
    )
    axes.set_xscale("log")
    axes.set_ylim(0.9 * min(validation.min(), test.min()), 1.12 * one.loss[0])
    axes.set_xlabel("penalty")
    axes.set_ylabel("mean squared error of the predictions")
    axes.set_title("One penalty: downhill on the curve", loc="left", weight="bold")
    axes.legend(frameon=False, loc="upper right")


def _draw_table(axes: Any, two: Walk, coarse: Array, table: Array) -> None:
    penalties, best = np.exp(coarse), two.loss[-1]
    axes.set(xscale="log", yscale="log", xlim=penalties[[0, -1]], ylim=penalties[[0, -1]])
    levels = [3075, 3100, 3150, 3200, 3300, 3400, 3600, 3800, 4000, 4500, 5000, 5500, 6000]
    lines = axes.contour(penalties, penalties, table.T, levels=levels, colors=BLUE, linewidths=1.0, alpha=0.8)
    axes.clabel(lines, levels[2::2], fmt=lambda level: f"{level:.0f}", fontsize=9)
    axes.plot(penalties, penalties, c=GREY, lw=1.4, ls="--", label="both penalties equal")
    walked = np.exp(two.theta)
    axes.plot(*walked.T, c=ORANGE, lw=1.2, marker="o", ms=6, mec="black", mew=0.8, label="gradient descent")
    axes.annotate(
        f"best single penalty:\n{two.loss[0]:.0f}",
        walked[0],
        xytext=(30, -46),
        textcoords="offset points",
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.8},
    )
    axes.annotate(
        f"end: {best:.0f}",
        walked[-1],
        xytext=(60, 24),
        textcoords="offset points",
        bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85},
        arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.8},
    )
    axes.set_xlabel("penalty of the features")
    axes.set_ylabel("penalty of their products")
    axes.set_title("Two penalties: contours of the validation loss", loc="left", weight="bold")
    axes.legend(frameon=False, loc="lower right")


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    one: Walk
    two: Walk
    grid_loss: Array
    """On the validation patients, at every penalty of `GRID`."""
    table: Array
    """(C, C): the same at pairs of penalties from 1 to 1e5, that of the features first."""
    test: dict[str, float]
    """Loss on the test patients."""
    derivative_error: float
    """Largest difference from the closed form along both walks, relative to the largest derivative."""
    figure: Path


def main(output_directory: str | Path | None = None, cells: int = 31) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None).

    The table of two penalties has ``cells`` rows and columns.
    """
    data = patients()
    pair, counts = separate(data), [len(group.y) for group in (data.fit, data.validate, data.test)]
    print(f"{counts[0]} patients to fit, {counts[1]} to validate, {counts[2]} to test; {data.fit.X.shape[1]} columns.")
    one = walk(Ridge(data.fit, ALL), np.log([0.1]), data)
    two = walk(Ridge(data.fit, pair), np.repeat(one.theta[-1], 2), data)

    expected = [
        np.array([textbook(theta, groups, data, data.validate)[1] for theta in found.theta])
        for found, groups in ((one, ALL), (two, pair))
    ]
    off = max(
        float(np.abs(found.gradient - e).max() / np.abs(e).max()) for found, e in zip((one, two), expected, strict=True)
    )
    print_walk(one, expected[0])
    print(f"Along both walks, derivatives agree with the closed form to {off:.1e} (relative to the largest).")

    validation, test = (
        np.array([textbook(np.array([theta]), ALL, data, judges)[0] for theta in GRID])
        for judges in (data.validate, data.test)
    )
    coarse = np.log(np.logspace(0, 5, cells))
    table = np.array([[textbook(np.array([a, b]), pair, data, data.validate)[0] for b in coarse] for a in coarse])
    best = int(np.argmin(validation))
    cell = coarse[list(np.unravel_index(np.argmin(table), table.shape))]
    found = {
        "hardly any penalty": (one.theta[0], ALL, 1),
        "one, best of the grid": (GRID[[best]], ALL, len(GRID)),
        "one, by gradient descent": (one.theta[-1], ALL, one.fits),
        "two, best of the table": (cell, pair, table.size),
        "two, by gradient descent from there": (two.theta[-1], pair, two.fits),
    }
    places = {
        name: (theta, *(textbook(theta, groups, data, judges)[0] for judges in (data.validate, data.test)))
        for name, (theta, groups, _) in found.items()
    }
    print_results(places, {name: fits for name, (*_, fits) in found.items()})
    folder = Path(output_directory) if output_directory is not None else Path(__file__).parent / "output"
    figure = folder / "ridge_tuning.png"
    draw(one, two, (validation, test), coarse, table, figure)
    print(f"Figure: {figure}")

    # What this tutorial claims:
    assert off <= 1e-8
    for gradient_descent, lowest in ((one, validation.min()), (two, table.min())):
        assert np.all(np.diff(gradient_descent.loss) < 0)
        assert gradient_descent.loss[-1] <= (1 + 1e-4) * lowest  # as low as the grid, or lower
    assert abs(one.theta[-1, 0] - GRID[best]) <= GRID[1] - GRID[0]  # and at the same place, within a step of the grid
    assert two.loss[-1] < one.loss[-1]
    scores = {name: score for name, (_, _, score) in places.items()}
    return Report(one, two, validation, table, scores, off, figure)


if __name__ == "__main__":
    main()

# %%
# What to take home
# -----------------
# The walk on the curve ends where the grid has its minimum, with a sixth of the fits, and the tangents that led it
# there are the closed form's to twelve digits. The second penalty costs no more for each step, while a table takes the
# square of a grid; and it is worth having: the products of features want to be held back almost thirty times as firmly
# as the features themselves, and the patients for the test, to whom nothing was tuned, agree.
