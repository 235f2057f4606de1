"""
Which patients move a classifier?
=================================

A support vector machine is trained on measurements of 569 tumours. It answers "malignant or benign?", but it does not
say how much that answer owes to any single patient: had one sample been read a little differently, would the boundary
be elsewhere? Leaving out one patient at a time and training 569 times over is one way to find out. Here is a shorter
one. The trained machine is the solution of a quadratic program, and the solution of a quadratic program can be
differentiated: *one* factorization gives the derivative of the boundary with respect to every measurement of every
patient, all 17,070 of them.

The story in order: train; move one patient; move them all; draw; and, since a derivative is a promise about what
training again would give, train again and compare.

Run ``python tutorials/svm_sensitivity.py``. It prints the ten most influential patients and draws
``tutorials/output/svm_sensitivity.png``. Pictures and all are in this one file, to be downloaded and run by itself.

References
----------
C. Cortes, V. Vapnik, *Support-vector networks*, Machine Learning 20 (1995), 273-297.

W. N. Street, W. H. Wolberg, O. L. Mangasarian, *Nuclear feature extraction for breast tumor diagnosis*, SPIE 1905
(1993), 861-870: the data.

R. D. Cook, *Detection of influential observation in linear regression*, Technometrics 19 (1977), 15-18: the question.
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
    from matplotlib.patches import Rectangle
    from sklearn.datasets import load_breast_cancer
except ImportError as error:
    raise ImportError(
        "This tutorial draws with matplotlib and reads its data from scikit-learn; "
        'install both with: pip install "optangent[tutorials]"'
    ) from error

Array = NDArray[np.float64]

# %%
# The data
# --------
# For each patient, the nuclei of cells taken by a fine needle were outlined on a screen, and ten properties of their
# shape (radius, texture, concavity, ...) summarized by mean, standard error and worst value: 30 features. They come in
# all units, so each is shifted to mean 0 and scaled to standard deviation 1. A step of length one in the space of
# patients is then one standard deviation, whatever is measured; that is the unit of everything below.


def patients() -> tuple[Array, Array]:
    """Standardized features (569, 30), and labels (569,): +1 malignant, -1 benign."""
    data = load_breast_cancer()
    features = np.asarray(data.data, np.float64)
    labels = np.where(data.target == 0, 1.0, -1.0)
    return (features - features.mean(axis=0)) / features.std(axis=0), labels


# %%
# Training is a quadratic program
# -------------------------------
# The machine scores a patient by :math:`f(x) = w^T x + b`; a positive score means malignant. It wants every patient to
# lie on the right side with room to spare, margin :math:`y_i f(x_i) \ge 1`, buys the missing part :math:`\xi_i` of a
# margin at the price C, and prefers a small w, since the distance between the lines :math:`f = \pm 1` is :math:`2/|w|`:
#
# .. math::
#
#     \min_{w, b, \xi}\; \tfrac12 |w|^2 + C \sum_i \xi_i
#     \quad\text{subject to}\quad y_i (w^T x_i + b) + \xi_i \ge 1,\; \xi_i \ge 0.
#
# With C = 0.1, ten-fold cross-validation is as good as it gets on these data (98 %).
#
# The model is written down as the formula is. Each patient is one constraint, and we keep its index: that is the handle
# by which to ask, later, what moving the patient does. The solver is an interior-point method with its tolerances set
# tight, because at the end we compare two trainings that differ by little.

PENALTY = 0.1


def precise_solver() -> Any:
    """Clarabel, at tolerances of 1e-12."""
    return ot.solvers.Clarabel(tol_gap_abs=1e-12, tol_gap_rel=1e-12, tol_feas=1e-12)


@dataclass(frozen=True)
class Machine:
    """A trained support vector machine and the model behind it."""

    model: ot.Model
    w: ot.VectorOfVariables
    b: ot.VariableIndex
    patient: list[ot.ConstraintIndex]
    normal: Array
    offset: float
    margins: Array
    duals: Array

    @property
    def boundary(self) -> Array:
        """(w, b) as one array."""
        return np.append(self.normal, self.offset)

    @property
    def status(self) -> NDArray[np.str_]:
        """Where each patient stands: beyond or on the margin, inside it, or on the wrong side."""
        m = self.margins
        places = [np.abs(m - 1) <= 1e-6, m > 1, m > 0]
        return np.select(places, ["on the margin", "beyond", "inside"], "misclassified")


def train(X: Array, y: Array) -> Machine:
    """Train on patients X (N, D) with labels y (N,)."""
    model = ot.Model(ot.diff_optimizer(precise_solver))
    w = model.add_variables(X.shape[1], "w")
    b = model.add_variable("b")
    xi = model.add_variables(len(y), lower=0.0)
    patient = [model.add_constraint(y[i] * (X[i] @ w + b) + xi[i] >= 1) for i in range(len(y))]
    model.minimize(0.5 * (w @ w) + PENALTY * xi.sum())
    model.optimize()
    assert model.termination_status() == ot.TerminationStatusCode.OPTIMAL
    normal, offset = model.value(w), model.value(b)
    duals = np.array([model.dual(constraint) for constraint in patient])
    return Machine(model, w, b, patient, normal, offset, y * (X @ normal + offset), duals)


# %%
# Moving one patient
# ------------------
# Push patient i along a direction u, to :math:`x_i + t u`. The function of that patient's constraint becomes
# :math:`y_i (w^T x_i + b) + \xi_i + t \cdot y_i u^T w`; the last term is the *tangent* of the constraint, again a
# function of the variables. We hand it over and ask how the solution starts to move. That is forward mode.


def push_one(machine: Machine, y: Array, i: int, u: Array) -> Array:
    """Derivative (D + 1,) of (w, b) as patient i moves along u."""
    model = machine.model
    model.empty_input_sensitivities()
    model.set(ot.ForwardConstraintFunction(), machine.patient[i], y[i] * (u @ machine.w))
    model.forward_differentiate()
    dw = model.get(ot.ForwardVariablePrimal(), machine.w)
    db = model.get(ot.ForwardVariablePrimal(), machine.b)
    return np.append(dw, db)


# %%
# Moving them all
# ---------------
# Every patient may move along any of the D features. A direction is a dictionary from constraints to tangents, and
# ``directional_derivatives`` takes them all at once. The matrix behind forward mode depends on the solution alone, so
# it is factorized once for all N × D directions.


def push_all(machine: Machine, y: Array) -> Array:
    """Derivatives (N, D, D + 1): how (w, b) moves as patient i moves along feature j."""
    outputs = ot.VectorOfVariables([*machine.w, machine.b])
    directions = [{c: y_i * w_j} for c, y_i in zip(machine.patient, y.tolist(), strict=True) for w_j in machine.w]
    table = machine.model.directional_derivatives(outputs, directions)
    return table.reshape(len(y), len(machine.w), len(outputs))


# %%
# For patient i this is a D × (D + 1) matrix J: a step u moves (w, b) by :math:`u^T J`. Which step moves it most? The
# singular value decomposition of J answers: the largest singular value is the *influence* of the patient, the length by
# which (w, b) changes for each standard deviation that the patient moves, and the left singular vector is the direction
# in which the patient has that influence.


@dataclass(frozen=True)
class Influences:
    """What each of N patients does to (w, b)."""

    influence: Array
    """(N,): the largest change of (w, b), in length, for each standard deviation that the patient moves."""
    direction: Array
    """(N, D): the unit step that has it."""
    derivative: Array
    """(N, D + 1): derivative of (w, b) along that step."""
    along_ones: Array
    """(N, D + 1): derivative of (w, b) along the unit step (1, ..., 1)/√D: all features grow alike."""


def influences(jacobians: Array) -> Influences:
    """Influence, most influential direction and derivative along it, from ``jacobians`` (N, D, D + 1)."""
    left, sizes, right = np.linalg.svd(jacobians, full_matrices=False)
    along_ones = jacobians.sum(axis=1) / np.sqrt(jacobians.shape[1])
    return Influences(sizes[:, 0], left[:, :, 0], sizes[:, :1] * right[:, 0, :], along_ones)


# %%
# The derivative exists only where no patient sits on the fence: on the margin exactly, and yet not needed there. The
# library checks that (``DifferentiationStatus`` is ``EXACT``). The price C makes the question sharp: a patient's dual
# variable, between 0 and C, is the force with which the patient pushes the boundary. Zero beyond the margin, C inside
# or on the wrong side, in between on the margin.

HEADER = (
    f"{'':4}{'patient':>7}  {'class':10}{'margin':>7}{'slack':>7}  {'status':15}"
    f"{'force/C':>8}{'influence':>11}{'all ones':>10}"
)


def print_table(machine: Machine, y: Array, found: Influences, top: NDArray[np.int64]) -> None:
    """The most influential patients, one a line."""
    print(HEADER)
    for rank, i in enumerate(top, 1):
        name = "malignant" if y[i] > 0 else "benign"
        margin, force = machine.margins[i], machine.duals[i] / PENALTY
        slack, status = max(0.0, 1.0 - round(margin, 9)), machine.status[i]
        ones = np.linalg.norm(found.along_ones[i])
        print(
            f"{rank:3} {i:7}  {name:10}{margin:7.3f}{slack:7.3f}  {status:15}{force:8.3f}"
            f"{found.influence[i]:11.4f}{ones:10.4f}"
        )


# %%
# The picture
# -----------
# 30 dimensions do not fit on paper, but one view of them shows the boundary without distortion: along the axis w, the
# signed distance from the boundary, in which boundary and margins are exactly straight lines; against the direction of
# largest spread *within* the boundary. Small dots are patients without any influence, and they are most of them; for
# the others the area of the mark is the influence. The right half of the figure is a close-up of the strip between the
# margins, for this is where everything happens.

COLOURS = {-1.0: "#0072B2", 1.0: "#D55E00"}  # blue and vermilion: told apart by all kinds of colour vision
SHAPES = {-1.0: "o", 1.0: "^"}
NAMES = {-1.0: "benign", 1.0: "malignant"}
MEASURED = "standard deviations"


def view(X: Array, machine: Machine) -> tuple[Array, Array]:
    """Signed distance from the boundary, and coordinate along the largest spread within it; both (N,)."""
    length = np.linalg.norm(machine.normal)
    axis = machine.normal / length
    across = (X @ machine.normal + machine.offset) / length
    within = X - np.outer(X @ axis, axis)
    leading = np.linalg.svd(within, full_matrices=False)[2][0]
    return across, within @ (leading * np.sign(leading.sum()))


def draw(X: Array, y: Array, machine: Machine, found: Influences, top: NDArray[np.int64], path: Path) -> None:
    """Draw all patients, and those about the margins again in a close-up."""
    across, within = view(X, machine)
    reach = 1 / float(np.linalg.norm(machine.normal))
    moving = found.influence > 1e-9
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(13, 7.6), layout="constrained")
        everyone, near = figure.subplots(1, 2, width_ratios=(1, 1.25))
        for axes, magnification in ((everyone, 0.35), (near, 1.0)):
            _draw_strip(axes, reach)
            _draw_patients(axes, across, within, y, found.influence, magnification)
            axes.set_xlabel(f"signed distance from the boundary ({MEASURED})")
        everyone.set_ylabel(f"leading principal direction within the boundary ({MEASURED})")
        everyone.set_title(f"All {len(y)} patients", loc="left", pad=24, weight="bold")
        near.set_title(
            f"Close-up: the {moving.sum()} patients who can move the boundary", loc="left", pad=24, weight="bold"
        )
        low, high = within[moving].min(), within[moving].max()
        sides = min(-2.1 * reach, across[moving].min() - 0.1), max(2.1 * reach, across[moving].max() + 0.1)
        frame = sides, (low - 0.8, high + 0.8)
        near.set(xlim=frame[0], ylim=frame[1])
        everyone.add_patch(
            Rectangle(
                (frame[0][0], frame[1][0]), np.ptp(frame[0]), np.ptp(frame[1]), fill=False, ec="0.4", lw=0.8, zorder=1
            )
        )
        for x, text in ((0, "boundary"), (-reach, "margin"), (reach, "margin")):
            near.text(x, 1.005, text, transform=near.get_xaxis_transform(), ha="center", va="bottom", fontsize=10)
        for side in (-1, 1):
            there = top[np.sign(across[top]) == side]
            _label(near, across[there], within[there], [f"{i}: {found.influence[i]:.2f}" for i in there], side, reach)
        figure.legend(
            handles=_legend(),
            loc="outside lower center",
            ncols=6,
            frameon=False,
            title=(
                "influence: change of (w, b), in length, for each standard deviation that the patient moves. "
                "Numbers: the ten most influential patients and their influence"
            ),
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _draw_strip(axes: Any, reach: float) -> None:
    """The boundary and its margins."""
    axes.axvspan(-reach, reach, color="0.94", zorder=0)
    axes.axvline(0, color="0.25", lw=1.4, zorder=1)
    for side in (-reach, reach):
        axes.axvline(side, color="0.25", lw=1.1, ls=(0, (5, 3)), zorder=1)


def _draw_patients(axes: Any, x: Array, z: Array, y: Array, influence: Array, magnification: float) -> None:
    for label in (-1.0, 1.0):
        style = {"c": COLOURS[label], "marker": SHAPES[label]}
        still = (y == label) & (influence <= 1e-9)
        moving = np.flatnonzero((y == label) & (influence > 1e-9))
        moving = moving[np.argsort(-influence[moving])]  # large marks first, so that they hide no small ones
        axes.scatter(x[still], z[still], s=10, alpha=0.35, lw=0, zorder=2, **style)
        size = magnification * _area(influence[moving])
        axes.scatter(x[moving], z[moving], s=size, alpha=0.75, edgecolors="black", linewidths=0.8, zorder=3, **style)


def _area(influence: Any) -> Any:
    """Area of a mark, in points squared."""
    return 280 * np.asarray(influence)


def _legend() -> list[Line2D]:
    def mark(shape: str, colour: str, area: float, text: str, **style: Any) -> Line2D:
        return Line2D([], [], ls="", marker=shape, ms=float(np.sqrt(area)), mfc=colour, label=text, **style)

    classes = [mark(SHAPES[k], COLOURS[k], 70, NAMES[k], mec="black", alpha=0.75) for k in (-1.0, 1.0)]
    still = mark("o", COLOURS[-1.0], 10, "no influence at all", mec="none", alpha=0.35)
    return [*classes, still, *(mark("o", "0.85", _area(k), f"influence {k}", mec="black") for k in (0.1, 0.5, 1.5))]


def _label(axes: Any, x: Array, z: Array, texts: list[str], side: int, reach: float) -> None:
    """Write texts in a column outside the margin, in the order of the marks and without overlap."""
    order = np.argsort(z)
    heights = z[order].copy()
    apart = 0.042 * np.ptp(axes.get_ylim())
    for _ in range(100):  # push neighbours apart until all have room
        gaps = np.maximum(apart - np.diff(heights), 0) / 2
        heights[1:] += gaps
        heights[:-1] -= gaps
    for i, height in zip(order, heights, strict=True):
        axes.annotate(
            texts[i],
            (x[i], z[i]),
            xytext=(1.5 * side * reach, height),
            ha="left" if side > 0 else "right",
            va="center",
            zorder=5,
            arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.8, "shrinkB": 0},
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85},
        )


# %%
# Is it true?
# -----------
# Take the most influential patient, move it a thousandth of a standard deviation to and fro along its most influential
# direction, and train again, twice. The difference quotient must agree with the derivative. It can only do so if no
# patient changed place (on the margin, inside, ...) on the way: at such a change the solution has a kink.

STEP = 1e-3


def train_again(X: Array, y: Array, machine: Machine, found: Influences, i: int) -> float:
    """Relative error of the derivative against central differences of two trainings."""
    ends = []
    for sign in (+1, -1):
        moved = X.copy()
        moved[i] += sign * STEP * found.direction[i]
        again = train(moved, y)
        assert np.array_equal(again.status, machine.status), "a patient crossed a margin: choose a smaller step"
        ends.append(again.boundary)
    quotient = (ends[0] - ends[1]) / (2 * STEP)
    return float(np.linalg.norm(quotient - found.derivative[i]) / np.linalg.norm(found.derivative[i]))


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    machine: Machine
    influences: Influences
    top: NDArray[np.int64]
    relative_error: float
    figure: Path


def main(output_directory: str | Path | None = None) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None)."""
    X, y = patients()
    machine = train(X, y)
    model, status = machine.model, machine.status
    found = influences(push_all(machine, y))
    exact = ot.DifferentiationStatusCode.EXACT
    assert model.get(ot.DifferentiationStatus()) == exact, "not differentiable here: change the penalty a little"

    counts = ", ".join(
        f"{np.count_nonzero(status == s)} {s}" for s in ("beyond", "on the margin", "inside", "misclassified")
    )
    print(f"{len(y)} patients, {X.shape[1]} features: {counts}.")
    moving, size = np.count_nonzero(found.influence > 1e-9), np.linalg.norm(machine.boundary)
    print(f"{moving} of them can move the boundary (w, b), of length {size:.3f}. The ten that move it most:")
    top = np.argsort(-found.influence)[:10]
    print_table(machine, y, found, top)
    print(
        "influence: change of (w, b), in length, for each standard deviation that the patient moves, in the direction"
    )
    print("where this is most; all ones: the same for a step in which all features grow alike.")

    i = int(top[0])
    one = push_one(machine, y, i, found.direction[i])
    error = train_again(X, y, machine, found, i)
    print(f"Trained again with patient {i} moved by ±{STEP:g}: the derivative is right to {error:.1e} (relative).")

    folder = Path(output_directory) if output_directory is not None else Path(__file__).parent / "output"
    figure = folder / "svm_sensitivity.png"
    draw(X, y, machine, found, top, figure)
    print(f"Figure: {figure}")

    # What this tutorial claims:
    np.testing.assert_allclose(one, found.derivative[i], rtol=1e-9, atol=1e-9)  # one by one, or all at once
    assert error <= 1e-5
    assert np.all(found.influence[status == "beyond"] == 0)  # those who are safely right do not matter
    assert np.all(status[top] == "on the margin")  # and those who are wrong matter less than those on the margin
    return Report(machine, found, top, error, figure)


if __name__ == "__main__":
    main()

# %%
# What to take home
# -----------------
# The most influential patients are not the misclassified ones. Those push with the full force C, but with the *same*
# force wherever they stand, so that moving them a little changes little. Patients on the margin hold the boundary in
# place: when they move, it follows.
