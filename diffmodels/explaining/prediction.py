r"""Where a solution goes when data change, without a solve, and how far that can be trusted.

The prediction is the first-order one, :math:`x + x'` and :math:`y + y'`, and for the optimal value
:math:`f + f' + \tfrac12 f''`, which the first two determine. For changes of right-hand sides and costs of a linear or
convex quadratic program it is exact up to the first change of the active rows, a part of the way that a ratio test
tells (`basic_point`). With cones the active rows are the axes of the projection of y - s (docs/design.md, section 6),
and that part is where the predicted y - s gets to a kink of one. Where coefficients change, or rows are curved, the
error is estimated by what the optimality conditions of the changed data leave at the predicted point: one more solve
with the old system takes it to the size of the step that a Newton method would make next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from ...bridges.lowering.travel import duals_up
from ...modelkit import attributes as attr
from ...modelkit.arrays import FloatArray
from ...modelkit.errors import InvalidData
from ...modelkit.form import Form
from ...modelkit.functions import VariableIndex, VectorOfVariables
from ...modelkit.indices import ConstraintIndex, ConstraintIndices
from ...modelkit.numeric import real_number
from ...modelkit.sets import EqualTo, GreaterThan, LessThan, OperatorGraph
from ...modelkit.store.describing import described
from ...modelkit.store.parameters import PARAMETERS, parameter_constraint
from ...modelkit.store.store import Store
from ..cone_rows import ConeRows
from ..derivative import Derivative
from ..inputs import Tangents
from ..outcome import every
from .frames import frame
from .owners import Owners, label
from .ranges import Ranging

__all__ = ["Changes", "Prediction", "checked_changes", "predicted"]

Changes = list[tuple[ConstraintIndex, float, float]]
"""Constraints of one number each, that of parameters among them: from what it changes to what."""

_ROUNDING = 1e-9
"""Relative error up to which a prediction is exact."""


@final
@dataclass(frozen=True, eq=False)
class Prediction:
    """A predicted solution.

    Attributes
    ----------
    objective : the optimal value
    validity : the part of the change after which other constraints become active; 1 and more: the prediction holds
        Of models with cones and quadratic constraints it is itself of first order: where the predicted solution gets to
        a kink of a cone, an eigenvalue of a matrix that becomes zero say. Up to there solutions move along a curve, of
        whose bend `error` tells.
    event : which constraint then enters or leaves, or whose cone has the kink; "" if there is none
    error : estimate of the largest error of a value, relative to the largest value
    """

    objective: float
    validity: float
    event: str
    error: float
    _values: dict[int, float]
    _moves: dict[int, float]
    _duals: dict[ConstraintIndex, FloatArray]
    _names: dict[int, str]

    def value(self, x: Any) -> Any:
        """Predicted value of a variable, or of an array of them."""
        if isinstance(x, VariableIndex):
            return self._values[x.value]
        if isinstance(x, VectorOfVariables):
            return np.array([self._values[i] for i in x.ids.tolist()])
        return np.vectorize(self._values.__getitem__, otypes=[np.float64])(x.ids)

    def dual(self, constraint: ConstraintIndex) -> Any:
        """Predicted dual of a constraint."""
        found = self._duals[constraint]
        return found if constraint.kind[1].is_vector else float(found[0])

    @property
    def trusted(self) -> bool:
        """Whether the active constraints stay and the estimated error is below a thousandth."""
        return not self.validity < 1.0 and self.error <= 1e-3

    def to_frame(self) -> Any:
        """A pandas ``DataFrame`` of the variables: value before, predicted value, and the difference."""
        ids = list(self._values)
        after, moved = (np.array([part[i] for i in ids]) for part in (self._values, self._moves))
        return frame({"before": after - moved, "predicted": after, "change": moved}, [self._names[i] for i in ids])

    def __repr__(self) -> str:
        if self.validity < 1.0:
            words = f"holds for {self.validity:.3g} of the change, until {self.event}"
        elif self.error:
            words = f"estimated error {self.error:.1e}"
        else:
            words = "exact: the active constraints stay the same"
        return f"Prediction(objective {self.objective:.6g}; {words})"


def checked_changes(store: Store, changes: Any) -> Changes:
    """From parameters and constraints to new numbers; raises unless each has one number."""
    found: Changes = []
    for key, value in dict(changes).items():
        if isinstance(key, ConstraintIndex):
            index = key
            store.check_index(index)
            if index.kind[1] not in (LessThan, GreaterThan, EqualTo):
                raise InvalidData(
                    f"{described(store, index)} has not one right-hand side; predictions are for changes of parameters "
                    "and of constraints in LessThan, GreaterThan or EqualTo."
                )
        else:
            index = parameter_constraint(store, key)
        now = float(store.get(attr.ConstraintSet(), index).row()[0])
        new = real_number(value, f"The new value of {described(store, index)}")
        if not np.isfinite(new):
            raise InvalidData(f"The new value of {described(store, index)} is {new}; a prediction needs a finite one.")
        found.append((index, now, new))
    if not found:
        raise InvalidData("There is nothing to predict: give a mapping from parameters or constraints to new numbers.")
    return found


def tangents_of(changes: Changes) -> Tangents:
    """The direction from the present numbers to the new ones."""
    sets = []
    for index, now, new in changes:
        indices = ConstraintIndices(index.kind, np.array([index.value], np.int64))
        sets.append((indices, np.array([[[0.0], [new - now]]])))
    return None, [], sets


def predicted(derivative: Derivative, changes: Changes, ranging: Ranging | None, after: Form) -> Prediction:
    """The solution of the changed model.

    Parameters
    ----------
    derivative : at the present solution
    changes : see `checked_changes`
    ranging : of linear and convex quadratic programs, else None
    after : the form with the new numbers
    """
    point, lowering, store = derivative.point, derivative.lowering, derivative.store
    primal, rows, slope = derivative.right_hand_sides(tangents_of(changes))
    validity, event = float("nan"), ""
    if ranging is None:
        x, y = point.x, point.solution.y
        dx, dy = (part[:, 0] for part in point.solution.solve(primal, rows))
        validity, event = _kink_ahead(derivative, x, y, dx, dy, rows[:, 0])
    else:
        basic = ranging.basic
        x, y, span = basic.x, basic.y, basic.spans(-primal, rows)
        dx, dy, validity = span.dx[:, 0], span.dy[:, 0], float(span.high[0])
        event = "the active constraints cannot follow" if span.stuck[0] else ranging.row_name(int(span.at_high[0]))
    bend = -float(primal[:, 0] @ dx + rows[:, 0] @ dy)
    objective = 0.5 * x @ (point.rows.P @ x) + point.rows.q @ x + point.rows.r + slope + 0.5 * bend
    error = _error(derivative, x + dx, y + dy, after)
    if validity < 1.0:
        error = max(error, (1.0 - validity) * _relative(dx, x + dx))
    columns = lowering.column_of(store.variable_ids(), store.base)
    values, moves = np.zeros((2, len(columns)))
    mine = columns >= 0
    values[mine], moves[mine] = (x + dx)[columns[mine]], dx[columns[mine]]
    ids = store.variable_ids()
    values[~mine] = derivative.values[ids[~mine] - store.base]
    new = {index.value: (now, value) for index, now, value in changes if index.kind == PARAMETERS}
    for k in np.flatnonzero(~mine).tolist():
        now, value = new.get(int(ids[k]), (values[k], values[k]))
        values[k], moves[k] = value, value - now
    names = {i: store.name_of(i) for i in ids.tolist()}
    duals: dict[ConstraintIndex, FloatArray] = {}
    for kind in store.kinds():
        if kind == PARAMETERS:
            continue
        numbers, dims = every(store, kind)
        found = duals_up(lowering, kind, numbers, dims, point.sided(y + dy))
        duals.update(zip(store.indices(kind, numbers), np.split(found, np.cumsum(dims)[:-1]), strict=True))
    keyed, moved = (dict(zip(ids.tolist(), part.tolist(), strict=True)) for part in (values, moves))
    return Prediction(lowering.sign * float(objective), validity, event, error, keyed, moved, duals, names)


def _kink_ahead(
    derivative: Derivative, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, rows: FloatArray
) -> tuple[float, str]:
    """The part of the change at which the predicted y - s gets to a kink of a projection, and of whose, in words."""
    point = derivative.point
    if any(kind[1] is OperatorGraph for kind in point.rows.parts):
        return float("nan"), ""  # operators bend all the way, and have no projections
    F = point.rows.F
    slack = np.asarray(F @ x + point.rows.g)
    if point.rows.curvature is not None:
        slack, F = slack + point.rows.curvature.values(x), F + point.rows.curvature.jacobian(x)
    v, along = y - slack, dy - np.asarray(F @ dx) - rows
    step, cone = ConeRows(point.rows).reach(v, along)
    if not len(cone):
        return step, ""
    row, layout = int(cone[0]), point.layout
    owners = Owners(derivative.store, derivative.lowering)
    slot, upper = int(layout.slot[row]), bool(layout.sign[row] < 0.0)
    if len(cone) == 1:
        return step, f"{owners.name(slot, upper=upper)} {'leaves' if v[row] > 0.0 else 'enters'}"
    index = owners.index(slot, upper=upper)
    name = "a cone of the form" if index is None else label(derivative.store, index)
    return step, f"{name} gets to a kink of its cone"


def _error(derivative: Derivative, x: FloatArray, y: FloatArray, after: Form) -> float:
    """How far a Newton step at the changed data would go, by the old system, relative to x."""
    point = derivative.point
    if not point.layout.fits(after) or any(cones.type is OperatorGraph for cones in after.cones):
        return float("nan")
    rows = point.layout.matrices(after)
    s, F = np.asarray(rows.F @ x + rows.g), rows.F
    if rows.curvature is not None:
        s, F = s + rows.curvature.values(x), F + rows.curvature.jacobian(x)
    inside = ConeRows(rows).project_dual(y - s)
    r1 = rows.P @ x + rows.q - F.T @ inside
    step, _ = point.solution.solve(-r1[:, None], (y - inside)[:, None])
    error = _relative(step[:, 0], x)
    return error if error > _ROUNDING else 0.0


def _relative(move: FloatArray, x: FloatArray) -> float:
    size = float(np.abs(x).max(initial=0.0))
    return float(np.abs(move).max(initial=0.0)) / size if size else float(np.abs(move).any())
