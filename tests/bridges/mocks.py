"""A model that takes whatever kinds it is told to, keeps what is set, and answers pulls with preset numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

import optangent as ot
from optangent.modelkit.attributes import On, Way
from optangent.modelkit.functions import Function, VectorOfVariables
from optangent.modelkit.indices import ConstraintIndex, ConstraintIndices, Kind
from optangent.modelkit.rows import Rows
from optangent.modelkit.sets import Set, VectorSet
from optangent.modelkit.store import Store


class Recorder(Store):
    """The inner model of the bridge tests.

    Parameters
    ----------
    kinds : native kinds of constraint
    made : types of sets in which variables can be made
    free : whether variables can be made without a set
    objectives : native types of objective
    """

    def __init__(
        self,
        kinds: Iterable[Kind],
        made: Iterable[type[Set]] = (),
        free: bool = True,
        objectives: Iterable[type[Function]] = (ot.ScalarAffineFunction, ot.ScalarQuadraticFunction),
        seed: int = 0,
    ) -> None:
        self.native = set(kinds)
        self.made = set(made)
        self.free = free
        self.objectives = set(objectives)
        self.pushed: dict[Any, list[tuple[Any, Any]]] = {}
        self.changes = 0
        self._rng = np.random.default_rng(seed)
        self._preset: dict[Any, np.ndarray] = {}
        super().__init__()

    def supports_constraint(self, function_type: type[Function], set_type: type[Set]) -> bool:
        """The kinds it was told."""
        return (function_type, set_type) in self.native

    def supports_objective(self, function_type: type[Function]) -> bool:
        """The types it was told."""
        return function_type in self.objectives

    def supports_free_variables(self) -> bool:
        """As it was told."""
        return self.free

    def supports_constrained_variables(self, set_type: type[Set]) -> bool:
        """As it was told."""
        return set_type in self.made

    def add_variables(self, count: int) -> VectorOfVariables:
        """Refused where there are no free ones."""
        assert self.free, "free variables were added to a model that takes none"
        return super().add_variables(count)

    def add_constrained_variables(self, set: VectorSet) -> tuple[VectorOfVariables, ConstraintIndex]:
        """Variables and a constraint."""
        assert type(set) in self.made
        v = Store.add_variables(self, set.dimension)
        return v, self.add_constraint(v, set)

    def add_block(self, block: Any) -> ConstraintIndices:
        """Only native kinds."""
        made = block.function_type is VectorOfVariables and block.sets.type in self.made
        assert block.kind in self.native or made, f"{block.kind} is not native"
        return super().add_block(block)

    def optimize(self) -> None:
        """Nothing to do: results are preset."""

    def modify(self, target: Any, change: Any) -> None:
        """Count the changes in place."""
        self.changes += 1
        super().modify(target, change)

    def set(self, attribute: ot.Attribute, *index_and_value: Any) -> None:
        """Keep what travels down."""
        *index, value = index_and_value
        inputs = attribute.way is not None or isinstance(
            attribute, (ot.ReverseVariablePrimal, ot.ForwardObjectiveFunction, ot.VariablePrimalStart)
        )
        if inputs:
            self.pushed.setdefault(attribute, []).append((index[0] if index else None, value))
        else:
            super().set(attribute, *index_and_value)

    def get(self, attribute: Any, index: Any = None) -> Any:
        """Preset random numbers for results."""
        if isinstance(attribute, (ot.PrimalStatus, ot.DualStatus)):
            return ot.ResultStatusCode.FEASIBLE_POINT
        if not attribute.is_result or attribute.on not in (On.VARIABLE, On.CONSTRAINT):
            return super().get(attribute, index)
        if attribute.on == On.VARIABLE:
            return np.array([self._number((attribute, i), ()) for i in index.ids])
        widths = {Way.GRADIENT: (2,), Way.SET_GRADIENT: (1 + len(index.kind[1].fields),)}
        tail = widths.get(attribute.way, ())
        parts = []
        for one in index:
            m = super().get(ot.ConstraintSet(), one).dimension
            parts.append(self._number((attribute, one), (m, *tail)))
        return np.concatenate(parts) if parts else np.zeros((0, *tail))

    def _number(self, key: Any, shape: tuple[int, ...]) -> np.ndarray:
        if key not in self._preset:
            self._preset[key] = np.asarray(self._rng.standard_normal(shape))
        return self._preset[key]

    def rows_pushed(self, attribute: Any) -> list[tuple[ConstraintIndex, Any]]:
        """What was pushed, constraint by constraint (of several directions: the rows of each, stacked)."""
        out = []
        for indices, value in self.pushed.get(attribute, []):
            dims = [super(Recorder, self).get(ot.ConstraintSet(), i).dimension for i in indices]
            total, at = sum(dims), 0
            for one, m in zip(indices, dims, strict=True):
                if isinstance(value, Rows):
                    directions = np.arange(value.m // max(total, 1)) * total
                    part: Any = value.take((directions[:, None] + np.arange(at, at + m)).ravel())
                else:
                    part = value[at : at + m]
                out.append((one, part))
                at += m
        return out

    def content(self) -> list[tuple[str, str, str]]:
        """All constraints in comparable form, sorted: kind, function in variable numbers, set."""
        found = []
        for kind in self.kinds():
            for one in super().get(ot.ListOfConstraintIndices(*kind)):
                rows = super().get(ot.ConstraintFunction(), one).rows.canonical()
                chosen = super().get(ot.ConstraintSet(), one)
                found.append(comparable(kind, rows, chosen, self.base))
        return sorted(found)


def comparable(kind: Kind, rows: Rows, chosen: Set, base: int) -> tuple[str, str, str]:
    """A constraint in words, its numbers to 10 digits."""
    rows = rows.canonical()
    numbers = [np.round(a, 10) + 0.0 for a in (rows.coef, rows.qcoef, rows.constant, chosen.numbers)]
    names = [rows.row, rows.var - base, rows.qrow, rows.qvar1 - base, rows.qvar2 - base]
    words = [np.asarray(a).tolist() for a in (*names, *numbers[:3])]
    return f"{kind[0].__name__} in {kind[1].__name__}{chosen.shape}", str(words), str(numbers[3].tolist())
