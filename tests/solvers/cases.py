"""Problems with known answers, as data: every solver must reproduce them, and we recompute what it claims.

minimize (or maximize) ``½ xᵀPx + qᵀx + r`` subject to ``aᵀx + b in S`` row by row and ``x[j] in S`` bound by
bound.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import optangent as ot
from optangent.modelkit.protocol import AbstractModel
from optangent.modelkit.sets import ScalarSet

INF = np.inf
S = ot.TerminationStatusCode
MIN, MAX = ot.ObjectiveSenseCode.MIN_SENSE, ot.ObjectiveSenseCode.MAX_SENSE
Row = tuple[tuple[float, ...], float, ScalarSet]


@dataclass(frozen=True)
class Case:
    """A problem and its answer; what is None is not unique."""

    name: str
    n: int
    q: Any = None
    P: Any = None
    r: float = 0.0
    sense: ot.ObjectiveSenseCode = MIN
    rows: tuple[Row, ...] = ()
    bounds: tuple[tuple[int, ScalarSet], ...] = ()
    status: tuple[ot.TerminationStatusCode, ...] = (S.OPTIMAL,)
    objective: float | None = None
    x: Any = None
    row_duals: Any = None
    bound_duals: Any = None
    needs: frozenset[str] = field(default=frozenset())
    tolerance: float = 1e-6

    def __str__(self) -> str:
        return self.name

    @property
    def sign(self) -> float:
        """-1 to maximize."""
        return -1.0 if self.sense == MAX else 1.0

    @property
    def matrices(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """(P, q) as given, and (A, b) of the rows."""
        P = np.zeros((self.n, self.n)) if self.P is None else np.array(self.P, float)
        q = np.zeros(self.n) if self.q is None else np.array(self.q, float)
        A = np.array([a for a, _, _ in self.rows], float).reshape(len(self.rows), self.n)
        return P, q, A, np.array([b for _, b, _ in self.rows])

    @property
    def boxes(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper limits for the rows, then the bounds; of discrete sets those that hold anyway."""
        return tuple(np.array([_box(s)[side] for s in self.sets], float) for side in (0, 1))  # type: ignore[return-value]

    @property
    def sets(self) -> list[ScalarSet]:
        """Sets of the rows, then of the bounds."""
        return [s for _, _, s in self.rows] + [s for _, s in self.bounds]

    @property
    def jacobian(self) -> np.ndarray:
        """Gradients of the rows, then of the bounds."""
        unit = np.eye(self.n)[np.array([j for j, _ in self.bounds], int)]
        return np.vstack([self.matrices[2], unit])

    def build(self, model: AbstractModel) -> tuple[Any, list[Any]]:
        """Write the problem into a model; returns its variables, and the indices of rows and bounds."""
        v = model.add_variables(self.n)
        indices = [model.add_constraint(ot.ScalarAffineFunction(v, a, b), s) for a, b, s in self.rows]
        indices += [model.add_constraint(v[j], s) for j, s in self.bounds]
        if self.q is not None or self.P is not None:
            model.set(ot.ObjectiveSense(), self.sense)
            f: Any = ot.ScalarAffineFunction(v, np.zeros(self.n) if self.q is None else self.q, self.r)
            if self.P is not None:
                f = 0.5 * (v @ (np.array(self.P, float) @ v)) + f
            model.set(ot.ObjectiveFunction(), f)
        return v, indices


def _box(s: ScalarSet) -> tuple[float, float]:
    box = type(s).bounds(s.numbers)
    if box is not None:
        return float(box[0][0]), float(box[1][0])
    if isinstance(s, (ot.Semicontinuous, ot.Semiinteger)):
        return min(s.lower, 0.0), max(s.upper, 0.0)
    return (0.0, 1.0) if isinstance(s, ot.ZeroOne) else (-INF, INF)


def _signs() -> list[Case]:
    """x0 + x1 in a row set at 2, and x1 at a bound; c0 = ±y, c1 = ±(y + z) makes the duals y and z."""
    cases = []
    rows = ((ot.GreaterThan(2.0), 2.0), (ot.LessThan(2.0), -2.0), (ot.EqualTo(2.0), -2.0))
    bounds = (
        (ot.GreaterThan(1.0), 3.0, 1.0),
        (ot.LessThan(1.0), -3.0, 1.0),
        (ot.Interval(-1.0, 1.0), 3.0, -1.0),
    )
    for row, y in rows:
        for bound, z, at in bounds:
            for sense, sign in ((MIN, 1.0), (MAX, -1.0)):
                q, x = (sign * y, sign * (y + z)), (2.0 - at, at)
                cases.append(
                    Case(
                        f"sign: {type(row).__name__}, {type(bound).__name__}, {sense.value}",
                        2,
                        q=q,
                        r=0.5,
                        sense=sense,
                        rows=(((1.0, 1.0), 0.0, row),),
                        bounds=((1, bound),),
                        objective=float(np.dot(q, x)) + 0.5,
                        x=x,
                        row_duals=(y,),
                        bound_duals=(z,),
                    )
                )
    return cases


_GE, _LE, _EQ = ot.GreaterThan, ot.LessThan, ot.EqualTo
_POSITIVE = ((0, _GE(0.0)), (1, _GE(0.0)))
_I2 = ((1.0, 0.0), (0.0, 1.0))
_QUADRATIC, _INTEGER = frozenset({"quadratic"}), frozenset({"integer"})


def _qp(name: str, **data: Any) -> Case:
    return Case(name, **({"needs": _QUADRATIC} | data))


LINEAR = [
    Case(
        "lp: two active rows",
        2,
        q=(-3, -5),
        rows=(((1, 0), 0, _LE(4)), ((0, 2), 0, _LE(12)), ((3, 2), 0, _LE(18))),
        bounds=_POSITIVE,
        objective=-36,
        x=(2, 6),
        row_duals=(0, -1.5, -1),
        bound_duals=(0, 0),
    ),
    Case(
        "lp: constant in the function",
        1,
        q=(1,),
        rows=(((2,), 4, _GE(10)),),
        objective=3,
        x=(3,),
        row_duals=(0.5,),
    ),
    Case(
        "lp: interval at its upper side",
        1,
        q=(-1,),
        rows=(((1,), 1, ot.Interval(0, 3)),),
        objective=-2,
        row_duals=(-1,),
    ),
    Case("lp: interval without a lower side", 1, q=(-1,), rows=(((1,), 0, ot.Interval(-INF, 3)),), objective=-3),
    Case("lp: interval without an upper side", 1, q=(1,), rows=(((1,), 0, ot.Interval(3, INF)),), objective=3),
    Case(
        "lp: free row",
        1,
        q=(1,),
        rows=(((5,), 0, ot.Interval(-INF, INF)), ((1,), 0, _GE(1))),
        objective=1,
        row_duals=(0, 1),
    ),
    Case(
        "lp: free bound",
        1,
        q=(1,),
        rows=(((1,), 0, _GE(1)),),
        bounds=((0, ot.Interval(-INF, INF)),),
        objective=1,
    ),
    Case(
        "lp: no rows",
        2,
        q=(1, -1),
        bounds=((0, _GE(-1)), (1, ot.Interval(0, 4))),
        objective=-5,
        x=(-1, 4),
        bound_duals=(1, -1),
    ),
    Case(
        "lp: fixed by an interval",
        2,
        q=(1, 1),
        rows=(((1, 1), 0, _GE(5)),),
        bounds=((0, ot.Interval(2, 2)),),
        objective=5,
        x=(2, 3),
        bound_duals=(0,),
    ),
    Case(
        "lp: fixed by an equality",
        2,
        q=(3, 1),
        rows=(((1, 1), 0, _GE(5)),),
        bounds=((0, _EQ(2)),),
        objective=9,
        x=(2, 3),
        bound_duals=(2,),
    ),
    Case(
        "lp: two bounds apart",
        1,
        q=(-2,),
        bounds=((0, _GE(1)), (0, _LE(4))),
        objective=-8,
        x=(4,),
        bound_duals=(0, -2),
    ),
    Case("lp: empty objective", 2, rows=(((1, 1), 0, _EQ(1)),), bounds=_POSITIVE, objective=0),
    Case("lp: zero objective", 2, q=(0, 0), r=7, rows=(((1, 1), 0, _EQ(1)),), bounds=_POSITIVE, objective=7),
    Case(
        "lp: zero row, feasible",
        1,
        q=(1,),
        rows=(((0,), 0, _LE(1)), ((1,), 0, _GE(2))),
        objective=2,
        row_duals=(0, 1),
    ),
    Case(
        "lp: zero row, infeasible",
        1,
        q=(1,),
        rows=(((0,), 0, _GE(1)), ((1,), 0, _GE(2))),
        status=(S.INFEASIBLE,),
    ),
    Case(
        "lp: duplicate equalities",
        2,
        q=(1, 2),
        rows=(((1, 1), 0, _EQ(1)), ((1, 1), 0, _EQ(1)), ((3, 3), 0, _EQ(3))),
        bounds=_POSITIVE,
        objective=1,
        x=(1, 0),
    ),
    Case(
        "lp: contradicting equalities",
        2,
        q=(1, 2),
        rows=(((1, 1), 0, _EQ(1)), ((2, 2), 0, _EQ(3))),
        bounds=_POSITIVE,
        status=(S.INFEASIBLE,),
    ),
    Case(
        "lp: degenerate vertex",
        2,
        q=(-1, -1),
        rows=(((1, 1), 0, _LE(2)), ((1, 0), 0, _LE(1)), ((0, 1), 0, _LE(1))),
        objective=-2,
        x=(1, 1),
        tolerance=1e-5,
    ),
    Case(
        "lp: optimal edge",
        2,
        q=(1, 1),
        rows=(((1, 1), 0, _GE(1)),),
        bounds=_POSITIVE,
        objective=1,
        row_duals=(1,),
        bound_duals=(0, 0),
    ),
    Case(
        "lp: infeasible rows",
        2,
        q=(1, 2),
        rows=(((1, 1), 0, _GE(3)), ((1, -1), 0, _GE(0)), ((1, 3), 0, ot.Interval(0, 2))),
        bounds=_POSITIVE,
        status=(S.INFEASIBLE,),
    ),
    Case(
        "lp: infeasible, maximized",
        2,
        q=(1, 2),
        sense=MAX,
        rows=(((1, 1), 0, _GE(3)),),
        bounds=((0, ot.Interval(0, 1)), (1, ot.Interval(0, 1))),
        status=(S.INFEASIBLE,),
    ),
    Case(
        "lp: crossed bounds",
        2,
        q=(1, 1),
        rows=(((1, 1), 0, _GE(0)),),
        bounds=((0, _GE(2)), (0, _LE(1))),
        status=(S.INFEASIBLE,),
    ),
    Case(
        "lp: unbounded",
        2,
        q=(-1, 2),
        rows=(((1, -1), 0, _GE(3)),),
        bounds=_POSITIVE,
        status=(S.DUAL_INFEASIBLE,),
    ),
    Case(
        "lp: unbounded, maximized",
        2,
        q=(1, -2),
        r=3,
        sense=MAX,
        rows=(((1, -1), 2, _GE(3)),),
        bounds=_POSITIVE,
        status=(S.DUAL_INFEASIBLE,),
    ),
    Case("lp: unbounded, no rows", 1, q=(1,), bounds=((0, _LE(1)),), status=(S.DUAL_INFEASIBLE,)),
    Case(
        "lp: infeasible on both sides",
        2,
        q=(-1, -1),
        rows=(((1, -1), 0, _GE(1)), ((-1, 1), 0, _GE(1))),
        status=(S.INFEASIBLE, S.DUAL_INFEASIBLE),
    ),
    Case(
        "lp: rows scaled by 1e8 and 1e-8",
        2,
        q=(1, 1),
        rows=(((1e8, 0), 0, _GE(2e8)), ((0, 1e-6), 0, _GE(3e-6))),
        objective=5,
        x=(2, 3),
    ),
    Case(
        "lp: columns scaled by 1e4 and 1e-4",
        2,
        q=(1e4, 1e-4),
        rows=(((1e4, 1e-4), 0, _GE(2)), ((1e4, -1e-4), 0, _EQ(0))),
        objective=2,
        x=(1e-4, 1e4),
    ),
    Case(
        "lp: large right-hand side",
        2,
        q=(1, 1),
        rows=(((1, 0), 0, _GE(1e7)), ((0, 1), 0, _GE(1e-3))),
        objective=1e7 + 1e-3,
    ),
    Case("no variables", 0, q=(), r=3, rows=(((), 1, _GE(0)), ((), 0, _EQ(0))), objective=3, row_duals=(0, 0)),
    Case("no variables, infeasible", 0, q=(), rows=(((), 1, _GE(0)), ((), 0, _LE(-2))), status=(S.INFEASIBLE,)),
    Case("nothing at all", 0, objective=0),
]
QUADRATIC = [
    _qp(
        "qp: battery",
        n=2,
        P=((2, 0), (0, 2)),
        q=(-1, 1),
        rows=(((1, 1), 0, _EQ(1)),),
        bounds=((0, ot.Interval(0, 10)), (1, ot.Interval(0, 10))),
        objective=0,
        x=(1, 0),
        tolerance=2e-5,
    ),
    _qp(
        "qp: projection",
        n=2,
        P=_I2,
        q=(-3, -1),
        rows=(((1, 1), 0, _LE(2)),),
        bounds=_POSITIVE,
        objective=-4,
        x=(2, 0),
        row_duals=(-1,),
        bound_duals=(0, 0),
        tolerance=2e-5,
    ),
    _qp(
        "qp: maximized",
        n=2,
        P=((-1, 0), (0, -1)),
        q=(3, 1),
        r=1,
        sense=MAX,
        rows=(((1, 1), 0, _LE(1)),),
        bounds=_POSITIVE,
        objective=3.5,
        x=(1, 0),
        row_duals=(-2,),
        bound_duals=(0, 1),
    ),
    _qp("qp: unconstrained", n=2, P=((2, 1), (1, 2)), q=(-1, 0), r=1, objective=1 - 1 / 3, x=(2 / 3, -1 / 3)),
    _qp("qp: no linear part", n=2, P=_I2, rows=(((1, 1), 0, _GE(2)),), objective=1, x=(1, 1), row_duals=(1,)),
    _qp(
        "qp: off-diagonal",
        n=2,
        P=((2, -1), (-1, 1)),
        q=(1, 1),
        rows=(((1, -1), 0, ot.Interval(-1, 1)),),
        objective=-2.5,
        x=(-2, -3),
        row_duals=(0,),
        tolerance=2e-5,
    ),
    _qp(
        "qp: rank-deficient P",
        n=2,
        P=((1, 1), (1, 1)),
        q=(-1, -1),
        rows=(((1, -1), 0, _EQ(1)),),
        objective=-0.5,
        x=(1, 0),
        row_duals=(0,),
    ),
    _qp(
        "qp: P zero",
        n=2,
        P=((0, 0), (0, 0)),
        q=(1, 2),
        rows=(((1, 1), 0, _GE(1)),),
        bounds=_POSITIVE,
        objective=1,
        x=(1, 0),
        row_duals=(1,),
        bound_duals=(0, 1),
    ),
    _qp(
        "qp: some variables linear",
        n=2,
        P=((1, 0), (0, 0)),
        q=(0, 1),
        rows=(((1, 1), 0, _GE(3)),),
        bounds=_POSITIVE,
        objective=2.5,
        x=(1, 2),
        row_duals=(1,),
        bound_duals=(0, 0),
    ),
    _qp(
        "qp: weakly active row",
        n=1,
        P=((1,),),
        q=(0,),
        rows=(((1,), 0, _GE(0)),),
        objective=0,
        x=(0,),
        tolerance=1e-4,
    ),
    _qp(
        "qp: many columns in one row",
        n=30,
        P=np.diag(np.arange(1.0, 31.0)),
        rows=((tuple(range(1, 31)), 0, _EQ(465)),),
        objective=0.5 * 465,
        x=np.ones(30),
        row_duals=(1,),
    ),
    _qp(
        "qp: infeasible",
        n=2,
        P=_I2,
        q=(1, 1),
        rows=(((1, 1), 0, _GE(3)),),
        bounds=((0, ot.Interval(0, 1)), (1, ot.Interval(0, 1))),
        status=(S.INFEASIBLE,),
    ),
    _qp(
        "qp: unbounded",
        n=2,
        P=((0, 0), (0, 2)),
        q=(-1, 1),
        rows=(((1, 1), 0, _GE(1)),),
        status=(S.DUAL_INFEASIBLE,),
    ),
    _qp(
        "qp: P scaled by 1e-6",
        n=2,
        P=((1e-6, 0), (0, 1)),
        q=(-1e-6, 0),
        rows=(((1, 1), 0, _GE(-5)),),
        objective=-5e-7,
        x=(1, 0),
        tolerance=1e-4,
    ),
]
INTEGER = [
    Case(
        "mip: rounding",
        2,
        q=(-1, -1),
        rows=(((2, 1), 0, _LE(3.5)),),
        bounds=((0, ot.Integer()), *((j, ot.Interval(0, 10)) for j in (0, 1))),
        objective=-3.5,
        x=(0, 3.5),
        needs=_INTEGER,
    ),
    Case(
        "mip: knapsack",
        3,
        q=(5, 4, 3),
        sense=MAX,
        rows=(((2, 3, 1), 0, _LE(5)),),
        bounds=tuple((j, ot.ZeroOne()) for j in range(3)),
        objective=9,
        x=(1, 1, 0),
        needs=_INTEGER,
    ),
    Case(
        "mip: binary within a bound",
        1,
        q=(-1,),
        bounds=((0, ot.ZeroOne()), (0, _LE(0.5))),
        objective=0,
        x=(0,),
        needs=_INTEGER,
    ),
    Case(
        "mip: binary against a bound",
        1,
        q=(-1,),
        bounds=((0, ot.ZeroOne()), (0, _GE(2))),
        status=(S.INFEASIBLE,),
        needs=_INTEGER,
    ),
    Case(
        "mip: semicontinuous at zero",
        1,
        q=(1,),
        bounds=((0, ot.Semicontinuous(2, 5)),),
        objective=0,
        x=(0,),
        needs=_INTEGER,
    ),
    Case(
        "mip: semicontinuous at its bound",
        1,
        q=(1,),
        rows=(((1,), 0, _GE(0.5)),),
        bounds=((0, ot.Semicontinuous(2, 5)),),
        objective=2,
        x=(2,),
        needs=_INTEGER,
    ),
    Case(
        "mip: semiinteger",
        1,
        q=(1,),
        rows=(((1,), 0, _GE(2.5)),),
        bounds=((0, ot.Semiinteger(2, 5)),),
        objective=3,
        x=(3,),
        needs=_INTEGER,
    ),
    Case(
        "mip: infeasible",
        2,
        q=(1, 1),
        rows=(((2, 2), 0, _EQ(3)),),
        bounds=((0, ot.Integer()), (1, ot.Integer()), (0, ot.Interval(0, 9)), (1, ot.Interval(0, 9))),
        status=(S.INFEASIBLE,),
        needs=_INTEGER,
    ),
    Case(
        "mip: infeasible relaxation",
        1,
        q=(1,),
        rows=(((1,), 0, _GE(4)), ((1,), 0, _LE(3))),
        bounds=((0, ot.Integer()),),
        status=(S.INFEASIBLE,),
        needs=_INTEGER,
    ),
]
CASES = [*_signs(), *LINEAR, *QUADRATIC, *INTEGER]
