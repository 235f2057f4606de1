"""Conic problems with known answers, as data."""

from __future__ import annotations

from typing import Any

import numpy as np

import optangent as ot

from .problems import MAX, ConicCase, S

SQRT2, E = np.sqrt(2.0), np.e
INFEASIBLE, UNBOUNDED = (S.INFEASIBLE,), (S.DUAL_INFEASIBLE,)


def svec(*rows: Any) -> np.ndarray:
    """Upper triangle column by column, off-diagonals times √2."""
    M = np.array(rows, float)
    return np.concatenate([np.append(SQRT2 * M[:j, j], M[j, j]) for j in range(len(M))])


_SOC, _PSD = ot.SecondOrderCone, ot.ScaledPositiveSemidefiniteConeTriangle
_EXP, _DEXP, _POW, _DPOW = ot.ExponentialCone(), ot.DualExponentialCone(), ot.PowerCone, ot.DualPowerCone
_I2, _I3, _I6, _0 = np.eye(2), np.eye(3), np.eye(6), (0.0, 0.0, 0.0)
_LAST = np.array([[0.0], [0.0], [1.0]])
# the smallest eigenvalue of TRIDIAGONAL is 3 - √3, with this vector
TRIDIAGONAL = ((2.0, 1.0, 0.0), (1.0, 3.0, 1.0), (0.0, 1.0, 4.0))
_LOW = 3 - np.sqrt(3.0)
_VECTOR = np.array([1.0, 1 - np.sqrt(3.0), 2 - np.sqrt(3.0)])
_VECTOR = _VECTOR / np.linalg.norm(_VECTOR)
_ONE_TRACE = (svec(*_I3.tolist())[None], (-1.0,), ot.Zeros(1))

SECOND_ORDER = [
    ConicCase(
        "soc: projection",
        3,
        ((_I3, _0, _SOC(3)),),
        P=_I3,
        q=(-1, -3, -4),
        objective=-9,
        x=(3, 1.8, 2.4),
        duals=((2, -1.2, -1.6),),
    ),
    ConicCase(
        "soc: distance to a line",
        3,
        ((_I3, (0, -1, -2), _SOC(3)), (((0, 1, 1),), (0,), ot.Zeros(1))),
        q=(1, 0, 0),
        objective=3 / SQRT2,
        x=(3 / SQRT2, -0.5, 0.5),
        duals=((1, 1 / SQRT2, 1 / SQRT2), (-1 / SQRT2,)),
    ),
    ConicCase(
        "soc: maximized in a disk",
        2,
        ((np.vstack([np.zeros(2), _I2]), (1, 0, 0), _SOC(3)),),
        q=(1, 1),
        r=2,
        sense=MAX,
        objective=2 + SQRT2,
        x=(1 / SQRT2, 1 / SQRT2),
        duals=((SQRT2, -1, -1),),
    ),
    ConicCase("soc: dimension 1", 1, ((((1,),), (-2,), _SOC(1)),), q=(3,), objective=6, x=(2,), duals=((3,),)),
    ConicCase(
        "soc: dimension 2", 1, ((((0,), (1,)), (2, -1), _SOC(2)),), q=(-1,), objective=-3, x=(3,), duals=((1, -1),)
    ),
    ConicCase(
        "soc: inactive",
        2,
        ((np.vstack([np.zeros(2), _I2]), (5, 0, 0), _SOC(3)),),
        P=_I2,
        q=(-1, 2),
        objective=-2.5,
        x=(1, -2),
        duals=(_0,),
    ),
    ConicCase(
        "soc: infeasible",
        2,
        ((np.vstack([np.zeros(2), _I2]), (1, 0, 0), _SOC(3)), (((1, 1),), (-3,), ot.Nonnegatives(1))),
        q=(1, 2),
        status=INFEASIBLE,
    ),
    ConicCase(
        "soc: infeasible, maximized",
        2,
        ((np.vstack([np.zeros(2), _I2]), (1, 0, 0), _SOC(3)), (((1, 1),), (-3,), ot.Zeros(1))),
        q=(1, 2),
        sense=MAX,
        status=INFEASIBLE,
    ),
    ConicCase("soc: unbounded", 2, ((_I2, (1, 2), _SOC(2)),), q=(-2, 1), status=UNBOUNDED),
    ConicCase("soc: unbounded, maximized", 2, ((_I2, (1, 2), _SOC(2)),), q=(2, -1), r=3, sense=MAX, status=UNBOUNDED),
    ConicCase(
        "soc: rows scaled by 1e6",
        2,
        ((1e6 * np.vstack([np.zeros(2), _I2]), (1e6, 0, 0), _SOC(3)),),
        q=(1, 1),
        objective=-SQRT2,
        x=(-1 / SQRT2, -1 / SQRT2),
        duals=((SQRT2 * 1e-6, 1e-6, 1e-6),),
    ),
    ConicCase("no variables, in the cones", 0, (((), (1, 0.5), _SOC(2)), ((), (1, 1, 3), _EXP)), q=(), objective=0),
    ConicCase("no variables, outside", 0, (((), (1, 2), _SOC(2)), ((), (1, 1, 3), _EXP)), q=(), status=INFEASIBLE),
]
SEMIDEFINITE = [
    ConicCase(
        "psd: smallest eigenvalue",
        6,
        ((_I6, np.zeros(6), _PSD(3)), _ONE_TRACE),
        q=svec(*TRIDIAGONAL),
        objective=_LOW,
        x=svec(*np.outer(_VECTOR, _VECTOR).tolist()),
        duals=(svec(*(np.array(TRIDIAGONAL) - _LOW * _I3).tolist()), (_LOW,)),
    ),
    ConicCase(
        "psd: smallest eigenvalue, inequality form",
        1,
        ((-svec(*_I3.tolist())[:, None], svec(*TRIDIAGONAL), _PSD(3)),),
        q=(1,),
        sense=MAX,
        objective=_LOW,
        x=(_LOW,),
        duals=(svec(*np.outer(_VECTOR, _VECTOR).tolist()),),
    ),
    ConicCase(
        "psd: projection",
        3,
        ((_I3, _0, _PSD(2)),),
        P=_I3,
        q=-svec((1, 2), (2, -2)),
        objective=-2,
        x=svec((1.6, 0.8), (0.8, 0.4)),
        duals=(svec((0.6, -1.2), (-1.2, 2.4)),),
    ),
    ConicCase("psd: side 1", 1, ((((1,),), (-2,), _PSD(1)),), q=(3,), objective=6, x=(2,), duals=((3,),)),
    ConicCase("psd: infeasible", 1, ((((0,), (SQRT2,), (0,)), (-1, 0, 1), _PSD(2)),), q=(1,), status=INFEASIBLE),
    ConicCase("psd: unbounded", 2, ((((1, 0), (0, SQRT2), (0, 0)), (0, 0, 1), _PSD(2)),), q=(-1, 0), status=UNBOUNDED),
]
EXPONENTIAL = [
    ConicCase("exp: e", 1, ((_LAST, (1, 1, 0), _EXP),), q=(1,), objective=E, x=(E,), duals=((-E, 0, 1),)),
    ConicCase(
        "exp: axes apart",
        3,
        ((_I3, _0, _EXP), (_I3[:2], (-1, -2), ot.Zeros(2))),
        q=(0, 0, 1),
        objective=2 * np.sqrt(E),
        x=(1, 2, 2 * np.sqrt(E)),
        duals=((-np.sqrt(E), -0.5 * np.sqrt(E), 1), (np.sqrt(E), 0.5 * np.sqrt(E))),
    ),
    ConicCase(
        "exp: logarithm, maximized",
        1,
        ((_LAST[::-1], (0, 1, 2), _EXP),),
        q=(1,),
        sense=MAX,
        objective=np.log(2),
        x=(np.log(2),),
        duals=((-1, np.log(2) - 1, 0.5),),
    ),
    ConicCase(
        "exp: entropy, maximized",
        4,
        (
            *((np.vstack([np.eye(4)[[i, i + 2]], np.zeros(4)]), (0, 0, 1), _EXP) for i in (0, 1)),
            (((0, 0, 1, 1),), (-1,), ot.Zeros(1)),
        ),
        q=(1, 1, 0, 0),
        sense=MAX,
        objective=np.log(2),
        x=(0.5 * np.log(2), 0.5 * np.log(2), 0.5, 0.5),
        duals=((-1, np.log(2) - 1, 0.5), (-1, np.log(2) - 1, 0.5), (1 - np.log(2),)),
        # a flat maximum: x is off by as much as the square root of the gap
        options={"Clarabel": {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12}},
    ),
    ConicCase(
        "exp: infeasible",
        1,
        ((_LAST, (1, 1, 0), _EXP), (((-1,),), (2,), ot.Nonnegatives(1))),
        q=(1,),
        status=INFEASIBLE,
    ),
    ConicCase("exp: unbounded", 1, ((_LAST[::-1], (0, 1, 1), _EXP),), q=(1,), status=UNBOUNDED),
    ConicCase(
        "dual exp: axes apart",
        1,
        ((_LAST, (-1, 1, 0), _DEXP),),
        q=(1,),
        objective=E**-2,
        x=(E**-2,),
        duals=((2 * E**-2, E**-2, 1),),
    ),
    ConicCase(
        "dual exp: infeasible",
        1,
        ((_LAST, (-1, 1, 0), _DEXP), (((-1,),), (0.1,), ot.Nonnegatives(1))),
        q=(1,),
        status=INFEASIBLE,
    ),
    ConicCase("dual exp: unbounded", 1, ((_LAST, (-1, 1, 0), _DEXP),), q=(-1,), status=UNBOUNDED),
]


def _mean(cone: Any, a: float, x: float, y: float) -> ConicCase:
    """The largest z with (x, y, z) in a power cone: of exponent a, or the dual one's."""
    dual = cone is _DPOW
    top = (x / a) ** a * (y / (1 - a)) ** (1 - a) if dual else x**a * y ** (1 - a)
    return ConicCase(
        f"{'dual ' if dual else ''}pow: exponent {a}",
        1,
        ((_LAST, (x, y, 0), cone(a)),),
        q=(1,),
        sense=MAX,
        objective=top,
        x=(top,),
        duals=((a * top / x, (1 - a) * top / y, -1),),
    )


POWER = [
    _mean(_POW, 0.5, 2, 8),
    _mean(_POW, 0.3, 2, 8),
    _mean(_POW, 0.95, 2, 8),
    _mean(_DPOW, 0.5, 2, 8),
    _mean(_DPOW, 0.3, 2, 8),
    ConicCase(
        "pow: divided in proportion to the exponents",
        3,
        ((_I3, _0, _POW(0.3)), (((-1, -1, 0),), (3,), ot.Nonnegatives(1))),
        q=(0, 0, -1),
        objective=-(0.9**0.3) * 2.1**0.7,
        x=(0.9, 2.1, 0.9**0.3 * 2.1**0.7),
    ),
    ConicCase(
        "pow: infeasible",
        1,
        ((_LAST, (1, 1, 0), _POW(0.3)), (((1,),), (-2,), ot.Nonnegatives(1))),
        q=(1,),
        status=INFEASIBLE,
    ),
    ConicCase("pow: unbounded", 1, ((_LAST[::-1], (0, 1, 1), _POW(0.3)),), q=(-1,), status=UNBOUNDED),
    ConicCase(
        "dual pow: infeasible",
        1,
        ((_LAST, (1, 1, 0), _DPOW(0.3)), (((1,),), (-2,), ot.Nonnegatives(1))),
        q=(1,),
        status=INFEASIBLE,
    ),
    ConicCase("dual pow: unbounded", 1, ((_LAST[::-1], (0, 1, 1), _DPOW(0.3)),), q=(-1,), status=UNBOUNDED),
]


def _side_by_side(name: str, cases: list[ConicCase]) -> ConicCase:
    """Problems with unique answers in one, cones of a kind apart from each other and kinds in no order."""
    n = sum(case.n for case in cases)
    q, x = np.zeros(n), np.zeros(n)
    cones, duals, start = [], [], 0
    for case in cases:
        stop = start + case.n
        q[start:stop], x[start:stop] = case.sign * case.quadratic[1], case.x
        for (F, g, cone), dual in zip(case.blocks, case.duals or (), strict=True):
            wide = np.zeros((len(g), n))
            wide[:, start:stop] = F
            cones.append((wide, g, cone))
            duals.append(dual)
        start = stop
    return ConicCase(name, n, tuple(cones), q=q, objective=float(q @ x), x=x, duals=tuple(duals))


def _known(*names: str) -> list[ConicCase]:
    all_cases = {case.name: case for case in (*SECOND_ORDER, *SEMIDEFINITE, *EXPONENTIAL, *POWER)}
    return [all_cases[name] for name in names]


_MIXED = (
    *("exp: axes apart", "pow: exponent 0.3", "psd: side 1", "psd: smallest eigenvalue", "soc: distance to a line"),
    *("exp: e", "psd: smallest eigenvalue, inequality form", "pow: exponent 0.95", "soc: dimension 2"),
)
_DUALS = ("dual pow: exponent 0.5", "pow: exponent 0.5", "dual exp: axes apart", "exp: e", "dual pow: exponent 0.3")
MIXED = [
    _side_by_side("mixed: many cones", _known(*_MIXED)),
    _side_by_side("mixed: cones and their duals", _known(*_DUALS)),
]
CONIC = [*SECOND_ORDER, *SEMIDEFINITE, *EXPONENTIAL, *POWER, *MIXED]
