"""Test problems of Hock and Schittkowski: formulas, starts and optima, by number.

W. Hock, K. Schittkowski: Test Examples for Nonlinear Programming Codes. Lecture Notes in Economics and Mathematical
Systems 187, Springer, 1981.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import asin, inf, log, pi, sqrt
from typing import Any

import numpy as np

import optangent as ot

Write = Callable[[ot.Model, Any], None]
Sides = float | Sequence[float]
STATUS = ot.DifferentiationStatusCode


@dataclass(frozen=True)
class Problem:
    """A problem of the collection.

    Attributes
    ----------
    number : in the collection
    write : adds objective and constraints to a model with its variables
    start : from which it is solved, (n,)
    optimum : the objective at the solution
    lower, upper : bounds of the variables, one or (n,)
    status : of derivatives at the solution
    why : it is not exact
    local : the objective where the solver ends from the start, if that is another local minimum
    near : another start, from which it ends at the optimum then, (n,)
    """

    number: int
    write: Write
    start: tuple[float, ...]
    optimum: float
    lower: Sides = -inf
    upper: Sides = inf
    status: ot.DifferentiationStatusCode = STATUS.EXACT
    why: str = ""
    local: float | None = None
    near: tuple[float, ...] = ()

    def model(self, start: Sequence[float] = ()) -> ot.Model:
        """The problem before a local solver, with its start or another one."""
        model = ot.Model(ot.diff_optimizer(ot.solvers.Ipopt))
        n = len(self.start)
        lower, upper = (np.broadcast_to(np.array(side, float), n) for side in (self.lower, self.upper))
        x = [
            model.add_variable(
                f"x{i + 1}",
                lower=float(lower[i]) if lower[i] > -inf else None,
                upper=float(upper[i]) if upper[i] < inf else None,
            )
            for i in range(n)
        ]
        for one, value in zip(x, start or self.start, strict=True):
            model.set(ot.VariablePrimalStart(), one, float(value))
        self.write(model, x)
        return model


PROBLEMS: list[Problem] = []


def problem(number: int, start: Sequence[float], optimum: float, **more: Any) -> Callable[[Write], Write]:
    """Enter a problem in the table."""

    def enter(write: Write) -> Write:
        PROBLEMS.append(Problem(number, write, tuple(start), optimum, **more))
        return write

    return enter


def rows(model: ot.Model, *comparisons: Any) -> None:
    """Add constraints."""
    for one in comparisons:
        model.add_constraint(one)


def valley(x: Any) -> Any:
    """Rosenbrock's function."""
    return 100 * (x[1] - x[0] ** 2) ** 2 + (1 - x[0]) ** 2


@problem(1, (-2, 1), 0.0, lower=(-inf, -1.5))
def _hs1(m: ot.Model, x: Any) -> None:
    m.minimize(valley(x))


@problem(2, (-2, 1), 0.0504261879, lower=(-inf, 1.5), local=4.9412293, near=(2, 2))
def _hs2(m: ot.Model, x: Any) -> None:
    m.minimize(valley(x))


@problem(3, (10, 1), 0.0, lower=(-inf, 0.0))
def _hs3(m: ot.Model, x: Any) -> None:
    m.minimize(x[1] + 1e-5 * (x[1] - x[0]) ** 2)


@problem(4, (1.125, 0.125), 8 / 3, lower=(1.0, 0.0))
def _hs4(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] + 1) ** 3 / 3 + x[1])


@problem(5, (0, 0), -sqrt(3) / 2 - pi / 3, lower=(-1.5, -3.0), upper=(4.0, 3.0))
def _hs5(m: ot.Model, x: Any) -> None:
    m.minimize(np.sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - 1.5 * x[0] + 2.5 * x[1] + 1)


@problem(6, (-1.2, 1), 0.0)
def _hs6(m: ot.Model, x: Any) -> None:
    m.minimize((1 - x[0]) ** 2)
    rows(m, 10 * (x[1] - x[0] ** 2) == 0)


@problem(7, (2, 2), -sqrt(3))
def _hs7(m: ot.Model, x: Any) -> None:
    m.minimize(np.log(1 + x[0] ** 2) - x[1])
    rows(m, (1 + x[0] ** 2) ** 2 + x[1] ** 2 == 4)


@problem(8, (2, 1), -1.0)
def _hs8(m: ot.Model, x: Any) -> None:
    m.minimize(0.0 * x[0] - 1.0)
    rows(m, x[0] ** 2 + x[1] ** 2 == 25, x[0] * x[1] == 9)


@problem(9, (0, 0), -0.5)
def _hs9(m: ot.Model, x: Any) -> None:
    m.minimize(np.sin(pi * x[0] / 12) * np.cos(pi * x[1] / 16))
    rows(m, 4 * x[0] - 3 * x[1] == 0)


@problem(10, (-10, 10), -1.0)
def _hs10(m: ot.Model, x: Any) -> None:
    m.minimize(x[0] - x[1])
    rows(m, -3 * x[0] ** 2 + 2 * x[0] * x[1] - x[1] ** 2 + 1 >= 0)


@problem(11, (4.9, 0.1), -8.498464223)
def _hs11(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - 5) ** 2 + x[1] ** 2 - 25)
    rows(m, -(x[0] ** 2) + x[1] >= 0)


@problem(12, (0, 0), -30.0)
def _hs12(m: ot.Model, x: Any) -> None:
    m.minimize(0.5 * x[0] ** 2 + x[1] ** 2 - x[0] * x[1] - 7 * x[0] - 7 * x[1])
    rows(m, 25 - 4 * x[0] ** 2 - x[1] ** 2 >= 0)


@problem(14, (2, 2), 9 - 2.875 * sqrt(7))
def _hs14(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - 2) ** 2 + (x[1] - 1) ** 2)
    rows(m, -0.25 * x[0] ** 2 - x[1] ** 2 + 1 >= 0, x[0] - 2 * x[1] + 1 == 0)


@problem(15, (-2, 1), 306.5, upper=(0.5, inf))
def _hs15(m: ot.Model, x: Any) -> None:
    m.minimize(valley(x))
    rows(m, x[0] * x[1] - 1 >= 0, x[0] + x[1] ** 2 >= 0)


@problem(16, (-2, 1), 0.25, lower=(-0.5, -inf), upper=(0.5, 1.0))
def _hs16(m: ot.Model, x: Any) -> None:
    m.minimize(valley(x))
    rows(m, x[0] + x[1] ** 2 >= 0, x[0] ** 2 + x[1] >= 0)


@problem(
    17,
    (-2, 1),
    1.0,
    lower=(-0.5, -inf),
    upper=(0.5, 1.0),
    status=STATUS.WEAKLY_ACTIVE,
    why="x1² - x2 >= 0 has the multiplier zero",
)
def _hs17(m: ot.Model, x: Any) -> None:
    m.minimize(valley(x))
    rows(m, x[1] ** 2 - x[0] >= 0, x[0] ** 2 - x[1] >= 0)


@problem(18, (2, 2), 5.0, lower=(2.0, 0.0), upper=50.0)
def _hs18(m: ot.Model, x: Any) -> None:
    m.minimize(0.01 * x[0] ** 2 + x[1] ** 2)
    rows(m, x[0] * x[1] - 25 >= 0, x[0] ** 2 + x[1] ** 2 - 25 >= 0)


@problem(19, (20.1, 5.84), -6961.81381, lower=(13.0, 0.0), upper=100.0)
def _hs19(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - 10) ** 3 + (x[1] - 20) ** 3)
    rows(m, (x[0] - 5) ** 2 + (x[1] - 5) ** 2 - 100 >= 0, -((x[1] - 5) ** 2) - (x[0] - 6) ** 2 + 82.81 >= 0)


@problem(20, (-2, 1), 81.5 - 25 * sqrt(3), lower=(-0.5, -inf), upper=(0.5, inf), local=40.1987298, near=(0.4, 0.8))
def _hs20(m: ot.Model, x: Any) -> None:
    m.minimize(valley(x))
    rows(m, x[0] + x[1] ** 2 >= 0, x[0] ** 2 + x[1] >= 0, x[0] ** 2 + x[1] ** 2 - 1 >= 0)


@problem(21, (-1, -1), -99.96, lower=(2.0, -50.0), upper=50.0)
def _hs21(m: ot.Model, x: Any) -> None:
    m.minimize(0.01 * x[0] ** 2 + x[1] ** 2 - 100)
    rows(m, 10 * x[0] - x[1] - 10 >= 0)


@problem(22, (2, 2), 1.0)
def _hs22(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - 2) ** 2 + (x[1] - 1) ** 2)
    rows(m, -x[0] - x[1] + 2 >= 0, -(x[0] ** 2) + x[1] >= 0)


@problem(23, (3, 1), 2.0, lower=-50.0, upper=50.0)
def _hs23(m: ot.Model, x: Any) -> None:
    a, b = x[0] ** 2, x[1] ** 2
    m.minimize(a + b)
    rows(m, x[0] + x[1] - 1 >= 0, a + b - 1 >= 0, 9 * a + b - 9 >= 0, a - x[1] >= 0, b - x[0] >= 0)


@problem(24, (1, 0.5), -1.0, lower=0.0)
def _hs24(m: ot.Model, x: Any) -> None:
    m.minimize(((x[0] - 3) ** 2 - 9) * x[1] ** 3 / (27 * sqrt(3)))
    rows(m, x[0] / sqrt(3) - x[1] >= 0, x[0] + sqrt(3) * x[1] >= 0, -x[0] - sqrt(3) * x[1] + 6 >= 0)


@problem(26, (-2.6, 2, 2), 0.0, status=STATUS.NONUNIQUE, why="the curvature of (x2 - x3)⁴ vanishes at the solution")
def _hs26(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - x[1]) ** 2 + (x[1] - x[2]) ** 4)
    rows(m, (1 + x[1] ** 2) * x[0] + x[2] ** 4 - 3 == 0)


@problem(27, (2, 2, 2), 0.04)
def _hs27(m: ot.Model, x: Any) -> None:
    m.minimize(0.01 * (x[0] - 1) ** 2 + (x[1] - x[0] ** 2) ** 2)
    rows(m, x[0] + x[2] ** 2 + 1 == 0)


@problem(28, (-4, 1, 1), 0.0)
def _hs28(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] + x[1]) ** 2 + (x[1] + x[2]) ** 2)
    rows(m, x[0] + 2 * x[1] + 3 * x[2] - 1 == 0)


@problem(29, (1, 1, 1), -16 * sqrt(2))
def _hs29(m: ot.Model, x: Any) -> None:
    m.minimize(-x[0] * x[1] * x[2])
    rows(m, -(x[0] ** 2) - 2 * x[1] ** 2 - 4 * x[2] ** 2 + 48 >= 0)


@problem(
    30,
    (1, 1, 1),
    1.0,
    lower=(1.0, -10.0, -10.0),
    upper=10.0,
    status=STATUS.WEAKLY_ACTIVE,
    why="row and bound have the same gradient: one of them can have the multiplier zero",
)
def _hs30(m: ot.Model, x: Any) -> None:
    m.minimize(x[0] ** 2 + x[1] ** 2 + x[2] ** 2)
    rows(m, x[0] ** 2 + x[1] ** 2 - 1 >= 0)


@problem(31, (1, 1, 1), 6.0, lower=(-10.0, 1.0, -10.0), upper=(10.0, 10.0, 1.0))
def _hs31(m: ot.Model, x: Any) -> None:
    m.minimize(9 * x[0] ** 2 + x[1] ** 2 + 9 * x[2] ** 2)
    rows(m, x[0] * x[1] - 1 >= 0)


@problem(
    32, (0.1, 0.7, 0.2), 1.0, lower=0.0, status=STATUS.WEAKLY_ACTIVE, why="the bound of x1 has the multiplier zero"
)
def _hs32(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] + 3 * x[1] + x[2]) ** 2 + 4 * (x[0] - x[1]) ** 2)
    rows(m, 6 * x[1] + 4 * x[2] - x[0] ** 3 - 3 >= 0, 1 - x[0] - x[1] - x[2] == 0)


@problem(33, (0, 0, 3), sqrt(2) - 6, lower=0.0, upper=(inf, inf, 5.0))
def _hs33(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - 1) * (x[0] - 2) * (x[0] - 3) + x[2])
    a, b, c = (one**2 for one in x)
    rows(m, c - b - a >= 0, a + b + c - 4 >= 0)


@problem(34, (0, 1.05, 2.9), -log(log(10)), lower=0.0, upper=(100.0, 100.0, 10.0))
def _hs34(m: ot.Model, x: Any) -> None:
    m.minimize(-x[0])
    rows(m, x[1] - np.exp(x[0]) >= 0, x[2] - np.exp(x[1]) >= 0)


@problem(35, (0.5, 0.5, 0.5), 1 / 9, lower=0.0)
def _hs35(m: ot.Model, x: Any) -> None:
    a, b, c = x
    m.minimize(9 - 8 * a - 6 * b - 4 * c + 2 * a**2 + 2 * b**2 + c**2 + 2 * a * b + 2 * a * c)
    rows(m, 3 - a - b - 2 * c >= 0)


@problem(36, (10, 10, 10), -3300.0, lower=0.0, upper=(20.0, 11.0, 42.0))
def _hs36(m: ot.Model, x: Any) -> None:
    m.minimize(-x[0] * x[1] * x[2])
    rows(m, 72 - x[0] - 2 * x[1] - 2 * x[2] >= 0)


@problem(37, (10, 10, 10), -3456.0, lower=0.0, upper=42.0)
def _hs37(m: ot.Model, x: Any) -> None:
    m.minimize(-x[0] * x[1] * x[2])
    rows(m, 72 - x[0] - 2 * x[1] - 2 * x[2] >= 0, x[0] + 2 * x[1] + 2 * x[2] >= 0)


@problem(38, (-3, -1, -3, -1), 0.0, lower=-10.0, upper=10.0)
def _hs38(m: ot.Model, x: Any) -> None:
    b, d = x[1] - 1, x[3] - 1
    m.minimize(valley(x) + 90 * (x[3] - x[2] ** 2) ** 2 + (1 - x[2]) ** 2 + 10.1 * (b**2 + d**2) + 19.8 * b * d)


@problem(39, (2, 2, 2, 2), -1.0)
def _hs39(m: ot.Model, x: Any) -> None:
    m.minimize(-x[0])
    rows(m, x[1] - x[0] ** 3 - x[2] ** 2 == 0, x[0] ** 2 - x[1] - x[3] ** 2 == 0)


@problem(40, (0.8, 0.8, 0.8, 0.8), -0.25)
def _hs40(m: ot.Model, x: Any) -> None:
    m.minimize(-x[0] * x[1] * x[2] * x[3])
    rows(m, x[0] ** 3 + x[1] ** 2 - 1 == 0, x[0] ** 2 * x[3] - x[2] == 0, x[3] ** 2 - x[1] == 0)


@problem(41, (2, 2, 2, 2), 52 / 27, lower=0.0, upper=(1.0, 1.0, 1.0, 2.0))
def _hs41(m: ot.Model, x: Any) -> None:
    m.minimize(2 - x[0] * x[1] * x[2])
    rows(m, x[0] + 2 * x[1] + 2 * x[2] - x[3] == 0)


@problem(42, (1, 1, 1, 1), 28 - 10 * sqrt(2))
def _hs42(m: ot.Model, x: Any) -> None:
    m.minimize(sum((x[i] - i - 1) ** 2 for i in range(4)))
    rows(m, 1.0 * x[0] - 2 == 0, x[2] ** 2 + x[3] ** 2 - 2 == 0)


@problem(43, (0, 0, 0, 0), -44.0)
def _hs43(m: ot.Model, x: Any) -> None:
    a, b, c, d = x
    m.minimize(a**2 + b**2 + 2 * c**2 + d**2 - 5 * a - 5 * b - 21 * c + 7 * d)
    rows(
        m,
        8 - a**2 - b**2 - c**2 - d**2 - a + b - c + d >= 0,
        10 - a**2 - 2 * b**2 - c**2 - 2 * d**2 + a + d >= 0,
        5 - 2 * a**2 - b**2 - c**2 - 2 * a + b + d >= 0,
    )


@problem(44, (0, 0, 0, 0), -15.0, lower=0.0, local=-13.0, near=(0.1, 2.9, 0.1, 3.9))
def _hs44(m: ot.Model, x: Any) -> None:
    a, b, c, d = x
    m.minimize(a - b - c - a * c + a * d + b * c - b * d)
    rows(m, 8 - a - 2 * b >= 0, 12 - 4 * a - b >= 0, 12 - 3 * a - 4 * b >= 0)
    rows(m, 8 - 2 * c - d >= 0, 8 - c - 2 * d >= 0, 5 - c - d >= 0)


@problem(45, (2, 2, 2, 2, 2), 1.0, lower=0.0, upper=(1.0, 2.0, 3.0, 4.0, 5.0))
def _hs45(m: ot.Model, x: Any) -> None:
    m.minimize(2 - x[0] * x[1] * x[2] * x[3] * x[4] / 120)


@problem(48, (3, 5, -3, 2, -2), 0.0)
def _hs48(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - 1) ** 2 + (x[1] - x[2]) ** 2 + (x[3] - x[4]) ** 2)
    rows(m, sum(x) - 5 == 0, x[2] - 2 * (x[3] + x[4]) + 3 == 0)


@problem(
    49,
    (10, 7, 2, -3, 0.8),
    0.0,
    status=STATUS.NONUNIQUE,
    why="the curvature of (x4 - 1)⁴ and (x5 - 1)⁶ vanishes at the solution",
)
def _hs49(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - x[1]) ** 2 + (x[2] - 1) ** 2 + (x[3] - 1) ** 4 + (x[4] - 1) ** 6)
    rows(m, x[0] + x[1] + x[2] + 4 * x[3] - 7 == 0, x[2] + 5 * x[4] - 6 == 0)


@problem(50, (35, -31, 11, 5, -5), 0.0)
def _hs50(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - x[1]) ** 2 + (x[1] - x[2]) ** 2 + (x[2] - x[3]) ** 4 + (x[3] - x[4]) ** 2)
    rows(m, *(x[i] + 2 * x[i + 1] + 3 * x[i + 2] - 6 == 0 for i in range(3)))


@problem(51, (2.5, 0.5, 2, -1, 0.5), 0.0)
def _hs51(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - x[1]) ** 2 + (x[1] + x[2] - 2) ** 2 + (x[3] - 1) ** 2 + (x[4] - 1) ** 2)
    rows(m, x[0] + 3 * x[1] - 4 == 0, x[2] + x[3] - 2 * x[4] == 0, x[1] - x[4] == 0)


@problem(52, (2, 2, 2, 2, 2), 1859 / 349)
def _hs52(m: ot.Model, x: Any) -> None:
    m.minimize((4 * x[0] - x[1]) ** 2 + (x[1] + x[2] - 2) ** 2 + (x[3] - 1) ** 2 + (x[4] - 1) ** 2)
    rows(m, x[0] + 3 * x[1] == 0, x[2] + x[3] - 2 * x[4] == 0, x[1] - x[4] == 0)


@problem(53, (2, 2, 2, 2, 2), 176 / 43, lower=-10.0, upper=10.0)
def _hs53(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - x[1]) ** 2 + (x[1] + x[2] - 2) ** 2 + (x[3] - 1) ** 2 + (x[4] - 1) ** 2)
    rows(m, x[0] + 3 * x[1] == 0, x[2] + x[3] - 2 * x[4] == 0, x[1] - x[4] == 0)


@problem(56, (1, 1, 1, *[asin(sqrt(1 / 4.2))] * 3, asin(sqrt(5 / 7.2))), -3.456)
def _hs56(m: ot.Model, x: Any) -> None:
    m.minimize(-x[0] * x[1] * x[2])
    rows(m, *(x[i] - 4.2 * np.sin(x[i + 3]) ** 2 == 0 for i in range(3)))
    rows(m, x[0] + 2 * x[1] + 2 * x[2] - 7.2 * np.sin(x[6]) ** 2 == 0)


@problem(60, (2, 2, 2), 0.03256820025, lower=-10.0, upper=10.0)
def _hs60(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - 1) ** 2 + (x[0] - x[1]) ** 2 + (x[1] - x[2]) ** 4)
    rows(m, x[0] * (1 + x[1] ** 2) + x[2] ** 4 - 4 - 3 * sqrt(2) == 0)


@problem(61, (0, 0, 0), -143.6461422)
def _hs61(m: ot.Model, x: Any) -> None:
    m.minimize(4 * x[0] ** 2 + 2 * x[1] ** 2 + 2 * x[2] ** 2 - 33 * x[0] + 16 * x[1] - 24 * x[2])
    rows(m, 3 * x[0] - 2 * x[1] ** 2 - 7 == 0, 4 * x[0] - x[2] ** 2 - 11 == 0)


@problem(62, (0.7, 0.2, 0.1), -26272.51448, lower=0.0, upper=1.0)
def _hs62(m: ot.Model, x: Any) -> None:
    a, b, c = x
    m.minimize(
        -32.174
        * (
            255 * np.log((a + b + c + 0.03) / (0.09 * a + b + c + 0.03))
            + 280 * np.log((b + c + 0.03) / (0.07 * b + c + 0.03))
            + 290 * np.log((c + 0.03) / (0.13 * c + 0.03))
        )
    )
    rows(m, a + b + c - 1 == 0)


@problem(63, (2, 2, 2), 961.7151721, lower=0.0)
def _hs63(m: ot.Model, x: Any) -> None:
    a, b, c = x
    m.minimize(1000 - a**2 - 2 * b**2 - c**2 - a * b - a * c)
    rows(m, 8 * a + 14 * b + 7 * c - 56 == 0, a**2 + b**2 + c**2 - 25 == 0)


@problem(64, (1, 1, 1), 6299.842428, lower=1e-5)
def _hs64(m: ot.Model, x: Any) -> None:
    a, b, c = x
    m.minimize(5 * a + 50000 / a + 20 * b + 72000 / b + 10 * c + 144000 / c)
    rows(m, 1 - 4 / a - 32 / b - 120 / c >= 0)


@problem(65, (-5, 5, 0), 0.9535288567, lower=(-4.5, -4.5, -5.0), upper=(4.5, 4.5, 5.0))
def _hs65(m: ot.Model, x: Any) -> None:
    m.minimize((x[0] - x[1]) ** 2 + (x[0] + x[1] - 10) ** 2 / 9 + (x[2] - 5) ** 2)
    rows(m, 48 - x[0] ** 2 - x[1] ** 2 - x[2] ** 2 >= 0)


@problem(66, (0, 1.05, 2.9), 0.5181632741, lower=0.0, upper=(100.0, 100.0, 10.0))
def _hs66(m: ot.Model, x: Any) -> None:
    m.minimize(0.2 * x[2] - 0.8 * x[0])
    rows(m, x[1] - np.exp(x[0]) >= 0, x[2] - np.exp(x[1]) >= 0)


@problem(71, (1, 5, 5, 1), 17.0140173, lower=1.0, upper=5.0)
def _hs71(m: ot.Model, x: Any) -> None:
    m.minimize(x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2])
    rows(m, x[0] * x[1] * x[2] * x[3] - 25 >= 0, sum(one**2 for one in x) - 40 == 0)


@problem(72, (1, 1, 1, 1), 727.67937, lower=0.001, upper=(4e5, 3e5, 2e5, 1e5))
def _hs72(m: ot.Model, x: Any) -> None:
    a, b, c, d = x
    m.minimize(1 + a + b + c + d)
    rows(m, 0.0401 - 4 / a - 2.25 / b - 1 / c - 0.25 / d >= 0)
    rows(m, 0.010085 - 0.16 / a - 0.36 / b - 0.64 / c - 0.64 / d >= 0)


@problem(73, (1, 1, 1, 1), 29.8943781573, lower=0.0)
def _hs73(m: ot.Model, x: Any) -> None:
    a, b, c, d = x
    m.minimize(24.55 * a + 26.75 * b + 39 * c + 40.5 * d)
    spread = np.sqrt(0.28 * a**2 + 0.19 * b**2 + 20.5 * c**2 + 0.62 * d**2)
    rows(m, 2.3 * a + 5.6 * b + 11.1 * c + 1.3 * d - 5 >= 0, a + b + c + d - 1 == 0)
    rows(m, 12 * a + 11.9 * b + 41.8 * c + 52.1 * d - 21 - 1.645 * spread >= 0)


@problem(76, (0.5, 0.5, 0.5, 0.5), -4.681818181, lower=0.0)
def _hs76(m: ot.Model, x: Any) -> None:
    a, b, c, d = x
    m.minimize(a**2 + 0.5 * b**2 + c**2 + 0.5 * d**2 - a * c + c * d - a - 3 * b + c - d)
    rows(m, 5 - a - 2 * b - c - d >= 0, 4 - 3 * a - b - 2 * c + d >= 0, b + 4 * c - 1.5 >= 0)


@problem(77, (2, 2, 2, 2, 2), 0.24150513)
def _hs77(m: ot.Model, x: Any) -> None:
    a, b, c, d, e = x
    m.minimize((a - 1) ** 2 + (a - b) ** 2 + (c - 1) ** 2 + (d - 1) ** 4 + (e - 1) ** 6)
    rows(m, a**2 * d + np.sin(d - e) - 2 * sqrt(2) == 0, b + c**4 * d**2 - 8 - sqrt(2) == 0)


def on_the_sphere(m: ot.Model, x: Any) -> None:
    """The equations of problems 78, 80 and 81."""
    rows(m, sum(one**2 for one in x) - 10 == 0, x[1] * x[2] - 5 * x[3] * x[4] == 0, x[0] ** 3 + x[1] ** 3 + 1 == 0)


BOX = (2.3, 2.3, 3.2, 3.2, 3.2)


@problem(78, (-2, 1.5, 2, -1, -1), -2.91970041)
def _hs78(m: ot.Model, x: Any) -> None:
    m.minimize(x[0] * x[1] * x[2] * x[3] * x[4])
    on_the_sphere(m, x)


@problem(79, (2, 2, 2, 2, 2), 0.0787768209)
def _hs79(m: ot.Model, x: Any) -> None:
    a, b, c, d, e = x
    m.minimize((a - 1) ** 2 + (a - b) ** 2 + (b - c) ** 2 + (c - d) ** 4 + (d - e) ** 4)
    rows(m, a + b**2 + c**3 - 2 - 3 * sqrt(2) == 0, b - c**2 + d + 2 - 2 * sqrt(2) == 0, a * e - 2 == 0)


@problem(80, (-2, 2, 2, -1, -1), 0.0539498478, lower=[-side for side in BOX], upper=BOX)
def _hs80(m: ot.Model, x: Any) -> None:
    m.minimize(np.exp(x[0] * x[1] * x[2] * x[3] * x[4]))
    on_the_sphere(m, x)


@problem(81, (-2, 2, 2, -1, -1), 0.0539498478, lower=[-side for side in BOX], upper=BOX)
def _hs81(m: ot.Model, x: Any) -> None:
    m.minimize(np.exp(x[0] * x[1] * x[2] * x[3] * x[4]) - 0.5 * (x[0] ** 3 + x[1] ** 3 + 1) ** 2)
    on_the_sphere(m, x)


@problem(100, (1, 2, 0, 4, 0, 1, 1), 680.6300573)
def _hs100(m: ot.Model, x: Any) -> None:
    a, b, c, d, e, f, g = x
    m.minimize(
        (a - 10) ** 2
        + 5 * (b - 12) ** 2
        + c**4
        + 3 * (d - 11) ** 2
        + 10 * e**6
        + 7 * f**2
        + g**4
        - 4 * f * g
        - 10 * f
        - 8 * g
    )
    rows(m, 127 - 2 * a**2 - 3 * b**4 - c - 4 * d**2 - 5 * e >= 0, 282 - 7 * a - 3 * b - 10 * c**2 - d + e >= 0)
    rows(m, 196 - 23 * a - b**2 - 6 * f**2 + 8 * g >= 0, -4 * a**2 - b**2 + 3 * a * b - 2 * c**2 - 5 * f + 11 * g >= 0)


@problem(113, (2, 3, 5, 5, 1, 2, 7, 3, 6, 10), 24.3062091)
def _hs113(m: ot.Model, x: Any) -> None:
    a, b, c, d, e, f, g, h, i, j = x
    squares = (c - 10) ** 2 + 4 * (d - 5) ** 2 + (e - 3) ** 2 + 2 * (f - 1) ** 2 + 5 * g**2
    squares = squares + 7 * (h - 11) ** 2 + 2 * (i - 10) ** 2 + (j - 7) ** 2
    m.minimize(a**2 + b**2 + a * b - 14 * a - 16 * b + squares + 45)
    rows(m, 105 - 4 * a - 5 * b + 3 * g - 9 * h >= 0, -10 * a + 8 * b + 17 * g - 2 * h >= 0)
    rows(m, 8 * a - 2 * b - 5 * i + 2 * j + 12 >= 0, 3 * a - 6 * b - 12 * (i - 8) ** 2 + 7 * j >= 0)
    rows(m, -3 * (a - 2) ** 2 - 4 * (b - 3) ** 2 - 2 * c**2 + 7 * d + 120 >= 0)
    rows(m, -5 * a**2 - 8 * b - (c - 6) ** 2 + 2 * d + 40 >= 0)
    rows(m, -0.5 * (a - 8) ** 2 - 2 * (b - 4) ** 2 - 3 * e**2 + f + 30 >= 0)
    rows(m, -(a**2) - 2 * (b - 2) ** 2 + 2 * a * b - 14 * e + 6 * f >= 0)
