"""The model as it was written as a form of its own: what a solver's answer is checked by, whatever the bridges made.

Where every constraint stands in the solver's form as it was written, that is this form. Elsewhere it is made of the
store once more, with all convex sets as they are; sets with gaps on functions are looked at by themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from ..bridges.lowering import Lowering
from ..bridges.lowering.reach import is_box
from ..modelkit import attributes as attr
from ..modelkit import sets as all_sets
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import NotOptimized
from ..modelkit.form import Abilities
from ..modelkit.form.point_errors import MatrixSizes
from ..modelkit.form.residuals import Residuals, dual_objective, residuals
from ..modelkit.form.slot_rows import SlotRows
from ..modelkit.functions import VariableIndex
from ..modelkit.indices import Kind
from ..modelkit.sets import Integer, Semicontinuous, Semiinteger, VectorSet, ZeroOne
from ..modelkit.sets.gaps import WITH_GAPS, distance_from_bounds
from ..modelkit.store.parameters import PARAMETERS
from ..modelkit.store.store import Store
from .outcome import Outcome, every

__all__ = ["Written"]

_VECTORS = [s for s in (getattr(all_sets, name) for name in all_sets.__all__) if isinstance(s, type)]
_EVERYTHING = Abilities(
    cones=frozenset(
        s for s in _VECTORS if issubclass(s, VectorSet) and s is not VectorSet and s not in WITH_GAPS and not is_box(s)
    ),
    whole=True,
    semi=True,
    quadratic_rows=True,
)


@final
class Written:
    """The form of a model as it was written, kept in step with it."""

    def __init__(self) -> None:
        self._lowering = Lowering(_EVERYTHING, [], leaves_out=_has_gap_by_itself)
        self._sizes: MatrixSizes | None = None

    # ------------------------------------------------------------------ what is checked
    def residuals(self, outcome: Outcome) -> Residuals:
        """Residuals of a solution or certificate."""
        rows, x, dual = self._read(outcome)
        result, store = outcome.result, outcome.store
        if result.crossed is not None and outcome.is_farkas:  # a side above the other proves it by itself
            return Residuals(np.nan, 0.0 if _gap_of_sides(outcome) > 0.0 else np.inf, np.nan)
        gaps = [kind for kind in store.kinds() if _has_gap_by_itself(kind)]
        statuses = result.primal_status, result.dual_status
        if not gaps or result.is_ray:
            if self._sizes is None or not self._sizes.fit(rows):
                self._sizes = MatrixSizes(rows)
            return residuals(rows, x, dual, *statuses, self._sizes)
        if x is None:
            return Residuals(np.nan, np.nan, np.nan)
        found = residuals(rows, x, None, statuses[0], attr.ResultStatusCode.NO_SOLUTION)
        return Residuals(max(found.primal, *(_violation(outcome, kind) for kind in gaps)), np.nan, np.nan)

    def dual_objective(self, outcome: Outcome) -> float:
        """The Lagrangian's least value, in the user's sense; of an infeasibility certificate its value."""
        if any(kind[1] in WITH_GAPS for kind in outcome.store.kinds()):
            raise NotOptimized(
                "There is no DualObjectiveValue(): models with integer variables, and others whose sets have gaps, "
                "have no duals. ObjectiveBound tells what a mixed-integer solver has proved."
            )
        outcome.require_dual(attr.DualObjectiveValue())
        if outcome.result.crossed is not None and outcome.is_farkas:
            return outcome.lowering.sign * _gap_of_sides(outcome)
        rows, x, dual = self._read(outcome)
        assert dual is not None
        return outcome.lowering.sign * dual_objective(rows, None if outcome.is_farkas else x, dual)

    # ------------------------------------------------------------------ from the solver's form to this one
    def _read(self, outcome: Outcome) -> tuple[SlotRows, FloatArray | None, FloatArray | None]:
        x, dual = outcome.point()
        if outcome.lowering.is_plain:
            return SlotRows(outcome.form), x, dual
        form, store = self._lowering.sync(outcome.store), outcome.store
        form.take_journal()
        columns, mine = self._lowering.columns.view, outcome.lowering.columns.view
        found: FloatArray | None = None
        if x is not None:
            found = np.zeros(form.n)
            there = columns >= 0
            found[columns[there]] = x[mine[there]]
        if dual is None:
            return SlotRows(form), found, None
        y = np.zeros(form.slots.size)
        for kind in store.every_kind():
            if kind == PARAMETERS or _has_gap_by_itself(kind):
                continue
            numbers, dims = every(store, kind)
            duals = outcome.duals_of(kind, numbers, dims)
            starts = np.cumsum(dims) - dims
            for chunk in self._lowering.chunks.get(kind, ()):
                places, items = self._lowering.items_in(chunk, kind, numbers)
                if len(items) and chunk.p and chunk.place.has_slots:
                    at = chunk.slots(form.slots, chunk.rows_of(items))
                    y[at] += duals[(starts[places][:, None] + np.arange(chunk.p)).ravel()]
        return SlotRows(form), found, y


def _gap_of_sides(outcome: Outcome) -> float:
    """By how much a lower side is above the upper one of its slot."""
    rows, at = SlotRows(outcome.form), outcome.result.crossed
    return float(rows.lower[at] - rows.upper[at])


def _has_gap_by_itself(kind: Kind) -> bool:
    """Whether constraints of a kind are no columns' discreteness, but functions in sets with gaps."""
    return kind[1] in WITH_GAPS and (kind[0] is not VariableIndex or kind[1].is_vector)


def _violation(outcome: Outcome, kind: Kind) -> float:
    """How far functions lie outside of sets with gaps, relative to their sizes."""
    store: Store = outcome.store
    numbers, dims = every(store, kind)
    value: Callable[[IntArray], FloatArray] = outcome.value_of
    values = np.asarray(store.evaluate(store.indices(kind, numbers), value))
    if not np.isfinite(values).all():
        return np.inf
    sets = store.block(kind).snapshot()[0].sets
    if kind[1].is_vector:
        points = np.split(values, np.cumsum(dims)[:-1])
        pairs: list[tuple[Any, FloatArray]] = [(sets.set(item), point) for item, point in enumerate(points)]
        return max((s.violation(p) / (1.0 + float(np.abs(p).max(initial=0.0))) for s, p in pairs), default=0.0)
    if kind[1] is ZeroOne:
        return distance_from_bounds(values, *np.clip([np.round(values)] * 2, 0.0, 1.0))
    whole = np.round(values) if kind[1] in (Integer, Semiinteger) else values
    if kind[1] in (Semicontinuous, Semiinteger):
        inside = np.clip(whole, sets.numbers[:, 0], sets.numbers[:, 1])
        whole = np.where(np.abs(values) <= np.abs(values - inside), 0.0, inside)
    return distance_from_bounds(values, whole, whole)
