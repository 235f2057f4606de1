"""The host's side of `jax_layer`: solves, remembers and differentiates items, in NumPy.

The modes of a call share nothing but the parameters: as JAX wants it, all are pure functions of them, which may be
called in any order, many times or never. What keeps an item from being solved again for its derivative is the memory of
items, by the bytes of their parameters. What is forgotten is solved again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, Literal, final

import numpy as np

from ...modelkit.arrays import FloatArray
from ...modelkit.attributes import TerminationStatusCode
from .batch import Batch, Call
from .failures import outputs_of
from .packing import Shape, pack, unpack
from .program import Item
from .route import Mode

__all__ = ["CODES", "JaxHost"]

CODES = tuple(TerminationStatusCode)
"""What the integers mean that stand for statuses."""
_CODE_OF = {status: code for code, status in enumerate(CODES)}
_Place = tuple[Call, int]  # and which of its items


@final
class JaxHost:
    """What the primitive of a layer calls; never raises.

    Calls come from any thread of JAX's, several at a time, in any order.

    Parameters
    ----------
    batch : Batch
    keep : how many items are remembered; those of the last call always are

    Attributes
    ----------
    parameter_shapes, output_shapes : of the batch's program
    last : the items of the last call that solved
    """

    def __init__(self, batch: Batch, keep: int) -> None:
        self.batch, self.keep = batch, keep
        self.parameter_shapes, self.output_shapes = batch.shapes
        self.last: list[_Place] = []
        self._places: dict[bytes, _Place] = {}
        self._calls: OrderedDict[Call, list[bytes]] = OrderedDict()  # with their keys; used longest ago first
        self._lock = threading.Lock()

    def __call__(self, *arrays: Any, mode: Literal["solve", "jvp", "vjp"], batch: Shape, dtype: Any) -> list[Any]:
        """From NumPy arrays to NumPy arrays: results, and of "solve" the codes of statuses."""
        count = len(self.parameter_shapes)
        parameters, vectors = arrays[:count], arrays[count:]
        given, wanted = self.batch.sides(mode)
        fronts = {a.shape[: len(batch)] for a in parameters}
        front = batch if fronts == {batch} else np.broadcast_shapes((1,) * len(batch), *fronts)
        thetas = pack(parameters, self.parameter_shapes, front)
        with self._lock:
            places = self._look_up(thetas)
            if front != batch:
                places = [places[k] for k in np.broadcast_to(np.arange(len(thetas)).reshape(front), batch).flat]
            codes = []
            if mode == "solve":
                self.last = places
                items = [call.items[place] for call, place in places]
                flat = outputs_of(items, self.batch.on_failure, self.batch.program.output_size)
                codes.append(np.array([_CODE_OF[item.status] for item in items], np.int32).reshape(batch))
            else:
                flat = self._derivatives(mode, places, pack(vectors, given, batch))
        return [*(a.astype(dtype) for a in unpack(flat, wanted, batch)), *codes]

    # ------------------------------------------------------------------ items
    def _look_up(self, thetas: FloatArray) -> list[_Place]:
        """Where the item of each row is; items not remembered are solved."""
        keys = [theta.tobytes() for theta in thetas]
        missing = {key: k for k, key in enumerate(keys) if key not in self._places}
        lost: Call | None = None
        if missing:
            fresh, wanted = Call(self.batch), thetas[list(missing.values())]
            try:
                fresh.solve(wanted)
            except Exception as error:  # one that leaves the callback would end JAX's computation: it becomes a status
                lost, program = fresh, self.batch.program
                nothing = np.full(program.output_size, np.nan)
                status, reason = TerminationStatusCode.OTHER_ERROR, _told(error)
                lost.take([Item(program, theta, status, reason, nothing, None) for theta in wanted])
            self._calls[fresh] = list(missing)
            self._places |= {key: (fresh, place) for place, key in enumerate(missing)}
        places = [self._places[key] for key in keys]
        used = dict.fromkeys(call for call, _ in places)
        for call in used:
            self._calls.move_to_end(call)
        if lost is not None:  # next time it may go well
            self._forget(lost)
        while len(self._places) > self.keep and len(self._calls) > len(used):
            self._forget(next(iter(self._calls)))
        return places

    def _forget(self, call: Call) -> None:
        for key in self._calls.pop(call):
            del self._places[key]

    # ------------------------------------------------------------------ derivatives
    def _derivatives(self, mode: Mode, places: list[_Place], vectors: FloatArray) -> FloatArray:
        out = np.zeros((len(places), self.batch.program.width(mode)))
        rows_of: dict[Call, list[int]] = {}
        for row, (call, _) in enumerate(places):
            rows_of.setdefault(call, []).append(row)
        for call, rows in rows_of.items():
            at = np.array([places[row][1] for row in rows])
            mine = vectors if len(rows) == len(places) else vectors[rows]
            try:
                out[rows] = call.derivative(mode, at, mine)
            except Exception as error:  # as above
                out[rows] = np.nan  # zero would say that nothing depends on anything
                for place in set(at.tolist()):
                    call.reasons[place] = _told(error)
        return out


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
