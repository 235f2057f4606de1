"""A program on many values of its parameters at once, in NumPy: what the layers of all frameworks have in common.

A `Batch` holds the program and the user's choices; each call of a layer makes a `Call`, which holds the solved items
for as long as derivatives may be asked for. Both speak of a flat batch: (B, p) parameters in, (B, o) outputs out.
"""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Sequence
from typing import Any, final

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.attributes import DifferentiationStatusCode, TerminationStatusCode
from ...modelkit.errors import InvalidData, OptangentError
from ..meta_solver import DifferentiationWarning
from .choices import checked_list, require_model, require_word
from .closest import Closest, closest_program
from .executors import Shipment, Workers
from .failures import UnsolvedItems, check_policy, outputs_of
from .form_solvers import form_solvers
from .packing import Shape
from .program import Item, Program
from .route import Mode
from .variants import variant
from .work import Found, Programs, differentiate_items, solve_items

__all__ = ["Batch", "Call"]

_NOT_YET = DifferentiationStatusCode.NOT_DIFFERENTIATED
_CHUNKS = 4  # for each worker, so that those with easy items help the others


@final
class Batch:
    """A program and how its batches are solved.

    Parameters
    ----------
    program : Program
    on_failure : "raise", "nan", "zero_gradient" or "closest"
    executor : where items are solved, see `Workers`; None for here, one after the other
    retry : programs with other solvers, tried in this order where the first one fails, and of closest solutions
    warm_start : False, "position" (of True the same), or "order"

    Attributes
    ----------
    programs : with that of `retry`
    shapes : of the parameters, and of the outputs
    status : list of TerminationStatusCode, an item of the last call each
    reasons : list of str, why there is no solution or derivative, "" where there is
    differentiation_status : list of DifferentiationStatusCode, what the derivatives are that were asked for
    """

    def __init__(
        self,
        program: Program,
        on_failure: str = "raise",
        executor: Any = None,
        retry: Sequence[Program | Closest] = (),
        warm_start: bool | str = False,
    ) -> None:
        check_policy(on_failure)
        require_word(warm_start, "warm_start", (False, True, "position", "order"))
        self.programs: Programs = (program, *retry)
        self.on_failure = on_failure
        self.workers = None if executor is None else Workers(executor)
        self.warm_start = warm_start
        self.shapes = program.parameter_shapes, program.output_shapes
        self.status: list[TerminationStatusCode] = []
        self.reasons: list[str] = []
        self.differentiation_status: list[DifferentiationStatusCode] = []
        self._warned = False
        self._shipment: Shipment | None = None
        self._last: list[Item | None] = []  # where the next training call starts
        self._seen: list[Item | None] = []  # where the next pass of an evaluation starts
        self._at = 0

    @classmethod
    def of(
        cls,
        model: Any,
        parameters: Sequence[Any],
        outputs: Sequence[Any],
        *,
        on_failure: str = "raise",
        executor: Any = None,
        retry: Sequence[Any] | None = None,
        warm_start: bool | str = False,
    ) -> Batch:
        """The batch of a model, as the layers take it.

        Here `retry` names solvers, and the executor may be "auto": threads, or processes if one of the solvers says
        ``releases_gil = False``. Where many solve at a time, each solver gets one thread.
        """
        require_model(model)
        others = [] if retry is None else checked_list(retry, "Solvers to retry with")
        if any(solver is None for solver in others):
            raise InvalidData("retry takes solver classes or callables that make a solver, got None.")
        if isinstance(executor, str) and executor == "auto":
            executor = "threads" if all(one.releases_gil for one in form_solvers(model)) else "processes"
        threads = None if executor is None else 1
        with model.lock:
            first = model if threads is None else variant(model, threads=threads)
            programs: list[Program | Closest] = []
            programs += [Program(variant(model, solver, threads), parameters, outputs) for solver in others]
            if isinstance(on_failure, str) and on_failure == "closest":
                programs.append(closest_program(first, parameters, outputs))
            return cls(Program(first, parameters, outputs), on_failure, executor, programs, warm_start)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_shipment": None, "_last": [], "_seen": [], "_at": 0}

    @property
    def program(self) -> Program:
        """The first of them."""
        return self.programs[0]

    def sides(self, mode: str) -> tuple[tuple[Shape, ...], tuple[Shape, ...]]:
        """The shapes of what a derivative takes and of what it gives; "solve" is the way of "jvp"."""
        return self.shapes[::-1] if mode == "vjp" else self.shapes

    def begin_pass(self) -> None:
        """The next call is the first of a pass over the data."""
        self._at = 0

    def run(self, function: Any, tasks: Sequence[tuple[Any, ...]]) -> list[Any]:
        """``[function(programs, *task) for task in tasks]`` by the workers."""
        if self.workers is None or len(tasks) < 2:
            return [function(self.programs, *task) for task in tasks]
        if self._shipment is None:
            self._shipment = Shipment(self.programs)
        return self._shipment.map(self.workers, function, tasks)

    def pieces(self, count: int) -> list[slice]:
        """How so many items are dealt to the workers."""
        wanted = 1 if self.workers is None else min(count, _CHUNKS * self.workers.count)
        ends = [count * k // wanted for k in range(wanted + 1)] if count else []
        return [slice(a, b) for a, b in itertools.pairwise(ends)]

    def warn(self, statuses: Sequence[DifferentiationStatusCode]) -> None:
        """Say once that some derivatives are not accurate, or not derivatives in the ordinary sense."""
        if self._warned:
            return
        for place, status in enumerate(statuses):
            if status.is_news:
                self._warned = True
                if status is DifferentiationStatusCode.INACCURATE:  # which says nothing of the solution
                    what = f"The derivatives of item {place} are not accurate"
                else:
                    what = f"The solution of item {place} is not differentiable in the ordinary sense"
                warnings.warn(
                    f"{what}, {status.name}: {status.value}. The layer's differentiation_status tells it of every "
                    "item; this warning comes once for each layer.",
                    DifferentiationWarning,
                    stacklevel=2,
                )
                return

    # ------------------------------------------------------------------ where to start
    def _memory(self, training: bool, warm: bool | None) -> tuple[list[Item | None], int] | None:
        """The items from which a call starts, and that of its first one; `warm` is what the call itself says."""
        if warm is None and self.warm_start and (training or self.warm_start == "order"):
            return (self._last, 0) if training else (self._seen, self._at)
        return (self._last, 0) if warm else None

    def starts(self, count: int, training: bool, warm: bool | None = None) -> list[Item | None] | None:
        """An item, or None, to start each of so many items from."""
        memory = self._memory(training, warm)
        if memory is None:
            return None
        known, place = memory
        starts = known[place : place + count]
        return starts + [None] * (count - len(starts)) if starts else None

    def remember(self, items: Sequence[Item], training: bool, warm: bool | None = None) -> None:
        """Keep the items to start from; a copy of an item leaves its factorization behind."""
        memory = self._memory(training, warm)
        if memory is None:
            return
        known, place = memory
        known += [None] * (place + len(items) - len(known))
        for k, item in enumerate(items, place):
            if not item.reason and item.status is not TerminationStatusCode.INFEASIBLE:  # as closest ones are
                known[k] = copy.copy(item)
        if known is self._seen:
            self._at += len(items)


@final
class Call:
    """One call of a layer: its items, and what is known of them.

    Parameters
    ----------
    batch : Batch
    training : whether the layer is in training
    warm : whether its items start from those at their places in the last call that said so; None for the batch's choice
    """

    def __init__(self, batch: Batch, training: bool = True, warm: bool | None = None) -> None:
        self.batch = batch
        self._how = training, warm
        self.take([])

    def solve(self, thetas: FloatArray) -> FloatArray:
        """Solve all items.

        Parameters
        ----------
        thetas : (B, p)

        Returns
        -------
        (B, o) array

        Raises
        ------
        UnsolvedItems
            If some have no solution and the batch's policy is "raise".
        """
        batch = self.batch
        self.take(self._solved(thetas, batch.starts(len(thetas), *self._how)))
        batch.remember(self.items, *self._how)
        batch.status = [item.status for item in self.items]
        batch.reasons, batch.differentiation_status = self.reasons, self.differentiation_status
        if self._some_unsolved and batch.on_failure == "raise":
            self._raise("solution", [k for k, why in enumerate(self.reasons) if why])
        return outputs_of(self.items, batch.on_failure, batch.program.output_size)

    def _solved(self, thetas: FloatArray, warm: list[Item | None] | None) -> list[Item]:
        if self.batch.workers is None:
            return solve_items(self.batch.programs, thetas, warm)
        tasks = [(thetas[piece], warm and warm[piece]) for piece in self.batch.pieces(len(thetas))]
        return [item for items in self.batch.run(solve_items, tasks) for item in items]

    def take(self, items: list[Item]) -> None:
        """Make these the items of the call."""
        self.items, self.reasons = items, [item.reason for item in items]
        self.differentiation_status = [_NOT_YET] * len(items)
        self._some_unsolved = any(self.reasons)

    def _raise(self, lacking: str, places: list[int]) -> None:
        statuses = [self.items[k].status for k in places]
        raise UnsolvedItems(lacking, len(self.items), places, statuses, [self.reasons[k] for k in places])

    def derivative(self, mode: Mode, places: IntArray, vectors: FloatArray) -> FloatArray:
        """Pull cotangents of outputs back to the parameters, or push tangents of the parameters to the outputs.

        Parameters
        ----------
        mode : "vjp" or "jvp"
        places : (K,) items; one may come many times, and is factorized once
        vectors : (K, o) cotangents or (K, p) tangents

        Returns
        -------
        (K, p) or (K, o) array, zero for items without a solution

        Raises
        ------
        UnsolvedItems
            If some have no derivatives and the batch's policy is "raise".
        """
        found = self._all_at_once(mode, places, vectors)
        if found is not None:
            return found
        out = np.zeros((len(places), self.batch.program.width(mode)))
        rows = np.flatnonzero(vectors.any(axis=1))
        if self._some_unsolved:
            rows = rows[[not self.items[k].reason for k in places[rows]]]
        if not np.isfinite(vectors).all():
            # of an infinite loss: the user sees it, and the other items are not concerned
            finite = np.isfinite(vectors[rows]).all(axis=1)
            out[rows[~finite]] = np.nan
            rows = rows[finite]
        failed = []
        for row, (derivative, status) in zip(rows, self._found(mode, places[rows], vectors[rows]), strict=True):
            place = int(places[row])
            self.differentiation_status[place] = status
            if isinstance(derivative, str):
                self.reasons[place] = derivative
                failed.append(place)
            else:
                out[row] = derivative
        if failed and self.batch.on_failure == "raise":
            self._raise("derivative", sorted(set(failed)))
        self.batch.warn(self.differentiation_status)
        return out

    def _all_at_once(self, mode: Mode, places: IntArray, vectors: FloatArray) -> FloatArray | None:
        """The derivatives of all items here and in order, one direction each, if they are asked for and exist."""
        count, batch = len(self.items), self.batch
        if self._some_unsolved or batch.workers is not None or len(batch.programs) > 1 or len(places) != count:
            return None
        if count > 1 and not (places == np.arange(count)).all():
            return None
        if not 0.0 < np.vdot(vectors, vectors) < np.inf or (count > 1 and not vectors.any(axis=1).all()):
            return None
        try:
            found = batch.program.derivatives(mode, self.items, vectors)
        except OptangentError:
            return None  # which one was it?
        self.differentiation_status[:] = [item.differentiation_status for item in self.items]
        batch.warn(self.differentiation_status)
        return found

    def _found(self, mode: Mode, places: IntArray, vectors: FloatArray) -> list[Found]:
        if self.batch.workers is None:
            return differentiate_items(self.batch.programs, mode, self.items, places.tolist(), vectors)
        order = np.argsort(places, kind="stable")  # an item goes to one worker, with all its vectors
        chosen, counts = np.unique(places, return_counts=True)
        ends = np.concatenate([[0], np.cumsum(counts)])
        tasks: list[tuple[Any, ...]] = []
        for piece in self.batch.pieces(len(chosen)):
            again = np.repeat(np.arange(piece.stop - piece.start), counts[piece])
            rows = order[ends[piece.start] : ends[piece.stop]]
            tasks.append((mode, [self.items[k] for k in chosen[piece]], again.tolist(), vectors[rows]))
        found: list[Found] = [("", _NOT_YET)] * len(places)
        answers = (answer for some in self.batch.run(differentiate_items, tasks) for answer in some)
        for row, answer in zip(order, answers, strict=True):
            found[row] = answer
        return found
