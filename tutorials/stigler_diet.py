r"""
Which price changes the diet?
=============================

In 1945 George Stigler asked what it costs to stay alive: given the prices of 77 foods in August 1939 and what each of
them holds of nine nutrients, which amounts of which foods feed a man for a year at the least expense? He found a diet
for $39.93, by thought and by hand; two years later a linear program of his data, solved with desk calculators in 120
man-days, gave $39.69 (of 365¼ days; below we count 365). No one is advised to eat either.

The optimal diet has five foods and 72 zeros, and prices do not stay what they were in August 1939. So here are the
questions that a shopper has: if a price moves, do I buy something else? *Which* price, *when*, and *what* then? An
optimal diet does not answer by itself, but the linear program does. As long as a price stays in its range, the diet
stays exactly the same; and at the end of the range it is known what comes in its place.

The story in order: the data; the diet, and the bill by nutrients; the range of each of the 77 prices; the diets along
the whole path of one price, and whose diet is found next door; draw; and buy again on both sides of every limit.

Run ``python tutorials/stigler_diet.py``. It prints three tables and draws ``tutorials/output/stigler_diet.png``.
Pictures, data and all are in this one file, to be downloaded and run by itself.

References
----------
G. J. Stigler, *The Cost of Subsistence*, Journal of Farm Economics 27 (1945), 303-314: question, data, and his diet.

G. B. Dantzig, *Linear Programming and Extensions* (1963), chapter 27: the linear program, and who solved it.
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

Array = NDArray[np.float64]

# %%
# The data
# --------
# For each food: the unit in which it was sold, its price in cents, and what *one dollar* of it holds of calories (in
# thousands), protein (g), calcium (g), iron (mg), vitamin A (thousands of IU), B1, B2, niacin and vitamin C (mg). The
# numbers are Stigler's, as they stand in the examples of two solvers, `stigler.mod` of GLPK and `stigler_diet.py` of
# OR-Tools. These two differ in six numbers, of foods that play no part below. Where weights decide, we took the number
# that agrees with them (rye bread cost 9.2 cents, butter 30.8); for the other four, that of OR-Tools.

NUTRIENTS = ("calories", "protein", "calcium", "iron", "vitamin A", "vitamin B1", "vitamin B2", "niacin", "vitamin C")
NEED = np.array([3.0, 70.0, 0.8, 12.0, 5.0, 1.8, 2.7, 18.0, 75.0])
"""A day, of a moderately active man of 154 pounds (National Research Council, 1943)."""

TABLE = """
Wheat flour (enriched) | 10 lb. | 36 | 44.7 1411 2 365 0 55.4 33.3 441 0
Macaroni | 1 lb. | 14.1 | 11.6 418 0.7 54 0 3.2 1.9 68 0
Wheat cereal (enriched) | 28 oz. | 24.2 | 11.8 377 14.4 175 0 14.4 8.8 114 0
Corn flakes | 8 oz. | 7.1 | 11.4 252 0.1 56 0 13.5 2.3 68 0
Corn meal | 1 lb. | 4.6 | 36 897 1.7 99 30.9 17.4 7.9 106 0
Hominy grits | 24 oz. | 8.5 | 28.6 680 0.8 80 0 10.6 1.6 110 0
Rice | 1 lb. | 7.5 | 21.2 460 0.6 41 0 2 4.8 60 0
Rolled oats | 1 lb. | 7.1 | 25.3 907 5.1 341 0 37.1 8.9 64 0
White bread (enriched) | 1 lb. | 7.9 | 15 488 2.5 115 0 13.8 8.5 126 0
Whole wheat bread | 1 lb. | 9.1 | 12.2 484 2.7 125 0 13.9 6.4 160 0
Rye bread | 1 lb. | 9.2 | 12.4 439 1.1 82 0 9.9 3 66 0
Pound cake | 1 lb. | 24.8 | 8 130 0.4 31 18.9 2.8 3 17 0
Soda crackers | 1 lb. | 15.1 | 12.5 288 0.5 50 0 0 0 0 0
Milk | 1 qt. | 11 | 6.1 310 10.5 18 16.8 4 16 7 177
Evaporated milk (can) | 14.5 oz. | 6.7 | 8.4 422 15.1 9 26 3 23.5 11 60
Butter | 1 lb. | 30.8 | 10.8 9 0.2 3 44.2 0 0.2 2 0
Oleomargarine | 1 lb. | 16.1 | 20.6 17 0.6 6 55.8 0.2 0 0 0
Eggs | 1 doz. | 32.6 | 2.9 238 1 52 18.6 2.8 6.5 1 0
Cheese (Cheddar) | 1 lb. | 24.2 | 7.4 448 16.4 19 28.1 0.8 10.3 4 0
Cream | 1/2 pt. | 14.1 | 3.5 49 1.7 3 16.9 0.6 2.5 0 17
Peanut butter | 1 lb. | 17.9 | 15.7 661 1 48 0 9.6 8.1 471 0
Mayonnaise | 1/2 pt. | 16.7 | 8.6 18 0.2 8 2.7 0.4 0.5 0 0
Crisco | 1 lb. | 20.3 | 20.1 0 0 0 0 0 0 0 0
Lard | 1 lb. | 9.8 | 41.7 0 0 0 0.2 0 0.5 5 0
Sirloin steak | 1 lb. | 39.6 | 2.9 166 0.1 34 0.2 2.1 2.9 69 0
Round steak | 1 lb. | 36.4 | 2.2 214 0.1 32 0.4 2.5 2.4 87 0
Rib roast | 1 lb. | 29.2 | 3.4 213 0.1 33 0 0 2 0 0
Chuck roast | 1 lb. | 22.6 | 3.6 309 0.2 46 0.4 1 4 120 0
Plate | 1 lb. | 14.6 | 8.5 404 0.2 62 0 0.9 0 0 0
Liver (beef) | 1 lb. | 26.8 | 2.2 333 0.2 139 169.2 6.4 50.8 316 525
Leg of lamb | 1 lb. | 27.6 | 3.1 245 0.1 20 0 2.8 3.9 86 0
Lamb chops (rib) | 1 lb. | 36.6 | 3.3 140 0.1 15 0 1.7 2.7 54 0
Pork chops | 1 lb. | 30.7 | 3.5 196 0.2 30 0 17.4 2.7 60 0
Pork loin roast | 1 lb. | 24.2 | 4.4 249 0.3 37 0 18.2 3.6 79 0
Bacon | 1 lb. | 25.6 | 10.4 152 0.2 23 0 1.8 1.8 71 0
Ham, smoked | 1 lb. | 27.4 | 6.7 212 0.2 31 0 9.9 3.3 50 0
Salt pork | 1 lb. | 16 | 18.8 164 0.1 26 0 1.4 1.8 0 0
Roasting chicken | 1 lb. | 30.3 | 1.8 184 0.1 30 0.1 0.9 1.8 68 46
Veal cutlets | 1 lb. | 42.3 | 1.7 156 0.1 24 0 1.4 2.4 57 0
Salmon, pink (can) | 16 oz. | 13 | 5.8 705 6.8 45 3.5 1 4.9 209 0
Apples | 1 lb. | 4.4 | 5.8 27 0.5 36 7.3 3.6 2.7 5 544
Bananas | 1 lb. | 6.1 | 4.9 60 0.4 30 17.4 2.5 3.5 28 498
Lemons | 1 doz. | 26 | 1 21 0.5 14 0 0.5 0 4 952
Oranges | 1 doz. | 30.9 | 2.2 40 1.1 18 11.1 3.6 1.3 10 1998
Green beans | 1 lb. | 7.1 | 2.4 138 3.7 80 69 4.3 5.8 37 862
Cabbage | 1 lb. | 3.7 | 2.6 125 4 36 7.2 9 4.5 26 5369
Carrots | 1 bunch | 4.7 | 2.7 73 2.8 43 188.5 6.1 4.3 89 608
Celery | 1 stalk | 7.3 | 0.9 51 3 23 0.9 1.4 1.4 9 313
Lettuce | 1 head | 8.2 | 0.4 27 1.1 22 112.4 1.8 3.4 11 449
Onions | 1 lb. | 3.6 | 5.8 166 3.8 59 16.6 4.7 5.9 21 1184
Potatoes | 15 lb. | 34 | 14.3 336 1.8 118 6.7 29.4 7.1 198 2522
Spinach | 1 lb. | 8.1 | 1.1 106 0 138 918.4 5.7 13.8 33 2755
Sweet potatoes | 1 lb. | 5.1 | 9.6 138 2.7 54 290.7 8.4 5.4 83 1912
Peaches (can) | No. 2 1/2 | 16.8 | 3.7 20 0.4 10 21.5 0.5 1 31 196
Pears (can) | No. 2 1/2 | 20.4 | 3 8 0.3 8 0.8 0.8 0.8 5 81
Pineapple (can) | No. 2 1/2 | 21.3 | 2.4 16 0.4 8 2 2.8 0.8 7 399
Asparagus (can) | No. 2 | 27.7 | 0.4 33 0.3 12 16.3 1.4 2.1 17 272
Green beans (can) | No. 2 | 10 | 1 54 2 65 53.9 1.6 4.3 32 431
Pork and beans (can) | 16 oz. | 7.1 | 7.5 364 4 134 3.5 8.3 7.7 56 0
Corn (can) | No. 2 | 10.4 | 5.2 136 0.2 16 12 1.6 2.7 42 218
Peas (can) | No. 2 | 13.8 | 2.3 136 0.6 45 34.9 4.9 2.5 37 370
Tomatoes (can) | No. 2 | 8.6 | 1.3 63 0.7 38 53.2 3.4 2.5 36 1253
Tomato soup (can) | 10 1/2 oz. | 7.6 | 1.6 71 0.6 43 57.9 3.5 2.4 67 862
Peaches, dried | 1 lb. | 15.7 | 8.5 87 1.7 173 86.8 1.2 4.3 55 57
Prunes, dried | 1 lb. | 9 | 12.8 99 2.5 154 85.7 3.9 4.3 65 257
Raisins, dried | 15 oz. | 9.4 | 13.5 104 2.5 136 4.5 6.3 1.4 24 136
Peas, dried | 1 lb. | 7.9 | 20 1367 4.2 345 2.9 28.7 18.4 162 0
Lima beans, dried | 1 lb. | 8.9 | 17.4 1055 3.7 459 5.1 26.9 38.2 93 0
Navy beans, dried | 1 lb. | 5.9 | 26.9 1691 11.4 792 0 38.4 24.6 217 0
Coffee | 1 lb. | 22.4 | 0 0 0 0 0 4 5.1 50 0
Tea | 1/4 lb. | 17.4 | 0 0 0 0 0 0 2.3 42 0
Cocoa | 8 oz. | 8.6 | 8.7 237 3 72 0 2 11.9 40 0
Chocolate | 8 oz. | 16.2 | 8 77 1.3 39 0 0.9 3.4 14 0
Sugar | 10 lb. | 51.7 | 34.9 0 0 0 0 0 0 0 0
Corn syrup | 24 oz. | 13.7 | 14.7 0 0.5 74 0 0 0 5 0
Molasses | 18 oz. | 13.6 | 9 0 10.3 244 0 1.9 7.5 146 0
Strawberry preserves | 1 lb. | 20.5 | 6.4 11 0.4 7 0.2 0.2 0.4 3 0
"""


@dataclass(frozen=True)
class Foods:
    """N foods."""

    names: list[str]
    units: list[str]
    cents: Array
    """(N,): the price of a unit in August 1939."""
    content: Array
    """(N, 9): nutrients in a dollar of it."""


def foods() -> Foods:
    """The table."""
    rows = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
    names, units = ([row[k] for row in rows] for k in (0, 1))
    cents, content = np.array([float(row[2]) for row in rows]), np.array([row[3].split() for row in rows], np.float64)
    return Foods(names, units, cents, content)


# %%
# The diet
# --------
# The variables are amounts: :math:`x_j` is how much of food j a day, measured in what a dollar bought in August 1939.
# Its price :math:`p_j`, relative to that of August 1939, is a *parameter* of the model, at present 1:
#
# .. math::
#
#     \min_x\; \sum_j p_j x_j
#     \quad\text{subject to}\quad \sum_j a_{jk} x_j \ge b_k \text{ for each nutrient } k,\; x \ge 0.

DAYS = 365


@dataclass(frozen=True)
class Diet:
    """The model, and what we ask it about."""

    model: ot.Model
    amount: ot.VectorOfVariables
    price: ot.VectorOfVariables
    nutrient: list[ot.ConstraintIndex]

    def bought(self) -> Array:
        """(N,): amounts a year, in dollars of 1939."""
        return DAYS * self.model.value(self.amount)


def cheapest_diet(data: Foods) -> Diet:
    """The cheapest diet at the prices of 1939."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    amount = ot.VectorOfVariables([model.add_variable(name, lower=0.0) for name in data.names])
    price = model.add_parameters(np.ones(len(data.names)), "price")
    nutrient = [
        model.add_constraint(holds @ amount >= need, name=name)
        for name, need, holds in zip(NUTRIENTS, NEED, data.content.T, strict=True)
    ]
    model.minimize(price @ amount)
    model.optimize()
    return Diet(model, amount, price, nutrient)


# %%
# The bill by nutrients
# ---------------------
# The dual of a nutrient is what one more unit of it would cost. Duals times needs are the whole bill again, to the cent
# (that is strong duality), so the bill can be read by nutrients as well as by foods. Four of the nine are free: with
# the others one gets more of them than is needed.


def print_bill(found: Diet) -> None:
    """What each nutrient costs a year."""
    duals = np.array([found.model.dual(c) for c in found.nutrient])
    for name, cost in zip(NUTRIENTS, DAYS * duals * NEED, strict=True):
        print(f"  {name:12}{f'{cost:8.2f}' if cost > 1e-9 else '    free'}")


# %%
# The range of each price
# -----------------------
# ``model.ranges()`` says between which values of each price the diet stays, and which constraint ends that: a food that
# is not bought is at its lower bound, and when this *leaves* the active constraints, the food comes into the diet.


@dataclass(frozen=True)
class Ranges:
    """Of the N prices, relative to 1939."""

    low: Array
    high: Array
    at_low: list[str]
    at_high: list[str]


def ranges_of(found: Diet) -> Ranges:
    """The ranges of all prices."""
    table = found.model.ranges()
    table = table[table["what"] == "parameter"]
    return Ranges(
        table["low"].to_numpy(),
        table["high"].to_numpy(),
        [in_words(event) for event in table["at_low"]],
        [in_words(event) for event in table["at_high"]],
    )


def in_words(event: str) -> str:
    """What happens to the diet at the end of a range."""
    name = event.removeprefix("lower bound of ").removesuffix(" leaves")
    return f"{name} to spare" if name in NUTRIENTS else f"buy {short(name).lower()}" if name else ""


def short(name: str) -> str:
    """The first words of a food's name."""
    return name.split(" (")[0].split(",")[0]


def print_ranges(data: Foods, found: Diet, ranges: Ranges, inside: NDArray[np.int64], near: NDArray[np.int64]) -> None:
    """Foods of the diet, and those closest to it: prices in cents, and limits."""
    bought = found.bought()
    print(f"{'':25}{'$ a year':>9}{'cents':>7} {'':9}{'from':>7}{'to':>7}   beyond")
    for j in inside:
        low, high = data.cents[j] * ranges.low[j], data.cents[j] * ranges.high[j]
        print(
            f"{data.names[j]:25}{bought[j]:9.2f}{data.cents[j]:7.1f} {data.units[j]:9}{low:7.2f}{high:7.2f}"
            f"   below: {ranges.at_low[j]}; above: {ranges.at_high[j]}"
        )
    for j in near:
        low = data.cents[j] * ranges.low[j]
        print(f"{data.names[j]:25}{'':9}{data.cents[j]:7.1f} {data.units[j]:9}{low:7.2f}{'':7}   below: buy it")


# %%
# The path of one price
# ---------------------
# The closest call is that of the navy beans: more than half of the bill, and 3 % dearer they change the diet. What does
# one buy then, and what if they become dearer still? ``model.path`` has all diets, from half the price on.

BEANS = "Navy beans, dried"
STIGLER = {
    "Wheat flour (enriched)": 13.33,
    "Evaporated milk (can)": 3.84,
    "Cabbage": 4.11,
    "Spinach": 1.85,
    BEANS: 16.80,
}
"""His own diet, dollars a year: $39.93."""


def diets_along(path: Any) -> list[tuple[float, float, dict[str, float]]]:
    """From which price to which one buys what, in dollars of 1939 a year."""
    found = []
    for piece in path.pieces:
        bought = {path.variables[j]: float(DAYS * piece.values[j]) for j in np.flatnonzero(piece.values > 1e-9)}
        found.append((piece.start, piece.stop, bought))
    return found


def print_diets(path: Any) -> None:
    """A line for each diet."""
    for start, stop, bought in diets_along(path):
        words = ", ".join(f"{short(name).lower()} {dollars:.2f}" for name, dollars in bought.items())
        print(f"  {start:5.3f} to {stop:5.3f}: {words}")


# %%
# The picture
# -----------
# On the left the ranges, foods of the diet above and those closest to it below; the dots are the prices of 1939. On the
# right what is spent as the price of beans moves. The upper edge is the whole bill: it bends down, but never jumps,
# while the diet below it jumps four times.

BLUE, ORANGE, GREEN, PINK, YELLOW, SKY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"
COLOURS = {
    "Wheat flour (enriched)": YELLOW,
    "Cabbage": GREEN,
    "Spinach": "#8FBC5A",
    "Liver (beef)": ORANGE,
    "Evaporated milk (can)": SKY,
    "Cheese (Cheddar)": PINK,
    BEANS: BLUE,
}
"""From the bottom of the stack upwards."""


def draw(data: Foods, ranges: Ranges, inside: NDArray[np.int64], near: NDArray[np.int64], path: Any, to: Path) -> None:
    """Draw the ranges of prices, and the bill along the path."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(14, 6.4), layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
        _draw_ranges(left, data, ranges, inside, near)
        _draw_bill(right, path)
        to.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(to, dpi=150)


def _draw_ranges(axes: Any, data: Foods, ranges: Ranges, inside: NDArray[np.int64], near: NDArray[np.int64]) -> None:
    order = [*inside, *near]
    heights = -np.arange(len(order)) - 0.6 * (np.arange(len(order)) >= len(inside))
    far = 4.8
    for j, height in zip(order, heights, strict=True):
        low, high = ranges.low[j], min(ranges.high[j], far)
        colour = COLOURS.get(data.names[j], "0.45") if j in inside else "0.75"
        axes.barh(height, high - low, left=low, height=0.5, color=colour, lw=0)
        style = {"va": "center", "fontsize": 9, "color": "0.25"}
        if j in inside:
            axes.text(low * 0.97, height, ranges.at_low[j], ha="right", **style)
            axes.text(high * 1.03, height, ranges.at_high[j], ha="left", **style)
        else:
            axes.text(low * 0.97, height, f"buy it, {1 - low:.0%} cheaper", ha="right", **style)
    axes.scatter(np.ones(len(order)), heights, s=34, color="black", zorder=4)
    axes.axvline(1.0, color="black", lw=0.9, zorder=3)
    axes.set_xscale("log")
    axes.set_xlim(0.1, far)
    ticks = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(heights, [data.names[j] for j in order])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("price, relative to August 1939")
    axes.set_title("Between which prices the diet stays", loc="left", weight="bold")


def _draw_bill(axes: Any, path: Any) -> None:
    for start, stop, bought in diets_along(path):
        price, below = np.array([start, stop]), np.zeros(2)
        for name, colour in COLOURS.items():
            dollars = bought.get(name, 0.0) * (price if name == BEANS else np.ones(2))
            axes.fill_between(price, below, below + dollars, color=colour, lw=0, alpha=0.85)
            if dollars.min() > 1.5 and stop - start > 0.3:
                middle = float((below + 0.5 * dollars).mean())
                axes.text(price.mean(), middle, short(name), ha="center", va="center", fontsize=9)
            below = below + dollars
        axes.axvline(stop, color="white", lw=1.6)
    price = np.concatenate([[path.start], path.breakpoints, [path.stop]])
    axes.plot(price, DAYS * path.objective(price), c="black", lw=1.8)
    axes.scatter(path.breakpoints, DAYS * path.objective(path.breakpoints), s=30, color="black", zorder=4)
    axes.axvline(1.0, color="black", lw=0.9, ls=(0, (4, 3)))
    axes.text(0.99, 48.5, "1939", ha="right", fontsize=10)
    here = 0.5 * (path.breakpoints[-2] + path.breakpoints[-1])
    axes.annotate(
        "here the foods are those\nthat Stigler chose by hand",
        (here, DAYS * path.objective(here)),
        xytext=(1.04, 44.8),
        ha="left",
        va="bottom",
        arrowprops={"arrowstyle": "-", "color": "0.3", "lw": 0.8, "relpos": (0.12, 0.0)},
    )
    axes.set(xlim=(path.start, path.stop), ylim=(0, 50))
    axes.set_xlabel(f"price of {BEANS.lower()}, relative to August 1939")
    axes.set_ylabel("dollars a year")
    axes.set_title("The bill, as beans become dearer", loc="left", weight="bold")


# %%
# Is it true?
# -----------
# Go to both ends of every range that has ends, a thousandth inside and a thousandth outside, and buy again. Inside, the
# diet must be the same; outside it must be another one.

STEP = 1e-3


def bought_again(found: Diet, ranges: Ranges) -> tuple[int, float]:
    """How many limits were tried, and the largest change of an amount inside one, in dollars of 1939 a year."""
    here, tried, moved = found.bought(), 0, 0.0
    for j, ends in enumerate(zip(ranges.low, ranges.high, strict=True)):
        for end, inwards in zip(ends, (STEP, -STEP), strict=True):
            if not 2 * STEP < end < np.inf:
                continue
            diets = []
            for price in (end + inwards, end - inwards):
                found.model.set_parameter_value(found.price[j], price)
                found.model.optimize()
                diets.append(found.bought())
            assert np.abs(diets[1] - here).max() > 0.01, f"the diet does not change at the limit of food {j}"
            tried, moved = tried + 1, max(moved, float(np.abs(diets[0] - here).max()))
        found.model.set_parameter_value(found.price[j], 1.0)
    found.model.optimize()
    return tried, moved


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    dollars: float
    """The bill of a year."""
    bought: dict[str, float]
    """The diet: dollars of 1939 a year."""
    ranges: Ranges
    path: Any
    tried: int
    """Limits of ranges at which we bought again."""
    figure: Path


def main(output_directory: str | Path | None = None) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None)."""
    data = foods()
    found = cheapest_diet(data)
    dollars, bought = DAYS * found.model.objective_value(), found.bought()
    inside = np.flatnonzero(bought > 1e-6)
    inside = inside[np.argsort(-bought[inside])]
    print(f"The cheapest diet of {len(data.names)} foods has {len(inside)}, for ${dollars:.2f} a year. By nutrients:")
    print_bill(found)

    ranges = ranges_of(found)
    outside = np.flatnonzero(bought <= 1e-6)
    near = outside[np.argsort(-ranges.low[outside])][:6]
    print("\nPrices of 1939, and between which ones the diet stays the same:")
    print_ranges(data, found, ranges, inside, near)

    path = found.model.path(found.price[data.names.index(BEANS)], 0.5, 1.5)
    print("\nWhat to buy (dollars of 1939 a year) as the price of beans goes from half to one and a half:")
    print_diets(path)
    (next_door,) = [diet for start, _, diet in diets_along(path) if abs(start - ranges.high[inside[0]]) < 1e-9]
    print(f"Stigler: {', '.join(f'{short(name).lower()} {cost:.2f}' for name, cost in STIGLER.items())}.")

    tried, moved = bought_again(found, ranges)
    print(f"\nBought again at {tried} limits: the diet changes beyond all of them, and inside by {moved:.0e} dollars.")
    folder = Path(output_directory) if output_directory is not None else Path(__file__).parent / "output"
    figure = folder / "stigler_diet.png"
    draw(data, ranges, inside, near, path, figure)
    print(f"Figure: {figure}")

    # What this tutorial claims:
    assert round(dollars, 2) == 39.66 and round(dollars / DAYS * 365.25, 2) == 39.69  # as the literature has it
    diet = {data.names[j]: float(bought[j]) for j in inside}
    assert set(diet) == {"Wheat flour (enriched)", "Liver (beef)", "Cabbage", "Spinach", BEANS}
    duals = np.array([found.model.dual(c) for c in found.nutrient])
    np.testing.assert_allclose(duals @ NEED, found.model.objective_value(), rtol=1e-9)  # two ways to read one bill
    assert moved <= 1e-6
    assert 1.03 < ranges.high[inside[0]] < 1.031  # beans 3 % dearer, and
    assert set(next_door) == set(STIGLER)  # the foods are those that Stigler found by hand
    assert sum(STIGLER.values()) - dollars < 0.28  # which cost 27 cents a year more
    return Report(dollars, diet, ranges, path, tried, figure)


if __name__ == "__main__":
    main()

# %%
# What to take home
# -----------------
# Of 77 prices one decides: that of the beans, which may rise by 3 %, from 5.9 to 6.08 cents a pound. Liver may become a
# fifth dearer, flour by half, and spinach may double, before anyone should buy anything else; and for 72 foods that are
# not bought, the range tells how much cheaper each must become to be worth a look, which for most is by more than half.
# And Stigler, who had no linear programming, was nearly right: when beans are 3 % dearer, or evaporated milk 4 %
# cheaper, the foods that he chose by hand are the best ones.
