r"""
What an iteration buys: first-order methods and their gradients
==============================================================

Methods that do nothing but multiply by a matrix are what is left when problems are too large to factorize, and what
graphics cards are good at. They come near a solution soon and take their time for the last digits. If a solution is to
be *differentiated* there is a second question: how near must one be before the gradient is worth something?

The story in order: a measured spectrum is unmixed, which is nonnegative least squares; three methods, of which each
takes its steps in a way of its own, are stopped after 1, 2, ... 1,000 iterations, and asked for the solution and for a
gradient; the errors of both are drawn against the number of iterations. It turns out that a gradient does not get
better as the solution does. It stays wrong by a half while the objective is right to four digits, namely as long as the
*zeros* of the solution are wrong, and is right at once when they are. Which is why all three methods, unless they are
told not to, guess the zeros as soon as these stay the same, and take one exact step.

Run ``python tutorials/first_order_methods.py``. It prints a table and draws
``tutorials/output/first_order_methods.png``. Pictures and all are in this one file, to be downloaded and run by itself.

References
----------
PDG: G. Qu, N. Li, *On the exponential stability of primal-dual gradient dynamics*, IEEE Control Systems Letters 3
(2019), 43-48.

ADMM, and its differentiation: S. Boyd et al., *Distributed optimization and statistical learning via the alternating
direction method of multipliers*, Foundations and Trends in Machine Learning 3 (2011), 1-122; H. Sun et al.,
*Alternating differentiation for optimization layers*, ICLR (2023).

PDHG: A. Chambolle, T. Pock, *A first-order primal-dual algorithm for convex problems with applications to imaging*,
Journal of Mathematical Imaging and Vision 40 (2011), 120-145; D. Applegate et al., *Practical large-scale linear
programming using primal-dual hybrid gradient*, NeurIPS (2021).

C. L. Lawson, R. J. Hanson, *Solving least squares problems* (1974), chapter 23: nonnegative least squares, solved with
factors of the columns that are not zero; SciPy's `nnls` is our reference.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

import optangent as ot

try:
    import matplotlib
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        'This tutorial draws with matplotlib; install it with: pip install "optangent[tutorials]"'
    ) from error

Array = NDArray[np.float64]

# %%
# A spectrum
# ----------
# Forty substances may be in a mixture. Of each we know its spectrum, a line with some width at a place of its own, in
# 160 channels; lines overlap. Of the mixture we have the sum, with noise. The data are made here, by the generator of
# random numbers, and twelve substances are really in it.


@dataclass(frozen=True)
class Spectrum:
    """Lines of the substances, as columns (M, N), and what was measured (M,)."""

    A: Array
    b: Array


def measured(channels: int = 160, substances: int = 40, present: int = 12, seed: int = 0) -> Spectrum:
    """Gaussian lines, amounts between 0.5 and 2 of those present, and noise of 2 percent of a line's height."""
    rng = np.random.default_rng(seed)
    places, width = np.linspace(0.02, 0.98, substances), 0.7 / substances
    A = np.exp(-0.5 * ((np.linspace(0, 1, channels)[:, None] - places) / width) ** 2)
    amounts = np.zeros(substances)
    amounts[rng.permutation(substances)[:present]] = rng.uniform(0.5, 2.0, present)
    return Spectrum(A, A @ amounts + 0.02 * rng.standard_normal(channels))


# %%
# The model
# ---------
# The amounts x minimize the squares of what is not explained, and are not negative:
#
# .. math::
#
#     \min_x \; \tfrac12 \|A x - b\|^2 \quad\text{subject to}\quad x \ge 0 .
#
# The measurement b is a parameter. The question to be differentiated: how much is there of all substances in the left
# half of the spectrum? Its gradient with respect to b says which channels that answer leans on.
#
# Two options make the three solvers stop where we want: ``max_iterations``, and ``exact=False``, without which they
# would not go on to the end of any of our pictures. The derivative is then that of the iteration, linearized where it
# was stopped, which is a fixed point again. It is iterated as many times as the solution was (with Anderson's
# acceleration), and its status says TRUNCATED. The solver's word for a run that was stopped is ITERATION_LIMIT.

METHODS = {"PDG": ot.solvers.PDG, "ADMM": ot.solvers.AltDiff, "PDHG": ot.solvers.PDHG}


@dataclass(frozen=True)
class Answer:
    """What a solver came to: amounts (N,), the gradient of the question in b (M,), what that is, and iterations."""

    x: Array
    gradient: Array
    status: ot.DifferentiationStatusCode
    iterations: int


def question(spectrum: Spectrum) -> Array:
    """The gradient of the question in x (N,): ones on the left."""
    count = spectrum.A.shape[1]
    return np.where(np.arange(count) < count // 2, 1.0, 0.0)


def answered(name: str, spectrum: Spectrum, **options: Any) -> Answer:
    """Solve and differentiate."""
    A = spectrum.A
    model = ot.Model(ot.diff_optimizer(lambda: METHODS[name](**options)))
    x = model.add_variables(A.shape[1], "amount", lower=0.0)
    b = model.add_parameters(spectrum.b, "measured")
    model.minimize(0.5 * (x @ ((A.T @ A) @ x)) - (A.T @ b) @ x)
    model.optimize()
    model.set(ot.ReverseVariablePrimal(), x, question(spectrum))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ot.DifferentiationWarning)  # TRUNCATED is what we want to see
        model.reverse_differentiate()
    return Answer(
        np.asarray(model.value(x)),
        np.asarray(model.get(ot.ReverseParameterValue(), b)),
        model.get(ot.DifferentiationStatus()),
        model.get(ot.BarrierIterations()),
    )


def stopped(name: str, spectrum: Spectrum, iterations: int) -> Answer:
    """After so many iterations, and as many of the derivative."""
    short = {"derivative_iterations": iterations, "derivative_tolerance": 1e-14, "tolerance": 1e-14}
    return answered(name, spectrum, exact=False, max_iterations=iterations, check_every=min(25, iterations), **short)


# %%
# What is right
# -------------
# With S the substances whose amount is not zero, ``x_S = (A_SᵀA_S)⁻¹ A_Sᵀ b``, and for a question with the gradient c
# in x the gradient in b is ``A_S (A_SᵀA_S)⁻¹ c_S``. That is where the zeros matter: they decide which columns are in
# this formula.


def truth(spectrum: Spectrum) -> tuple[Array, Array]:
    """Amounts by SciPy, and the gradient by the formula."""
    A, x = spectrum.A, scipy.optimize.nnls(spectrum.A, spectrum.b)[0]
    S = x > 0
    gradient = A[:, S] @ np.linalg.solve(A[:, S].T @ A[:, S], question(spectrum)[S])
    return x, gradient


# %%
# The race
# --------
# Of every run four numbers are kept. The conditions of optimality say that for each substance the amount or its
# multiplier, the gradient of the squares, is zero and neither is negative; their violation is the smaller of both, in
# units of an amount. Where the gradient was off by more than a tenth for the last time is where it becomes of use.

OFF = 0.1


@dataclass(frozen=True)
class Race:
    """Errors of one method against the number of iterations, all relative; (K,) each."""

    iterations: Array
    objective: Array
    distance: Array
    conditions: Array
    gradient: Array
    last_off: int
    """The place (among K) at which the gradient was off by more than `OFF` for the last time."""
    exact: Answer
    """What the method answers when it is left alone."""


def race(name: str, spectrum: Spectrum, counts: Array) -> Race:
    """Stop a method after each of some numbers of iterations."""
    A, b, (x, gradient) = spectrum.A, spectrum.b, truth(spectrum)
    squares = np.sum(A**2, axis=0)
    rows = []
    for count in counts.astype(int).tolist():
        found = stopped(name, spectrum, count)
        there = np.maximum(found.x, 0.0)
        least = 0.5 * np.sum((A @ x - b) ** 2)
        above = 0.5 * np.sum((A @ there - b) ** 2) - least
        slope = A.T @ (A @ there - b) / squares
        rows.append(
            (
                max(above, 0.0) / (0.5 * b @ b - least),
                np.linalg.norm(found.x - x) / np.linalg.norm(x),
                np.abs(np.minimum(there, slope)).max() / x.max(),
                np.linalg.norm(found.gradient - gradient) / np.linalg.norm(gradient),
            )
        )
    errors = np.array(rows).T
    return Race(counts, *errors, last_off=int(np.flatnonzero(errors[3] > OFF)[-1]), exact=answered(name, spectrum))


# %%
# Table and picture
# -----------------
# Two things to see in the last panel. PDG and PDHG walk down stairs: between steps the gradient is that of the formula
# above with the substances that are not zero *now*, and each stair is one that becomes zero, or ceases to be. ADMM has
# all zeros right after 14 iterations; from there on it is only that so few iterations of the derivative are not enough.

LOOKS = {"PDG": ("#0072B2", "-"), "ADMM": ("#D55E00", "-"), "PDHG": ("#009E73", "-")}
PANELS = {
    "objective": "Objective above its minimum",
    "distance": "Distance to the solution",
    "conditions": "Violation of the optimality conditions",
    "gradient": "Error of the gradient",
}


def print_table(races: dict[str, Race], errors: dict[str, float]) -> None:
    """Where the gradient was off for the last time, and how good all else was there; and the exact answers."""
    print(f"{'':6}{'gradient off by more than a tenth for the last time':^64}{'left alone':>24}")
    print(f"{'':6}{'iterations':>12}{'objective':>12}{'distance':>12}{'conditions':>13}{'gradient':>12}", end="")
    print(f"{'iterations':>17}{'gradient':>12}")
    for name, one in races.items():
        k = one.last_off
        print(
            f"{name:6}{one.iterations[k]:12.0f}{one.objective[k]:12.1e}{one.distance[k]:12.1e}"
            f"{one.conditions[k]:13.1e}{one.gradient[k]:12.1e}{one.exact.iterations:17}{errors[name]:12.1e}"
        )


def draw(races: dict[str, Race], path: Path) -> None:
    """Four panels, a curve a method; a circle where the gradient was off for the last time."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(14, 8.4), layout="constrained")
        for axes, (field, title) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
            _draw_errors(axes, races, field)
            axes.set_title(title, loc="left", weight="bold")
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _draw_errors(axes: Any, races: dict[str, Race], field: str) -> None:
    for name, one in races.items():
        (colour, dashes), error = LOOKS[name], np.maximum(getattr(one, field), 1e-16)
        axes.loglog(one.iterations, error, c=colour, ls=dashes, lw=2, label=name)
        k, label = one.last_off, None
        if name == "PDHG" and field == "objective":
            label = "gradient off by a tenth\nfor the last time"
        axes.plot(one.iterations[k], error[k], "o", ms=10, mfc="white", mec=colour, mew=2, ls="", zorder=4, label=label)
    axes.set_ylim(3e-17, 3)
    axes.set_xlabel("iterations")
    axes.grid(alpha=0.25)
    if field == "objective":
        axes.legend(frameon=False, loc="lower left")
    if field == "gradient":
        words = (
            "as long as zeros are wrong,\na better solution has no better gradient;\nonce they are right, it is right"
        )
        axes.annotate(words, (0.03, 0.1), xycoords="axes fraction", color="0.25")


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    races: dict[str, Race]
    exact_errors: dict[str, float]
    """Of the gradients of methods that are left alone, relative."""
    figure: Path


def main(output_directory: str | Path | None = None, points: int = 28, most: int = 1000) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None).

    Every method is stopped after ``points`` numbers of iterations between 1 and ``most``.
    """
    spectrum = measured()
    x, gradient = truth(spectrum)
    print(
        f"{len(spectrum.b)} channels, {len(x)} substances, {np.sum(x > 0)} of them found by nonnegative least squares."
    )
    counts = np.unique(np.round(np.geomspace(1, most, points)))
    races = {name: race(name, spectrum, counts) for name in METHODS}
    errors = {
        name: float(np.linalg.norm(one.exact.gradient - gradient) / np.linalg.norm(gradient))
        for name, one in races.items()
    }
    print_table(races, errors)
    for name, one in races.items():
        assert one.exact.status is ot.DifferentiationStatusCode.EXACT, name
        assert errors[name] <= 1e-9 and np.abs(one.exact.x - x).max() <= 1e-9 * x.max()
        assert one.objective[one.last_off] <= 2e-3 and one.last_off > 0, name  # nearly there, by the objective
        assert one.gradient[-1] <= 1e-8 and one.distance[-1] <= 1e-6, name
    folder = Path(__file__).parent / "output" if output_directory is None else Path(output_directory)
    figure = folder / "first_order_methods.png"
    draw(races, figure)
    print(f"wrote {figure}")
    return Report(races, errors, figure)


if __name__ == "__main__":
    main()
