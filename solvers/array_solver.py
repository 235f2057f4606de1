"""Solvers that take their model as arrays, and whose answers are judged here: OSQP, Clarabel and their like."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.errors import InvalidData
from ..modelkit.form import Form, Journal
from ..modelkit.form.slot_rows import SlotRows
from .contract import Solver, Start
from .judging.accuracy import judged
from .judging.reconsidering import CLAIMS, DOUBTFUL, is_settled, reconsidered
from .judging.wordings import Oddness
from .matrices import row_scale
from .result import Result, Status

__all__ = ["ArraySolver", "Candidate", "closed_sides", "known"]

Candidate = tuple[FloatArray, FloatArray] | None
"""x and duals of what is probably the solution."""
REFUSALS = (TypeError, ValueError, KeyError, OverflowError, ImportError)
"""What libraries raise for an option that they do not take."""


class ArraySolver(Solver):
    """A wrapper whose claims that there is no solution leave with a proof or not at all.

    A solver for small quadratic programs may have a method ``candidates(P, q, F, g, zeros)``, for layers. It takes many
    programs ``min ½ xᵀPx + qᵀx`` with rows ``F x + g`` in zero cones, the first `zeros` of them, and in nonnegative
    ones, as stacks (B, n, n), (B, n), (B, m, n) and (B, m) in C order; P and F have length 1 where all programs have
    the same. It returns a `Candidate` for each, as fast as it can: the caller checks them and runs the form if in
    doubt.

    Attributes
    ----------
    is_plain : whether to run the library as it comes, without our defaults and scaling
    """

    is_plain = False

    def __init__(self, **options: Any) -> None:
        self._oddness: Oddness | None = None  # of the units of what is loaded, once it is known
        super().__init__(**options)

    # ------------------------------------------------------------------ what a wrapper writes
    @abstractmethod
    def load_arrays(self, form: Form) -> None:
        """Hand a form to the library."""

    def update_arrays(self, form: Form, journal: Journal) -> bool:
        """Change what is loaded in place; if False, it is loaded anew."""
        return False

    def try_option(self, name: str, value: Any) -> None:
        """Have the library look at one of its options: it raises `REFUSALS` if it does not take the value."""

    # ------------------------------------------------------------------ loading
    @final
    def load(self, form: Form) -> None:
        """Hand a form to the library; what was loaded before is gone."""
        self._oddness = None
        self.load_arrays(form)

    @final
    def update(self, form: Form, journal: Journal) -> bool:
        """Change what is loaded to be `form`, which differs by `journal`; if False, it is loaded anew."""
        if journal.new_columns or journal.new_rows or journal.has_cones or journal.has_row_curvature:
            return False
        if journal.has_entries or not journal.keeps_rows or journal.has_curvature or journal.cone_coefficients:
            self._oddness = None
        return self.update_arrays(form, journal)

    # ------------------------------------------------------------------ judging
    def reconsidered(self, form: Form, result: Result) -> Result:
        """What the answer of a run is worth: a claim without proof is looked into, and a failure, too.

        So is an optimum in odd units, in which a library's tolerances mean little.
        """
        if result.status is Status.OPTIMAL:
            if self._oddness is None:
                self._oddness = Oddness(SlotRows(form))
            if not self._oddness.with_costs(form):
                return result
            rows, is_doubtful = SlotRows(form), True
        else:
            rows = SlotRows(form)
            result = judged(rows, result)
            is_doubtful = result.status in (*CLAIMS, *DOUBTFUL)
        return reconsidered(self, rows, result) if is_doubtful and not is_settled(rows, result) else result

    @property
    def time_limit(self) -> float | None:
        """Seconds that the user allows, if any."""
        limit: float | None = self.common.get(attr.TimeLimitSec)
        return limit

    @property
    def limits_iterations(self) -> bool:
        """Whether the user chose how many iterations there may be."""
        return any("iter" in name for name in self.options)

    @final
    def run_again(self, form: Form, seconds: float | None, *, plain: bool) -> Result:
        """The answer of another instance of the library, within so many seconds; plain: as the library comes."""
        twin = self.another()
        if seconds is not None:
            twin.set_option(attr.TimeLimitSec(), seconds)
        twin.is_plain = plain
        twin.load(form)
        return twin.run(form)

    # ------------------------------------------------------------------ options
    def option_changed(self, name: str, value: Any) -> None:
        """Have the library look at a value."""
        try:
            self.try_option(name, value)
        except REFUSALS as error:
            raise self._refusal(name, value, error) from None

    def _all_options(self, defaults: Mapping[str, Any]) -> dict[str, Any]:
        """The options of a run: our defaults, but for a plain one, and the user's."""
        return ({} if self.is_plain else dict(defaults)) | self.effective_options()

    def _row_scale(self, A: sp.csc_matrix, starts: IntArray | None = None) -> FloatArray:
        """See `row_scale`; ones for a plain run."""
        return np.ones(A.shape[0]) if self.is_plain else row_scale(A, starts)

    def _write_options(self, settings: Any, options: Mapping[str, Any]) -> Any:
        """Options as attributes of a library's settings, which are returned."""
        for name, value in options.items():
            try:
                setattr(settings, name, value)
            except REFUSALS as error:
                raise self._refusal(name, value, error) from None
        return settings

    def _refusal(self, name: str, value: Any, error: Exception) -> InvalidData:
        return InvalidData(f"{self.name} refuses {value!r} for its option {name!r}: {error}")


def closed_sides(form: Form) -> tuple[FloatArray, FloatArray]:
    """Lower and upper sides of rows and columns, (m + n,); where they cross, by rounding, both are the lower one."""
    lower, upper = np.concatenate([form.row_lower, form.lower]), np.concatenate([form.row_upper, form.upper])
    return lower, np.maximum(lower, upper)


def known(start: Start | None) -> tuple[FloatArray | None, FloatArray | None]:
    """Where to start: x and duals over the slots, zero where nothing is said; None for either of which nothing is."""
    if start is None:
        return None, None
    x, dual = (None if v is None or np.isnan(v).all() else np.where(np.isnan(v), 0.0, v) for v in (start.x, start.dual))
    return x, dual
