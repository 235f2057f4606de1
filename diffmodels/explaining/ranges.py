r"""Ranges: how far a right-hand side, a bound, a cost or a parameter can move before the active rows change.

As long as they stay the same, solution and duals of a linear or convex quadratic program move linearly with such a
number t, and the optimal value is the quadratic :math:`f + f' t + \tfrac12 f'' t^2`, with :math:`f'` the dual (or the
value of the variable) and :math:`f''` its derivative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...bridges.lowering.travel import duals_up
from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import Unsupported
from ...modelkit.store.parameters import PARAMETERS
from ..derivative import Derivative
from ..outcome import every
from .basic_point import BasicPoint, Span
from .frames import frame
from .owners import Owners, label
from .path import Piece

__all__ = ["Line", "Ranging", "parameter_moves"]


_OF_ONE_BASIS = "degenerate: of one basis"
"""What is said of ranges that are others by another basis of the same solution."""


@final
@dataclass(slots=True)
class Line:
    """A row of the table."""

    what: str
    name: str
    side: str
    value: float
    slope: float
    low: float
    high: float
    objective_low: float
    objective_high: float
    at_low: str
    at_high: str
    owner: Any = None
    """Of a side: kind, number and row of its constraint; of a parameter, its identifier."""


@final
class Ranging:
    """Ranges at a solution.

    Parameters
    ----------
    derivative : of a linear or convex quadratic program
    """

    def __init__(self, derivative: Derivative) -> None:
        self._derivative = derivative
        self.lowering, self._layout = derivative.lowering, derivative.point.layout
        self._sign = derivative.lowering.sign
        self.basic = BasicPoint(derivative.point)
        self._objective = self._sign * self.basic.objective
        self.owners = Owners(derivative.store, derivative.lowering)
        self.upper = self._layout.sign < 0.0

    def along(self, parameter: int) -> Piece:
        """The piece of the path of a parameter, by its number, at the present value."""
        derivative, basic = self._derivative, self.basic
        which = np.array([parameter])
        dq, dg, linear = parameter_moves(derivative, which)
        now = float(derivative.theta[parameter])
        if not linear[0]:
            assert self.lowering.parameters is not None
            name = derivative.store.name_of(int(self.lowering.parameters.ids[parameter]))
            raise Unsupported(
                f"{name} multiplies variables, or stands in a product with itself: the solution moves along a curve "
                "then, which has no exact pieces. model.predict(changes) tells where it goes for small changes."
            )
        span = basic.spans(dq, dg)
        slope = float((dq.T @ basic.x - dg.T @ basic.y + self._fixed_slopes(which))[0])
        bend = float(((dq * span.dx).sum(axis=0) - (dg * span.dy).sum(axis=0))[0])
        steps = [float(span.low[0]), float(span.high[0])]
        return Piece(
            now + steps[0],
            now + steps[1],
            now,
            self.values(basic.x),
            self.values(span.dx[:, 0]),
            self.duals(basic.y),
            self.duals(span.dy[:, 0]),
            self._objective,
            self._sign * slope,
            self._sign * bend,
            self.row_name(int(span.at_high[0])),
        )

    def values(self, x: FloatArray) -> FloatArray:
        """Of the user's variables that are none of the parameters, from those of the columns."""
        columns = self._columns()[1]
        return x[columns]

    def duals(self, y: FloatArray) -> FloatArray:
        """Of the user's constraints, kind after kind."""
        store, lowering, sided = self._derivative.store, self.lowering, self._derivative.point.sided(y)
        kinds = [kind for kind in store.kinds() if kind != PARAMETERS]
        return np.concatenate([np.zeros(0), *(duals_up(lowering, kind, *every(store, kind), sided) for kind in kinds)])

    def names(self) -> tuple[list[str], list[str]]:
        """Of what `values` and `duals` give."""
        store = self._derivative.store
        rows: list[str] = []
        for kind in store.kinds():
            if kind == PARAMETERS:
                continue
            numbers, dims = every(store, kind)
            for index, dim in zip(store.indices(kind, numbers), dims.tolist(), strict=True):
                rows += [label(store, index, k) for k in range(dim)]
        return [store.name_of(int(i)) for i in self._columns()[0]], rows

    def _columns(self) -> tuple[IntArray, IntArray]:
        """Identifiers and columns of the user's variables that are none of the parameters."""
        store = self._derivative.store
        ids = store.variable_ids()
        columns = self.lowering.column_of(ids, store.base)
        return ids[columns >= 0], columns[columns >= 0]

    # ------------------------------------------------------------------ the table
    def table(self) -> Any:
        """All ranges, as a DataFrame: see `Model.ranges`."""
        lines = [*self.sides(), *self.costs(), *self.parameters()]
        names = list(Line.__dataclass_fields__)[:-1]
        note = _OF_ONE_BASIS if self.basic.is_degenerate else ""
        return frame({name: [getattr(line, name) for line in lines] for name in names} | {"note": [note] * len(lines)})

    def sides(self) -> Iterator[Line]:
        """Right-hand sides of rows and bounds of variables, as users wrote them."""
        basic, slots = self.basic, self._layout.slot
        mine = [
            i for i, upper in enumerate(self.upper.tolist()) if self.owners.is_plain(int(slots[i]), upper=bool(upper))
        ]
        for part in _parts(np.array(mine, np.int64), basic.block):
            dg = np.zeros((len(basic.y), len(part)))
            dg[part, np.arange(len(part))] = np.where(self.upper[part], 1.0, -1.0)
            span = basic.spans(np.zeros((len(basic.x), len(part))), dg)
            slopes, bends = -dg.T @ basic.y, -(dg * span.dy).sum(axis=0)
            for k, i in enumerate(part.tolist()):
                slot, upper = int(slots[i]), bool(self.upper[i])
                what = "right-hand side" if slot < self.lowering.form.m else "bound"
                side = "equal" if not basic.inequality[i] else "upper" if upper else "lower"
                value, name = self.owners.value(slot, upper=upper), self.owners.name(slot, upper=upper)
                line = self._line(what, name, side, value, slopes[k], bends[k], span, k)
                line.owner = self.owners.key(slot, upper=upper)
                yield line

    def costs(self) -> Iterator[Line]:
        """Linear costs of the user's variables."""
        derivative, basic = self._derivative, self.basic
        ids, columns = self._columns()
        for part in _parts(np.arange(len(ids)), basic.block):
            at = columns[part]
            dq = np.zeros((len(basic.x), len(part)))
            dq[at, np.arange(len(part))] = self._sign
            span = basic.spans(dq, np.zeros((len(basic.y), len(part))))
            slopes, bends = self._sign * basic.x[at], (dq * span.dx).sum(axis=0)
            costs = self._sign * basic.q[at]
            for k, identifier in enumerate(ids[part].tolist()):
                name = derivative.store.name_of(identifier)
                yield self._line("cost", name, "", costs[k], slopes[k], bends[k], span, k)

    def parameters(self) -> Iterator[Line]:
        """Parameters that stand in right-hand sides and costs alone; of others no range is exact."""
        derivative, basic = self._derivative, self.basic
        parameters = self.lowering.parameters
        if parameters is None:
            return
        for part in _parts(np.arange(len(parameters.ids)), basic.block):
            dq, dg, linear = parameter_moves(derivative, part)
            span = basic.spans(dq, dg)
            slopes = dq.T @ basic.x - dg.T @ basic.y + self._fixed_slopes(part)
            bends = (dq * span.dx).sum(axis=0) - (dg * span.dy).sum(axis=0)
            for k in np.flatnonzero(linear).tolist():
                name = derivative.store.name_of(int(parameters.ids[part[k]]))
                value = float(parameters.values[part[k]])
                line = self._line("parameter", name, "", value, slopes[k], bends[k], span, k)
                line.owner = int(parameters.ids[part[k]])
                yield line

    def _fixed_slopes(self, part: IntArray) -> FloatArray:
        """What parameters add to the objective by themselves, as constants."""
        derivative, moving = self._derivative, self.lowering.moving
        if moving is None:
            return np.zeros(len(part))
        moves = moving.map.push(derivative.theta, _units(part, len(derivative.theta)))
        constants: FloatArray = moves[:, moving.slices[2]].sum(axis=1)
        return constants

    def _line(
        self, what: str, name: str, side: str, value: float, slope: float, bend: float, span: Span, k: int
    ) -> Line:
        steps = float(span.low[k]), float(span.high[k])
        at_low, at_high = (
            "the active rows cannot follow" if span.stuck[k] else self.row_name(int(row))
            for row in (span.at_low[k], span.at_high[k])
        )
        low, high = (self._objective + self._sign * _quadratic(slope, bend, t) for t in steps)
        slope = self._sign * slope + 0.0  # no negative zero
        return Line(what, name, side, value, slope, value + steps[0], value + steps[1], low, high, at_low, at_high)

    def row_name(self, row: int) -> str:
        """Which row enters or leaves the active ones, in words; "" of none."""
        if row < 0:
            return ""
        name = self.owners.name(int(self._layout.slot[row]), upper=bool(self.upper[row]))
        return f"{name} {'leaves' if self.basic.active[row] else 'enters'}"


def parameter_moves(derivative: Derivative, which: IntArray) -> tuple[FloatArray, FloatArray, Any]:
    """Moves of costs (n, K) and constants (m, K) with some parameters, and which move nothing else, and linearly."""
    lowering, layout, point = derivative.lowering, derivative.point.layout, derivative.point
    K, n = len(which), len(point.x)
    if lowering.moving is None:
        return np.zeros((n, K)), np.zeros((layout.m, K)), np.ones(K, bool)
    units = _units(which, len(derivative.theta))
    moves = lowering.moving.map.push(derivative.theta, units)
    slices = lowering.moving.slices
    linear = ~np.any([moves[:, part].any(axis=1) for part in (slices[0], slices[3], slices[5])], axis=0)
    far = lowering.moving.map
    for k in np.flatnonzero(linear):  # a power of one parameter
        moved = far.push(derivative.theta + units[k], units[[k]])
        linear[k] = np.allclose(moved, moves[[k]], rtol=1e-12, atol=0.0)
    primal, rows, _ = lowering.moving.derivative(lowering.form).right_hand_sides(point.x, point.y, moves)
    return -primal.T, layout.signed(rows.T), linear


def _units(which: IntArray, count: int) -> FloatArray:
    units = np.zeros((len(which), count))
    units[np.arange(len(which)), which] = 1.0
    return units


def _parts(items: IntArray, size: int) -> Iterator[IntArray]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _quadratic(slope: float, bend: float, t: float) -> float:
    """``slope t + ½ bend t²``, at infinity too."""
    if np.isfinite(t):
        return slope * t + 0.5 * bend * t * t
    return bend * np.inf if bend else slope * t if slope else 0.0
