r"""
Until when is a price true?
===========================

Two power stations serve one demand. The dual variable of the balance "what is generated is what is asked for" is the
price of electricity: what one more megawatt would cost. Every solver returns it. None says how far it can be trusted:
one more megawatt, yes; but ten, or fifty? There is a demand at which the cheap station is full, and from there on the
price is another one.

For linear and convex quadratic programs that can be known exactly. As long as the same constraints hold with equality,
the solution moves along a straight line, and a ratio test finds where the first of them changes. So one solution tells
its own *range*; and ranges, one after the other, are the whole *path* of the solution, from the smallest demand to the
largest that can be served, with no grid in it.

The story in order: a model with the demand as a parameter; the range of a price, and what happens to him who trusts it
beyond; all ranges, twice, with costs that are linear and costs that bend; draw; and, since "exact" is a strong word,
solve at every whole demand and compare.

Run ``python tutorials/dispatch_prices.py``. It prints three tables and draws ``tutorials/output/dispatch_prices.png``.
Pictures and all are in this one file, to be downloaded and run by itself.

References
----------
F. C. Schweppe, M. C. Caramanis, R. D. Tabors, R. E. Bohn, *Spot Pricing of Electricity* (1988): the duals as prices.

T. Gal, *Postoptimal Analyses, Parametric Programming, and Related Topics* (1995): ranges and paths.
"""

from __future__ import annotations

import warnings
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

Array = NDArray[np.float64]

# %%
# The model
# ---------
# Station i generates :math:`g_i` megawatts, at most :math:`G_i`, and costs :math:`c_i g_i + q_i g_i^2` an hour:
#
# .. math::
#
#     \min_g\; \sum_i c_i g_i + q_i g_i^2 \quad\text{subject to}\quad \sum_i g_i = d,\; 0 \le g_i \le G_i.
#
# The cheap station is the large one. We look at it twice: with :math:`q = 0`, where a megawatt always costs the same,
# and with :math:`q > 0`, where stations become worse the harder they are driven. The demand d is a *parameter* of the
# model: a number that may change.

NAMES = ("coal", "gas")
COST = np.array([20.0, 30.0])
BEND = np.array([0.2, 0.1])
LIMIT = np.array([150.0, 80.0])
LOWEST, HIGHEST = 11, 300


@dataclass(frozen=True)
class Dispatch:
    """A model, and what we ask it about."""

    model: ot.Model
    demand: ot.VariableIndex
    balance: ot.ConstraintIndex


def dispatch(bend: Array, demand: float) -> Dispatch:
    """The cheapest dispatch at a demand."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    g = ot.VectorOfVariables([model.add_variable(k, lower=0.0, upper=G) for k, G in zip(NAMES, LIMIT, strict=True)])
    d = model.add_parameter(demand, "demand")
    balance = model.add_constraint(g.sum() == d, name="balance")
    model.minimize(COST @ g + bend @ (g * g))
    model.optimize()
    return Dispatch(model, d, balance)


# %%
# One price, and how far it goes
# ------------------------------
# ``model.ranges()`` has a row for every number of the model that may move: how the optimal value answers (*slope*; that
# of the demand is the price), between which values that holds, and what ends it. With linear costs the price stays what
# it is up to there. With costs that bend it moves, but along a straight line.
#
# ``model.predict`` follows that line: the solution at another demand, without a solve. Beyond the range it says so, by
# its ``validity``: the part of the way that it is good for. Here is what it would cost not to listen.


def range_of(found: Dispatch) -> Any:
    """What the table of ranges says of the demand."""
    return found.model.ranges().set_index("name").loc["demand"]


def predicted_price(found: Dispatch, demand: float) -> tuple[float, float]:
    """The price at another demand, by the line of the present one, and the part of the way that this is good for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ot.DifferentiationWarning)  # it also warns; here we want to see
        prediction = found.model.predict({found.demand: demand})
    return prediction.dual(found.balance), prediction.validity


def print_trust(found: Dispatch, path: Any) -> None:
    """Prices by the line of the present demand, and true ones."""
    print(f"{'demand':>8}{'predicted':>11}{'true':>7}{'good for':>10}")
    for demand in (120.0, 145.0, 160.0, 200.0):
        price, validity = predicted_price(found, demand)
        print(f"{demand:8.0f}{price:11.1f}{path.slope(demand):7.1f}{min(validity, 1.0):10.0%}")


# %%
# All of them
# -----------
# ``model.path`` strings the ranges together. Between two breakpoints it holds a line, not samples: any demand may be
# asked for, and the breakpoints are exact.


def ends_of(piece: Any, names: list[str]) -> tuple[Array, Array, Array]:
    """Demand (2,), price (2,) and dispatch (2, stations) at both ends of a piece."""
    demand = np.array([piece.start, piece.stop])
    places = [names.index(name) for name in NAMES]
    moved = piece.values[places] + np.outer(demand - piece.at, piece.moves[places])
    return demand, piece.slope_at(demand), moved


def print_path(path: Any) -> None:
    """A line for each piece: demand, price and dispatch from its beginning to its end."""
    print(f"{'demand':>15}{'price':>15}{NAMES[0]:>15}{NAMES[1]:>15}   what ends it")
    for piece, event in zip(path.pieces, path.to_frame()["at_stop"], strict=True):
        demand, price, g = ends_of(piece, path.variables)
        cells = (f"{start + 0.0:8.1f} -{stop + 0.0:5.0f}" for start, stop in (demand, price, *np.abs(g.T)))
        print(f"{''.join(cells)}   {event}")
    print(f"Beyond {path.stop:g}: {path.ends.partition(' ')[0].lower()}.")


# %%
# The picture
# -----------
# A path draws itself (``path.plot(ax)``): on the left, who generates. On the right are the prices. Whoever stands at a
# demand of 100 sees one straight line of them, which is true as far as the strip is shaded.

BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.45"
HERE = 100.0


def draw(bent: Any, flat: Any, here: Any, path: Path) -> None:
    """Draw the dispatch of ``bent``, the prices of both paths, and the range of the price ``here``."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(13, 5.6), layout="constrained")
        who, price = figure.subplots(1, 2, width_ratios=(1, 1.25))
        bent.plot(who, names=list(NAMES))
        who.set(xlim=(0, 250), ylim=(0, 160), xlabel="demand (MW)", ylabel="generated (MW)")
        who.set_title("Who generates, with costs that bend", loc="left", weight="bold")
        _draw_prices(price, bent, flat, here)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _draw_prices(axes: Any, bent: Any, flat: Any, here: Any) -> None:
    axes.axvspan(here.low, here.high, color="0.94", zorder=0)
    for found, colour, label in ((flat, GREY, "linear costs"), (bent, BLUE, "costs that bend")):
        ends = [ends_of(piece, found.variables) for piece in found.pieces]
        demand, price = (np.concatenate([end[k] for end in ends]) for k in (0, 1))
        axes.plot(demand, price, c=colour, lw=2, label=label, zorder=3)
        at = np.searchsorted(demand, found.breakpoints)
        axes.scatter(demand[at], price[at], s=30, color=colour, zorder=4)
    (piece,) = [piece for piece in bent.pieces if piece.start < HERE < piece.stop]
    beyond = np.array([here.high, bent.stop])
    axes.plot(
        beyond, piece.slope_at(beyond), c=ORANGE, lw=1.6, ls=(0, (5, 3)), label="the line of 100, beyond its range"
    )
    axes.scatter([HERE], [here.slope], s=60, color=ORANGE, ec="black", lw=0.8, zorder=5)
    axes.annotate(
        f"at {HERE:.0f} the price is {here.slope:.0f},\nand its line is true\nfrom {here.low:.0f} to {here.high:.0f}",
        (HERE, here.slope),
        xytext=(-14, 34),
        textcoords="offset points",
        ha="right",
        arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.8},
    )
    axes.axvline(bent.stop, color="0.25", lw=1.2)
    axes.text(bent.stop + 3, 48, "no dispatch", rotation=90, va="center", fontsize=10)
    axes.set(xlim=(0, 250), ylim=(15, 85), xlabel="demand (MW)", ylabel="price of a megawatt")
    axes.set_title("What the next megawatt costs", loc="left", weight="bold")
    axes.legend(frameon=False, loc="upper left")


# %%
# Is it true?
# -----------
# Two stations are few enough for the textbook: load them in the order of their marginal costs. At a price p station i
# generates :math:`(p - c_i) / 2 q_i`, within its limits, and the price is the one at which that is the demand. And at
# every whole demand from 11 to 300 we solve again: either the path has this solution, or there is none.


def textbook(demand: Array) -> Array:
    """The prices (k,) of costs that bend, at demands (k,), by bisection."""
    low, high = np.full(len(demand), COST.min()), np.full(len(demand), (COST + 2 * BEND * LIMIT).max())
    for _ in range(60):
        middle = 0.5 * (low + high)
        offered = np.clip((middle[:, None] - COST) / (2 * BEND), 0.0, LIMIT).sum(axis=1)
        low, high = np.where(offered < demand, middle, low), np.where(offered < demand, high, middle)
    return high


def solved_again(found: Dispatch, path: Any) -> float:
    """The largest difference of an optimal value from the path's, over all whole demands; relative."""
    model, off = found.model, 0.0
    for demand in range(LOWEST, HIGHEST + 1):
        model.set_parameter_value(found.demand, float(demand))
        model.optimize()
        solved = model.termination_status() == ot.TerminationStatusCode.OPTIMAL
        assert solved == (demand <= path.stop), f"at {demand} solver and path do not agree whether there is a solution"
        if solved:
            off = max(off, abs(model.objective_value() - path.objective(demand)) / model.objective_value())
    return off


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    bent: Any
    """The path with costs that bend."""
    flat: Any
    """The path with linear costs."""
    here: Any
    """The range of the price at a demand of 100, with costs that bend."""
    trusted: float
    """The price at 200 by the line of 100."""
    price_error: float
    """Largest difference of a price from the textbook's."""
    solve_error: float
    """Largest relative difference of an optimal value from a new solve's."""
    figure: Path


def main(output_directory: str | Path | None = None) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None)."""
    bending, linear = dispatch(BEND, HERE), dispatch(0.0 * BEND, HERE)
    bent, flat = (one.model.path(one.demand, LOWEST, HIGHEST) for one in (bending, linear))
    here = range_of(bending)
    print(f"Costs that bend, at a demand of {HERE:.0f}: a megawatt costs {here.slope:.1f}.")
    print(f"That price's line is true from {here.low:.0f} to {here.high:.0f}, where the {here.at_high}.")
    print_trust(bending, bent)
    print("\nAll prices, with costs that bend:")
    print_path(bent)
    print("\nAll prices, with linear costs:")
    print_path(flat)

    demand = np.linspace(LOWEST, bent.stop, 1000)
    price_error = float(np.abs(bent.slope(demand) - textbook(demand)).max())
    solve_error = max(solved_again(bending, bent), solved_again(linear, flat))
    print(f"\nAt 1000 demands the price is the textbook's to {price_error:.1e};")
    print(f"at {HIGHEST - LOWEST + 1} demands optimal values are those of new solves to {solve_error:.1e} (relative).")
    trusted, _ = predicted_price(dispatch(BEND, HERE), 200.0)
    folder = Path(output_directory) if output_directory is not None else Path(__file__).parent / "output"
    figure = folder / "dispatch_prices.png"
    draw(bent, flat, here, figure)
    print(f"Figure: {figure}")

    # What this tutorial claims:
    np.testing.assert_allclose(bent.breakpoints, [25.0, 145.0], rtol=1e-12)  # where marginal costs meet; gas is full
    np.testing.assert_allclose(flat.breakpoints, [LIMIT[0]], rtol=1e-12)  # where coal is full
    np.testing.assert_allclose([bent.stop, flat.stop], LIMIT.sum(), rtol=1e-12)
    np.testing.assert_allclose([here.low, here.high], bent.breakpoints, rtol=1e-12)  # a range is a piece of the path
    assert price_error <= 1e-9
    assert solve_error <= 1e-7
    assert trusted < bent.slope(200.0) - 5  # who trusts a price beyond its range pays for it
    return Report(bent, flat, here, trusted, price_error, solve_error, figure)


if __name__ == "__main__":
    main()

# %%
# What to take home
# -----------------
# A price without its range is half an answer. With linear costs it is true to the last megawatt of a range and false
# one megawatt later: at 150 it jumps by half. With costs that bend nothing jumps, and yet the line that the price
# follows breaks where the gas station is full: who plans for 200 with what is seen at 100 reckons with 53, and pays 68.
# All of that stands in the one solution at 100, but for the last number; and that one is on the path.
