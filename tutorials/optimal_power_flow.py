r"""
What does a megawatt cost, and where?
=====================================

Electricity does not go where it was sold but where the laws of Kirchhoff send it, and on its way some of it is lost. So
a megawatt has another price at each node of a network: the dual of the balance there, in the *optimal power flow*, the
cheapest generation that serves all loads within physics. Its constraints are sines and cosines of voltage angles.

Planners ask for prices; those who build a battery or a factory ask for more: how do all prices move when the load at
one node grows? That is a derivative of duals of a nonlinear program, a matrix of nodes by nodes, and one factorization
gives all of it.

The story in order: the network of fourteen nodes, as an equation at each; prices; how they move; the two models that
planners use because the true one is hard, without losses (*DC*) and convex (*semidefinite*), beside it; draw; and solve
again to see whether the derivatives are right.

Run ``python tutorials/optimal_power_flow.py``. It prints a table and draws
``tutorials/output/optimal_power_flow.png``. Pictures and all are in this one file.

References
----------
University of Washington, *Power Systems Test Case Archive*: the network, 14 buses, a part of the American Midwest in
February 1962. Limits and costs as in R. D. Zimmerman, C. E. Murillo-Sánchez, R. J. Thomas, *MATPOWER: steady-state
operations, planning and analysis tools for power systems research and education*, IEEE Transactions on Power Systems 26
(2011), 12-19, which finds 8081.53 dollars an hour.

J. Lavaei, S. H. Low, *Zero duality gap in optimal power flow problem*, IEEE Transactions on Power Systems 27 (2012),
92-107: the semidefinite relaxation.
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
except ImportError as error:
    raise ImportError(
        'This tutorial draws with matplotlib; install it with: pip install "optangent[tutorials]"'
    ) from error

Array = NDArray[Any]

# %%
# The network
# -----------
# Loads and generation in megawatts and megavars; lines by resistance, reactance and charging, transformers by their
# ratio too, all per unit of 100 MVA.

BASE = 100.0
ACTIVE = np.array([0.0, 21.7, 94.2, 47.8, 7.6, 11.2, 0.0, 0.0, 29.5, 9.0, 3.5, 6.1, 13.5, 14.9])
REACTIVE = np.array([0.0, 12.7, 19.0, -3.9, 1.6, 7.5, 0.0, 0.0, 16.6, 5.8, 1.8, 1.6, 5.8, 5.0])
CAPACITOR = (8, 19.0)  # at the ninth node
LINES = [  # from, to, resistance, reactance, charging, ratio
    (1, 2, 0.01938, 0.05917, 0.0528, 1.0),
    (1, 5, 0.05403, 0.22304, 0.0492, 1.0),
    (2, 3, 0.04699, 0.19797, 0.0438, 1.0),
    (2, 4, 0.05811, 0.17632, 0.0340, 1.0),
    (2, 5, 0.05695, 0.17388, 0.0346, 1.0),
    (3, 4, 0.06701, 0.17103, 0.0128, 1.0),
    (4, 5, 0.01335, 0.04211, 0.0, 1.0),
    (4, 7, 0.0, 0.20912, 0.0, 0.978),
    (4, 9, 0.0, 0.55618, 0.0, 0.969),
    (5, 6, 0.0, 0.25202, 0.0, 0.932),
    (6, 11, 0.09498, 0.19890, 0.0, 1.0),
    (6, 12, 0.12291, 0.25581, 0.0, 1.0),
    (6, 13, 0.06615, 0.13027, 0.0, 1.0),
    (7, 8, 0.0, 0.17615, 0.0, 1.0),
    (7, 9, 0.0, 0.11001, 0.0, 1.0),
    (9, 10, 0.03181, 0.08450, 0.0, 1.0),
    (9, 14, 0.12711, 0.27038, 0.0, 1.0),
    (10, 11, 0.08205, 0.19207, 0.0, 1.0),
    (12, 13, 0.22092, 0.19988, 0.0, 1.0),
    (13, 14, 0.17093, 0.34802, 0.0, 1.0),
]
STATIONS = np.array([1, 2, 3, 6, 8]) - 1
MOST = np.array([332.4, 140.0, 100.0, 100.0, 100.0])
REACTIVE_RANGE = np.array([[0.0, -40.0, 0.0, -6.0, -6.0], [10.0, 50.0, 40.0, 24.0, 24.0]])
BEND = np.array([0.0430293, 0.25, 0.01, 0.01, 0.01])  # dollars an hour for a squared megawatt
COST = np.array([20.0, 20.0, 40.0, 40.0, 40.0])  # dollars an hour for a megawatt
LOW, HIGH = 0.94, 1.06  # of voltages
NODES, PLACE = len(ACTIVE), np.eye(len(ACTIVE))[:, STATIONS]


def admittances() -> Array:
    """The matrix Y of currents by voltages, ``I = Y V``."""
    Y = np.zeros((NODES, NODES), complex)
    for start, stop, resistance, reactance, charging, ratio in LINES:
        i, j, y = start - 1, stop - 1, 1.0 / (resistance + 1j * reactance)
        Y[i, i] += (y + 0.5j * charging) / ratio**2
        Y[j, j] += y + 0.5j * charging
        Y[i, j] -= y / ratio
        Y[j, i] -= y / ratio
    Y[CAPACITOR[0], CAPACITOR[0]] += 1j * CAPACITOR[1] / BASE
    return Y


# %%
# The cheapest flow
# -----------------
# With voltages :math:`v_i e^{\mathrm{i}\theta_i}` and :math:`Y = G + \mathrm{i} B`, node i sends
#
# .. math::
#
#     \sum_j v_i v_j (G_{ij} \cos(\theta_i - \theta_j) + B_{ij} \sin(\theta_i - \theta_j))
#
# megawatts into the network. It is written as it stands. Loads are parameters: numbers that may change.


@dataclass(frozen=True)
class Flow:
    """A model of the network with its balances."""

    model: ot.Model
    load: Any
    balance: Any

    @property
    def prices(self) -> Array:
        """Dollars for a megawatt hour, at each node."""
        return np.asarray(self.model.polished(self.balance)) / BASE

    @property
    def cost(self) -> float:
        """Dollars an hour."""
        return float(self.model.objective_value())


def generation(model: ot.Model) -> Any:
    """What stations generate, per unit; its costs are the objective."""
    p = model.add_variables(len(STATIONS), lower=0.0, upper=MOST / BASE, name="generated")
    model.minimize((BEND * BASE**2) @ (p * p) + (COST * BASE) @ p)
    return p


def true_flow() -> Flow:
    """The nonlinear model."""
    Y, model = admittances(), ot.Model(ot.diff_optimizer(ot.solvers.Ipopt))
    p, load = generation(model), model.add_parameters(ACTIVE / BASE, name="load")
    v = model.add_variables(NODES, lower=LOW, upper=HIGH, name="voltage")
    angle = model.add_variables(NODES, name="angle")
    low, high = REACTIVE_RANGE / BASE
    q = model.add_variables(len(STATIONS), lower=low, upper=high, name="reactive")
    i, j = np.nonzero(Y)
    G, B, across = Y.real[i, j], Y.imag[i, j], angle[i] - angle[j]
    into = np.eye(NODES)[:, i]  # sums over the neighbours of each node
    pairs, cosine, sine = v[i] * v[j], np.cos(across), np.sin(across)
    sent = into @ (pairs * (G * cosine + B * sine))
    reactive = into @ (pairs * (G * sine - B * cosine))
    balance = model.add_constraint(PLACE @ p - sent - load == 0.0, name="balance")
    model.add_constraint(PLACE @ q - reactive == REACTIVE / BASE, name="reactive balance")
    model.add_constraint(angle[0] == 0.0)
    model.set(ot.VariablePrimalStart(), v, 1.0)
    model.optimize()
    return Flow(model, load, balance)


# %%
# Two models that are easier
# --------------------------
# *DC*: all voltages are one, angles are small, nothing is lost. What is left is linear. *Semidefinite*: the products
# :math:`V_i \bar V_j` become a matrix W, of which one only asks that it is positive semidefinite. Then flows are linear
# in W; and if W has rank one, which it has here, nothing was relaxed.


def without_losses() -> Flow:
    """The model of planners."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.PIQP))
    p, load = generation(model), model.add_parameters(ACTIVE / BASE, name="load")
    angle = model.add_variables(NODES, name="angle")
    L = np.zeros((NODES, NODES))
    for start, stop, _, reactance, _, ratio in LINES:
        line = np.zeros(NODES)
        line[start - 1], line[stop - 1] = 1.0, -1.0
        L += np.outer(line, line) / (reactance * ratio)
    balance = model.add_constraint(PLACE @ p - L @ angle - load == 0.0, name="balance")
    model.add_constraint(angle[0] == 0.0)
    model.optimize()
    return Flow(model, load, balance)


def relaxed() -> tuple[Flow, float]:
    """The semidefinite model, and the second eigenvalue of W beside the first: zero where nothing was relaxed."""
    Y, model = admittances(), ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    p, load = generation(model), model.add_parameters(ACTIVE / BASE, name="load")
    low, high = REACTIVE_RANGE / BASE
    q = model.add_variables(len(STATIONS), lower=low, upper=high, name="reactive")
    cone = ot.HermitianPositiveSemidefiniteConeTriangle(NODES)
    w, _ = model.add_constrained_variables(cone)
    real, imaginary = _columns(cone.dimension)
    # what node i sends is the sum of W_ij times the conjugate of Y_ij
    sent = (Y.real[:, :, None] * real + Y.imag[:, :, None] * imaginary).sum(axis=1)
    reactive = (Y.real[:, :, None] * imaginary - Y.imag[:, :, None] * real).sum(axis=1)
    balance = model.add_constraint(PLACE @ p - sent @ w - load == 0.0, name="balance")
    model.add_constraint(PLACE @ q - reactive @ w == REACTIVE / BASE)
    squares = real[np.arange(NODES), np.arange(NODES)] @ w
    model.add_constraint(squares, ot.HyperRectangle(np.full(NODES, LOW**2), np.full(NODES, HIGH**2)))
    model.optimize()
    W = real @ model.value(w) + 1j * (imaginary @ model.value(w))
    values = np.linalg.eigvalsh(W)
    return Flow(model, load, balance), float(values[-2] / values[-1])


def _columns(dimension: int) -> tuple[Array, Array]:
    """Real and imaginary parts of W as matrices (nodes, nodes, dimension) of the cone's vector.

    This has the real parts of the upper triangle column by column, and then the imaginary ones.
    """
    real, imaginary = np.zeros((2, NODES, NODES, dimension))
    at = 0
    for j in range(NODES):
        for i in range(j + 1):
            real[i, j, at] = real[j, i, at] = 1.0
            at += 1
    for j in range(NODES):
        for i in range(j):
            imaginary[i, j, at], imaginary[j, i, at] = 1.0, -1.0
            at += 1
    return real, imaginary


# %%
# How prices move
# ---------------
# ``model.jacobian`` differentiates duals in parameters. Entry (i, j) is by how many cents the price at i rises when the
# load at j grows by a megawatt. The matrix is symmetric: it is the second derivative of the cost in the loads.


def movements(flow: Flow) -> Array:
    """Cents for a megawatt hour, by megawatt: (node of the price, node of the load)."""
    return 100.0 * np.asarray(flow.model.jacobian(of=flow.balance, wrt=flow.load).toarray()) / BASE**2


def solved_again(flow: Flow, node: int, step: float = 0.01) -> Array:
    """The same column by central differences."""
    sides = []
    for sign in (1.0, -1.0):
        load = ACTIVE.copy()
        load[node] += sign * step
        flow.model.set_parameter_value(flow.load, load / BASE)
        flow.model.optimize()
        sides.append(flow.prices)
    flow.model.set_parameter_value(flow.load, ACTIVE / BASE)
    flow.model.optimize()
    return 100.0 * (sides[0] - sides[1]) / (2 * step)


# %%
# The picture
# -----------

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.45"


def draw(flow: Flow, flat: Flow, convex: Flow, moves: Array, path: Path) -> None:
    """Draw the prices of all models, and how those of the true one move."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(13, 5.6), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        nodes = np.arange(1, NODES + 1)
        one_price = flat.prices.mean()
        left.vlines(nodes, one_price, flow.prices, color=GREY, lw=1.5)
        left.plot(nodes, flow.prices, "o", color=BLUE, ms=9, label="true flow")
        left.plot(nodes, convex.prices, "o", mfc="none", mec="black", ms=14, label="semidefinite relaxation")
        left.axhline(one_price, color=ORANGE, lw=2, ls=(0, (5, 3)), label="without losses: one price")
        left.set(ylim=(36, 41.8), xticks=nodes, xlabel="node", ylabel="dollars for a megawatt hour")
        left.set_title("The further, the dearer", loc="left", weight="bold")
        left.legend(frameon=False, loc="upper left")
        shown = right.imshow(moves, cmap="viridis")
        right.spines[:].set_visible(False)
        right.set(xticks=nodes - 1, yticks=nodes - 1, xlabel="a megawatt more at node", ylabel="price at node")
        right.set_xticklabels(nodes)
        right.set_yticklabels(nodes)
        right.set_title("How prices answer to loads", loc="left", weight="bold")
        figure.colorbar(shown, ax=right, label="cents for a megawatt hour", shrink=0.9)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    cost: float
    """Dollars an hour of the true flow."""
    bound: float
    """The same of the semidefinite relaxation."""
    rank_gap: float
    """Second eigenvalue of its matrix, beside the first."""
    prices: Array
    moves: Array
    error: float
    """Largest difference of a derivative from solving again, relative to the largest derivative."""
    figure: Path


def main(output_directory: str | Path | None = None) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None)."""
    flow, flat, (convex, rank_gap) = true_flow(), without_losses(), relaxed()
    moves = movements(flow)
    print(f"Costs an hour: {flow.cost:.2f} dollars; relaxed {convex.cost:.2f}; without losses {flat.cost:.2f}.")
    print(f"{'node':>5}{'load':>8}{'price':>9}{'relaxed':>9}{'lossless':>10}{'a MW more here':>16}{'there most':>12}")
    for k in range(NODES):
        cells = f"{flow.prices[k]:9.3f}{convex.prices[k]:9.3f}{flat.prices[k]:10.3f}{moves[k, k]:15.2f}¢"
        print(f"{k + 1:5d}{ACTIVE[k]:8.1f}{cells}{int(np.argmax(moves[:, k])) + 1:12d}")
    error = max(float(np.abs(solved_again(flow, k) - moves[:, k]).max()) for k in (2, 8, 13)) / float(moves.max())
    print(
        f"Derivatives are those of solving again to {error:.1e}, and symmetric to {np.abs(moves - moves.T).max():.1e}."
    )
    folder = Path(output_directory) if output_directory is not None else Path(__file__).parent / "output"
    figure = folder / "optimal_power_flow.png"
    draw(flow, flat, convex, moves, figure)
    print(f"Figure: {figure}")

    # What this tutorial claims:
    assert abs(flow.cost - 8081.53) <= 0.01  # what the literature finds
    assert abs(flow.cost - convex.cost) <= 1e-5 * flow.cost and rank_gap <= 1e-4  # nothing is relaxed here
    np.testing.assert_allclose(convex.prices, flow.prices, rtol=1e-4)
    assert np.ptp(flat.prices) <= 1e-6  # without losses and limits of lines there is one price
    assert error <= 1e-5
    return Report(flow.cost, convex.cost, rank_gap, flow.prices, moves, error, figure)


if __name__ == "__main__":
    main()

# %%
# What to take home
# -----------------
# Prices at the far end of the network are a tenth higher than beside the large station, because of losses alone. A
# megawatt more at the far end raises every price, most its own. The model without losses knows none of that. The convex
# one knows all, since its matrix has rank one: its solution is the true one, with a proof that there is no better.
