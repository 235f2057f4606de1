"""Why a model has no solution: an irreducible conflict among its constraints, bounds and integrality.

A set of constraints without a common point is irreducible if it has one as soon as any of them is left out. One is
found by deletion: what can be left out without a solution appearing is left out for good. Whenever the solver proves
that what is left has no solution, only what its certificate uses is kept, so that few solves are needed where there
are certificates (J. W. Chinneck, E. W. Dravnieks, *Locating minimal infeasible constraint sets in linear programs*,
1991; of convex cones the same holds by the certificate's being a proof). Of linear rows their rank tells whether all
are needed (`minimal_rows`). Where there are no certificates, as with integers, it is tried with many constraints at
once, half of them if that fails.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any, final

import numpy as np

from ...modelkit import attributes as attr
from ...modelkit.arrays import IntArray
from ...modelkit.attributes import TerminationStatusCode as Codes
from ...modelkit.errors import NotAllowed, NotOptimized, OptangentError
from ...modelkit.indices import ConstraintIndex
from ...modelkit.model.caching_states import CachingOptimizerMode
from ...modelkit.model.model import Model
from ..kkt import Mask
from ..meta_solver import MetaSolver
from .frames import frame
from .minimal_rows import is_minimal
from .parts import HeldParts, Parts

__all__ = ["Conflict", "ConflictMember", "ConflictSearch", "own_copy", "printed"]

Progress = Callable[[int, int], Any]
_NOISE = 1e-6
"""Part of the largest multiplier of a proof up to which one counts as zero; what remains is proved again."""
_PATIENCE = 10.0
"""Seconds that a solve with integers may take, and so many times as long as the first one: without bounds, branch and
bound may go on for ever."""
_PROOF = attr.ResultStatusCode.INFEASIBILITY_CERTIFICATE


@final
@dataclass(frozen=True, slots=True)
class ConflictMember:
    """One member of a conflict.

    Attributes
    ----------
    name : what tables call it
    what : "constraint", "bound" or "integrality"
    side : "lower", "upper" or "equal" of a row or a bound, "" of others
    says : it in full
    index : the constraint that it is, or is a side or a row of
    row : which row of a vector constraint, else None
    """

    name: str
    what: str
    side: str
    says: str
    index: ConstraintIndex
    row: int | None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Conflict:
    """Constraints, bounds and integrality that have no common point.

    Attributes
    ----------
    members : of `ConflictMember`
    irreducible : whether each of them is needed: without it the others have a common point
    reason : why it is not known to be irreducible, "" if it is
    seconds, solves : what it took
    """

    members: tuple[ConflictMember, ...]
    irreducible: bool
    reason: str
    seconds: float
    solves: int

    @property
    def constraints(self) -> list[ConstraintIndex]:
        """The constraints of which members are, each once."""
        return list(dict.fromkeys(member.index for member in self.members))

    def to_frame(self) -> Any:
        """The members as a DataFrame."""
        columns = ("name", "what", "side", "says")
        return frame({name: [getattr(member, name) for member in self.members] for name in columns})

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[ConflictMember]:
        return iter(self.members)

    @property
    def _head(self) -> str:
        count = len(self.members)
        if count == 1:
            return "This alone cannot hold:" if self.irreducible else f"This cannot hold ({self.reason}):"
        if self.irreducible:
            return f"These {count} cannot hold together, and without any one of them the others can:"
        return f"These {count} cannot hold together, perhaps fewer of them cannot either ({self.reason}):"

    def __str__(self) -> str:
        wide = max((len(member.name) for member in self.members), default=0)
        lines = [
            f"  {member.says}" if member.name == member.says else f"  {member.name:{wide}}  {member.says}"
            for member in self.members
        ]
        return "\n".join([self._head, *lines])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(m.name)}</td><td>{m.what}</td><td>{escape(m.says)}</td></tr>" for m in self.members
        )
        return f"<p>{escape(self._head)}</p><table>{rows}</table>"


@final
class ConflictSearch:
    """The search for one conflict.

    Parameters
    ----------
    model : which is left as it is
    time_limit : seconds
    progress : told how many of how many candidates are decided
    """

    def __init__(self, model: Model, time_limit: float, progress: Progress | None) -> None:
        self._begin = time.perf_counter()
        self._end = self._begin + time_limit
        self._progress = progress
        self._solves = 0
        self._patience = np.inf
        self._why = ""  # why the last solve told nothing
        self._has_proof = False
        self._shows_all = False  # whether the last proof uses all parts
        self._status = model.termination_status()
        _refuse(self._status)
        self.parts = Parts.of(model.store)
        self._model = own_copy(model)
        self._held = HeldParts(self.parts, self._model)
        self._limits_time = model.supports(attr.TimeLimitSec())
        own = model.get(attr.TimeLimitSec()) if self._limits_time else None
        self._own_limit = np.inf if own is None else float(own)

    def found(self) -> Conflict:
        """The conflict."""
        kept, doubts = self._start(), list[str]()
        undecided, needed = kept.copy(), np.zeros(len(kept), bool)
        total = int(kept.sum())
        self._held.hold(kept)
        self._held.drop_variables()
        size = 1 if self._has_proof else max(1, total // 2)
        group = np.flatnonzero(self.parts.is_gap & kept)  # without integers all is easier
        while undecided.any():
            if self._shows_all and is_minimal(self.parts, kept):
                needed |= kept
                self._tell(total, total)
                break
            self._shows_all = False
            if not len(group):
                group = self._in_order(undecided)[:size]
            if time.perf_counter() >= self._end:
                doubts.append("the time limit was reached")
                break
            without = kept.copy()
            without[group] = False
            feasible = self._feasible(without)
            if feasible is False:
                kept = self._shrunk(without)
                undecided &= kept
                size *= 2
            elif len(group) == 1:
                undecided[group] = False
                needed[group] = feasible is True
                if feasible is None:
                    doubts.append(f"without {self.parts.name(int(group[0]))}: {self._why}")
            else:
                size = max(1, min(size, len(group)) // 2)
            group = group[:0]
            self._tell(total - int(undecided.sum()), total)
        return self._result(kept, needed, doubts)

    def _tell(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)

    def _start(self) -> Mask:
        """Parts that are in conflict: all, or those of a certificate."""
        every = np.ones(len(self.parts), bool)
        if self._status is Codes.INFEASIBLE:
            proved = self._model.get(attr.DualStatus()) is _PROOF
            kept = self._support(every) if proved else every
            self._forget_objective()
            if kept.sum() < len(kept) and self._feasible(kept) is False:
                return self._shrunk(kept)
            return every
        self._forget_objective()
        feasible = self._feasible(every)
        if feasible is True:
            raise NotAllowed(
                "There is no conflict: the constraints have a common point, which solving them without the objective "
                f"found (the model's status is {self._status.name})."
            )
        if feasible is None:
            raise NotOptimized(
                f"Whether there is a conflict is not known: solving the constraints without the objective ended with "
                f"{self._why}. Another solver, or more time, may tell."
            )
        return self._shrunk(every)

    def _forget_objective(self) -> None:
        self._model.set(attr.ObjectiveSense(), attr.ObjectiveSenseCode.FEASIBILITY_SENSE)

    def _in_order(self, parts: Mask) -> IntArray:
        """Rows first, then bounds, with which branch and bound comes to an end, then integers."""
        at = np.flatnonzero(parts)
        order: IntArray = at[np.argsort(self.parts.is_bound[at] + 2 * self.parts.is_gap[at], kind="stable")]
        return order

    def _shrunk(self, kept: Mask) -> Mask:
        """What the proofs use of parts whose conflict the last solve has shown."""
        while True:
            self._has_proof = self._model.get(attr.DualStatus()) is _PROOF
            used = self._support(kept) if self._has_proof else kept
            if used.sum() == kept.sum() or self._feasible(used) is not False:
                self._shows_all = self._has_proof and used.sum() == kept.sum()
                return kept
            kept = used

    def _support(self, kept: Mask) -> Mask:
        multipliers = self._held.multipliers()
        used: Mask = kept & (multipliers > _NOISE * multipliers.max(initial=0.0))
        return used if used.any() else kept

    def _feasible(self, parts: Mask) -> bool | None:
        """Whether these have a common point; None if that is not known."""
        begin, self._why = time.perf_counter(), ""
        left = self._end - begin
        if left <= 0.0:
            self._why = "the time limit was reached"
            return None
        self._held.hold(parts)
        discrete = bool((self.parts.is_gap & parts).any())
        if self._limits_time:
            limit = min(left, self._own_limit, self._patience if discrete else np.inf)
            self._model.set(attr.TimeLimitSec(), None if np.isinf(limit) else limit)
        self._solves += 1
        try:
            self._model.optimize()
            status = self._model.termination_status()
        except OptangentError as error:
            self._why = str(error)
            return None
        if discrete and np.isinf(self._patience):
            self._patience = _PATIENCE * max(1.0, time.perf_counter() - begin)
        if status in (Codes.OPTIMAL, Codes.INFEASIBLE):
            return status is Codes.OPTIMAL
        self._why = f"{status.name} ({self._model.get(attr.RawStatusString())})"
        return None

    def _result(self, kept: Mask, certain: Mask, doubts: list[str]) -> Conflict:
        parts = self.parts
        members = []
        for part in self._in_order(kept).tolist():
            index, row = parts.index(part), int(parts.row[part])
            of_row = row if row >= 0 and index.kind[1].is_vector else None
            side, says = parts.side_name(part), parts.says(part)
            members.append(ConflictMember(parts.name(part), parts.what(part), side, says, index, of_row))
        irreducible = bool(certain[kept].all())
        reason = "" if irreducible else "; ".join(dict.fromkeys(doubts))
        return Conflict(tuple(members), irreducible, reason, time.perf_counter() - self._begin, self._solves)


def own_copy(model: Model) -> Model:
    """A copy to be changed and solved at will, with the same indices; it does not warn."""
    made = copy.deepcopy(model)
    assert isinstance(made.meta_solver, MetaSolver)
    made.meta_solver.warns = False
    made.meta_solver.mode = CachingOptimizerMode.AUTOMATIC
    return made


def _refuse(status: Codes) -> None:
    """Raise unless the model may have a conflict."""
    if status is Codes.OPTIMIZE_NOT_CALLED:
        raise NotOptimized(
            "Whether there is a conflict is not known: the model has not been solved since it was last changed. Call "
            "optimize() first."
        )
    if status in (Codes.OPTIMAL, Codes.ALMOST_OPTIMAL, Codes.LOCALLY_SOLVED):
        raise NotAllowed(f"There is no conflict: the model has a solution (its status is {status.name}).")


def printed(done: int, total: int) -> None:
    """Tell the progress on the error output."""
    end = "\n" if done >= total else ""
    print(f"\rconflict: {done} of {total} decided", end=end, file=sys.stderr, flush=True)
