"""A solver without a library: it keeps what it is told of a form, answers as told, and refuses what it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

import optangent as ot
from optangent.modelkit import sets as all_sets
from optangent.modelkit.attributes import Silent, TimeLimitSec
from optangent.modelkit.form import Abilities, Form, Journal
from optangent.modelkit.form.slot_rows import SlotRows
from optangent.solvers import Option, Result, Solver
from optangent.solvers.contract import Start

Codes, Point = ot.TerminationStatusCode, ot.ResultStatusCode
SETS = [s for s in map(vars(all_sets).get, all_sets.__all__) if isinstance(s, type) and issubclass(s, ot.VectorSet)]
CONES = frozenset(s for s in SETS if s not in (ot.SOS1, ot.SOS2, ot.Indicator))
EVERYTHING = Abilities(CONES, whole=True, semi=True, quadratic_rows=True)
PLAIN = Abilities()
"""Linear programs, and quadratic objectives."""


class Image:
    """The numbers of a form in dense arrays, kept in step by journals alone."""

    NAMES = (
        "P",
        "q",
        "r",
        "lower",
        "upper",
        "kinds",
        "binary",
        "A",
        "row_lower",
        "row_upper",
        "curved",
        "F",
        "g",
        "cones",
    )

    def __init__(self, form: Form) -> None:
        for name, value in self.read(form).items():
            setattr(self, name, value)

    @staticmethod
    def read(form: Form) -> dict[str, Any]:
        """All of a form."""
        curved = form.curvature
        terms = [] if curved is None else sorted(zip(curved.row, curved.first, curved.second, curved.coef, strict=True))
        return {
            "P": form.P.toarray(),
            "q": form.q.copy(),
            "r": form.r,
            "lower": form.lower.copy(),
            "upper": form.upper.copy(),
            "kinds": form.discreteness.copy(),
            "binary": form.binary.copy(),
            "A": form.A.toarray(),
            "row_lower": form.row_lower.copy(),
            "row_upper": form.row_upper.copy(),
            "curved": [tuple(map(float, term)) for term in terms],
            "F": form.F.toarray(),
            "g": form.g.copy(),
            "cones": [(c.type.__name__, c.sets.shapes, c.rows) for c in form.cones],
        }

    def follow(self, form: Form, journal: Journal) -> None:
        """Take over what the journal says, and nothing else."""
        now = self.read(form)
        n, m = len(getattr(self, "q")), len(getattr(self, "row_lower"))  # noqa: B009  set by name
        assert (form.n - n, form.m - m) == (journal.new_columns, journal.new_rows)
        for name in ("q", "lower", "upper", "kinds", "binary"):
            setattr(self, name, np.concatenate([getattr(self, name), now[name][n:]]))
        for name in ("row_lower", "row_upper"):
            setattr(self, name, np.concatenate([getattr(self, name), now[name][m:]]))
        for name in ("A", "F", "P"):
            old = getattr(self, name)
            wide = np.zeros((now[name].shape[0] if name != "F" else old.shape[0], form.n))
            wide[: old.shape[0], : old.shape[1]] = old
            setattr(self, name, wide)
        self.A[m:] = now["A"][m:]
        self.lower[journal.bounds], self.upper[journal.bounds] = (
            now["lower"][journal.bounds],
            now["upper"][journal.bounds],
        )
        for name in ("row_lower", "row_upper"):
            getattr(self, name)[journal.sides] = now[name][journal.sides]
        for name in ("kinds", "binary"):
            getattr(self, name)[journal.kinds] = now[name][journal.kinds]
        for row, column, value in zip(*journal.entries, strict=True):
            self.A[row, column] = value
        if journal.has_costs:
            self.q, self.r = now["q"], now["r"]
        told = {
            "P": journal.has_curvature,
            "curved": journal.has_row_curvature,
            "F": journal.has_cones or journal.cone_coefficients,
            "g": journal.has_cones or journal.cone_constants,
            "cones": journal.has_cones,
        }
        for name, changed in told.items():
            if changed:
                setattr(self, name, now[name])

    def is_of(self, form: Form) -> bool:
        """Whether these are the numbers of the form, to the last digit."""
        now = self.read(form)
        return all(
            np.array_equal(getattr(self, name), now[name]) for name in self.NAMES if name not in ("curved", "cones")
        ) and (
            self.curved,
            self.cones,
        ) == (now["curved"], now["cones"])


class Fake(Solver):
    """A solver that answers.

    Parameters
    ----------
    x : values of the columns, zeros beyond its end
    duals : the value of each dual; None for no duals; or the duals of each type of set, as the user has them
    refuses : whether it takes no journal
    abilities : what it takes; everything by default
    error : what it raises when it runs

    Attributes
    ----------
    calls : "load", "update", "run"
    image : what it was told
    model : the model before it, whose duals are given by types of sets
    """

    name = "Fake"
    abilities = EVERYTHING
    standard_options: ClassVar[dict[Any, Option]] = {TimeLimitSec: Option("time_limit"), Silent: Option("quiet")}
    reloads_for_options = False

    def __init__(
        self,
        x: Any = None,
        *,
        name: str = "Fake",
        status: Codes = Codes.OPTIMAL,
        duals: Any = 0.0,
        refuses: bool = False,
        abilities: Abilities = EVERYTHING,
        error: Exception | None = None,
    ) -> None:
        super().__init__()
        self.x, self.status, self.duals = x, status, duals
        self.name, self.abilities, self.refuses, self.error = name, abilities, refuses, error  # type: ignore[misc]
        self.calls: list[str] = []
        self.image: Image | None = None
        self.form: Form | None = None
        self.start: Start | None = None
        self.model: Any = None

    def option_names(self) -> Sequence[str]:
        """One."""
        return ["raw"]

    def load(self, form: Form) -> None:
        """Note all of it."""
        self.calls.append("load")
        self.image = Image(form)

    def update(self, form: Form, journal: Journal) -> bool:
        """Note what the journal says, or refuse it."""
        self.calls.append("update")
        if self.refuses:
            return False
        assert self.image is not None
        self.image.follow(form, journal)
        return True

    def run(self, form: Form, start: Start | None = None) -> Result:
        """Answer as told; what was loaded must be the form."""
        self.calls.append("run")
        assert self.image is not None and self.image.is_of(form)
        self.form, self.start = form, start
        if self.error is not None:
            raise self.error
        is_proof = self.status in (Codes.INFEASIBLE, Codes.DUAL_INFEASIBLE)
        kind = Point.INFEASIBILITY_CERTIFICATE if is_proof else Point.FEASIBLE_POINT
        x = None if is_proof and self.x is None else self._values(form)
        dual = None if self.duals is None else self._duals(form)
        none = Point.NO_SOLUTION
        return Result(
            self.status,
            "as told",
            none if x is None else kind,
            none if dual is None else kind,
            x,
            dual,
            seconds=0.0,
        )

    def _values(self, form: Form) -> Any:
        x = np.zeros(form.n)
        if self.x is not None:
            given = np.asarray(self.x, float)[: form.n]
            x[: len(given)] = given
        return x

    def _duals(self, form: Form) -> Any:
        if not isinstance(self.duals, dict):
            return np.where(SlotRows(form).is_held, float(self.duals), 0.0)
        y = np.zeros(form.slots.size)
        lowering = self.model.meta_solver.lowerings[0][1]
        for kind, chunks in lowering.chunks.items():
            for chunk in chunks if kind[1] in self.duals else ():
                assert chunk.stand_in.is_identity
                at = chunk.slots(form.slots)
                y[at] += np.asarray(self.duals[kind[1]])[: len(at)]
        return y
