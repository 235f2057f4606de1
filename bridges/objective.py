"""The objective behind bridges: as it is, as a wider type, or as a row with a slack variable."""

from __future__ import annotations

from typing import final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import IntArray
from ..modelkit.block import ConstraintBlock, SetBlock
from ..modelkit.errors import (
    NonconvexObjective,
    OptangentError,
    UnsupportedAttribute,
    UnsupportedConstraint,
    UnsupportedObjective,
)
from ..modelkit.functions import (
    Function,
    ScalarAffineFunction,
    ScalarQuadraticFunction,
    VariableIndex,
    VectorOfVariables,
)
from ..modelkit.parameters import of_ray
from ..modelkit.rows import Rows
from ..modelkit.sets import GreaterThan, LessThan
from ..modelkit.store import Store
from .base import SCALARS
from .bundle import Bundle
from .inserted import Inserted
from .leaf import is_plain
from .lifting import Lifter

__all__ = ["Objective"]

_FIRST: IntArray = np.zeros(1, np.int64)
_NOTHING = ScalarAffineFunction()


@final
class Objective:
    """Brings the objective of a bridge layer to the inner model.

    Where that takes linear objectives only, a quadratic f becomes ``min t, f(x) - t <= 0`` (``max t, f(x) - t >= 0``)
    with a free variable t. The row, whose dual is -1 (1), reaches the inner model by the bridges for its kind, so f
    must be convex (concave). Function and sense change one after the other, and a row is right for both together: a
    change takes the row away, and `settle`, before the inner model is solved, makes the next.

    Tangents and gradients of the objective do not travel through the row, as its coefficients stand in the factor of
    a matrix (see `catalogue.quadratic`). Nor need they: the diff models take quadratic objectives as they are.

    Parameters
    ----------
    lifter : of the layer
    store : the model as written
    inserted : how functions look below
    """

    def __init__(self, lifter: Lifter, store: Store, inserted: Inserted) -> None:
        self._lifter = lifter
        self._inserted = inserted
        self._inner = lifter.inner
        self._store = store
        self.forget()

    def forget(self) -> None:
        """The inner model was emptied."""
        self._row: tuple[Rows, Bundle] | None = None  # t, and the row
        self._due = False

    # ------------------------------------------------------------------ what is taken
    def taken_as(self, function_type: type[Function]) -> type[Function] | None:
        """The narrowest type at least as wide that the inner model takes."""
        wider = SCALARS[function_type.degree :] if function_type in SCALARS else (function_type,)
        return next((t for t in wider if self._inner.supports_objective(t)), None)

    def takes(self, function_type: type[Function]) -> bool:
        """Whether the type, a wider one or its row reaches the inner model."""
        if self.taken_as(function_type) is not None:
            return True
        rows = [(function_type, side) for side in (LessThan, GreaterThan)]
        is_curved = function_type is ScalarQuadraticFunction and self._inner.supports_objective(ScalarAffineFunction)
        return is_curved and all(self._lifter.reaches(kind) for kind in rows)

    @property
    def is_row(self) -> bool:
        """Whether a row stands for the objective, or will when the inner model is solved."""
        return self._due or self._row is not None

    # ------------------------------------------------------------------ changes
    def set(self, function: Function) -> None:
        """Another function."""
        given, rows = self._inserted.objective(function)
        if given is VariableIndex and not is_plain(rows):
            given = ScalarAffineFunction
        if not self.takes(given):
            raise UnsupportedObjective(f"{self._lifter.name} takes no {given.__name__} as objective.")
        found = self.taken_as(given)
        self._inner.set(attr.ObjectiveFunction(), _NOTHING if found is None else found.from_rows(rows))
        self._clear(due=found is None)

    def sense_changed(self) -> None:
        """Another sense, or no objective, in the store and below."""
        if self.is_row:
            due = self._store.objective_block is not None
            if due:
                self._inner.set(attr.ObjectiveFunction(), _NOTHING)
            self._clear(due=due)

    def _clear(self, *, due: bool) -> None:
        """Take the row away."""
        if self._row is not None:
            slack, row = self._row
            self._lifter.delete(row, _FIRST)
            self._remove(slack)
        self._row, self._due = None, due

    def _remove(self, slack: Rows) -> None:
        self._inner.delete(list(VectorOfVariables.of_ids(slack.variables())))

    def settle(self) -> None:
        """Make the row if one is due, and start t where x is started."""
        if not self.is_row:
            return
        f = self._inserted.rows(self._store.get(attr.ObjectiveFunction()).rows)
        if self._row is None:
            self._row = self._made(f)
            self._due = False
        self._start(f, self._row[0])

    def _made(self, f: Rows) -> tuple[Rows, Bundle]:
        maximized = self._store.sense is attr.ObjectiveSenseCode.MAX_SENSE
        side = GreaterThan(0.0) if maximized else LessThan(0.0)
        slack = self._lifter.variables.add_free(1)
        rows = f + slack.scaled(-np.ones(1))
        try:
            row = self._lifter.add(ConstraintBlock(ScalarQuadraticFunction, rows, SetBlock.of([side])))
        except OptangentError as error:
            self._remove(slack)
            if not isinstance(error, UnsupportedConstraint):
                raise
            shape = "concave to be maximized" if maximized else "convex to be minimized"
            raise NonconvexObjective(
                f"{self._lifter.name} needs a quadratic objective that is {shape}: the symmetric matrix Q of ½xᵀQx "
                "has an eigenvalue of the wrong sign. Check the signs of the quadratic terms and the sense."
            ) from error
        self._inner.set(attr.ObjectiveFunction(), ScalarAffineFunction.from_rows(slack))
        return slack, row

    def _start(self, f: Rows, slack: Rows) -> None:
        start, ids = attr.VariablePrimalStart(), f.variables()
        if not is_plain(slack) or not self._inner.supports(start):
            return
        known = self._inner.get(start, list(VectorOfVariables.of_ids(ids)))
        if None not in known:
            at = np.array(known, np.float64)
            t = VectorOfVariables.of_ids(slack.var)
            self._inner.set(start, t, f.evaluate(lambda i: at[np.searchsorted(ids, i)]))

    # ------------------------------------------------------------------ asking
    def value(self) -> float:
        """The objective at the present result, which t equals to the solver's tolerance; of a ray, its linear part."""
        rows: Rows = self._store.get(attr.ObjectiveFunction()).rows
        if self._inner.get(attr.PrimalStatus()) == attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE:
            rows = of_ray(self._store, rows)
            rows = Rows(rows.constant, rows.row, rows.var, rows.coef)
        primal = attr.VariablePrimal()
        return float(rows.evaluate(lambda ids: self._lifter.variables.pull(primal, ids))[0])

    def check_direct(self, attribute: attr.Attribute) -> None:
        """Refuse to let a tangent or gradient of the objective travel through a row."""
        if self.is_row:
            raise UnsupportedAttribute(
                f"{attribute!r} does not travel through the row that stands for a quadratic objective in "
                f"{self._lifter.name}; the diff models take quadratic objectives as they are."
            )

    def path(self) -> list[str]:
        """How the row reaches the inner model, a line a step; nothing where the objective does by itself."""
        if not self.is_row:
            return []
        side = GreaterThan if self._store.sense is attr.ObjectiveSenseCode.MAX_SENSE else LessThan
        below = self._lifter.graph.path((ScalarQuadraticFunction, side), "    ")
        return ["ScalarQuadraticFunction as objective  by a slack variable", *below]
