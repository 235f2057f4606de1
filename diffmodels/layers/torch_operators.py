"""Layers under ``torch.compile``: a call is one operator, of which PyTorch sees the shapes and not the inside.

``optangent::solve`` is a call of a layer, named by its number, and ``optangent::pull`` its derivative. What the second
needs of the first, the solved items, does not fit into tensors. So the outputs are followed by a ticket, a tensor with
the number under which the call is kept for as long as anything holds the tensor's memory. A ticket that somebody
copied may outlive that; then the items are solved again.

PyTorch is optional, so the operators are made when `make_solve_compiled` is first called.
"""

from __future__ import annotations

import functools
import itertools
import sys
import weakref
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar, final

import numpy as np

from ...modelkit.errors import DifferentiationError
from .batch import Batch
from .packing import Shape, batch_shape, pack, unpack
from .torch_functions import TWICE, TorchCall, array_of, common_device, common_type, sum_to

__all__ = ["Handle", "fits", "make_solve_compiled", "outside"]

_P = ParamSpec("_P")
_R = TypeVar("_R")
_numbers = itertools.count()
_batches: weakref.WeakValueDictionary[int, Batch] = weakref.WeakValueDictionary()
_calls: dict[int, TorchCall] = {}


@final
class Handle:
    """The number by which a graph names a layer; that of a copy is another.

    Parameters
    ----------
    batch : Batch
    """

    def __init__(self, batch: Batch) -> None:
        self.batch, self.number = batch, next(_numbers)
        _batches[self.number] = batch

    def __reduce__(self) -> tuple[Any, ...]:
        return Handle, (self.batch,)


def outside(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, into which PyTorch's compiler does not look when it is called between two graphs."""
    made: list[Callable[_P, _R]] = []

    @functools.wraps(function)
    def called(*arguments: _P.args, **named: _P.kwargs) -> _R:
        if "torch._dynamo" not in sys.modules:  # which takes seconds to import, and is needed by those who compile
            return function(*arguments, **named)
        if not made:
            import torch

            made.append(torch.compiler.disable(function))
        return made[0](*arguments, **named)

    return called


def fits(given: Sequence[Shape], wanted: Sequence[Shape]) -> bool:
    """Whether `batch_shape` has an answer, in words that PyTorch's compiler follows."""
    if len(given) != len(wanted):
        return False
    batch: list[Any] = []  # from the last dimension on
    for got, want in zip(given, wanted, strict=True):
        front = len(got) - len(want)
        if front < 0 or any(got[front + k] != n for k, n in enumerate(want)):
            return False
        for k in range(front):
            n = got[front - 1 - k]
            if k == len(batch):
                batch.append(n)
            elif batch[k] == 1:
                batch[k] = n
            elif n not in (1, batch[k]):
                return False
    return True


def make_solve_compiled() -> Callable[..., list[Any]]:
    """The operator (parameters, number of the layer, training, warm_start) -> outputs and a ticket.

    Here `warm_start` is 1, 0, or -1 for what the layer says.
    """
    import torch

    from_numpy = torch.from_numpy

    def called(batch: Batch, parameters: Sequence[Any], training: bool, warm: bool | None) -> tuple[TorchCall, Any]:
        """A call, and its flat outputs."""
        this = TorchCall(batch, training, parameters, warm)
        arrays, wanted = [array_of(p) for p in parameters], batch.shapes[0]
        this.front = batch_shape([a.shape for a in arrays], wanted)
        return this, this.call.solve(pack(arrays, wanted, this.front))

    def solve(parameters: Sequence[Any], layer: int, training: bool, warm_start: int) -> list[Any]:
        batch = _batches[layer]
        this, flat = called(batch, parameters, training, None if warm_start < 0 else bool(warm_start))
        outputs = this.converted([from_numpy(a) for a in unpack(flat, batch.shapes[1], this.front)])
        number = next(_numbers)
        ticket = np.array([number])
        _calls[number] = this
        weakref.finalize(ticket, _calls.pop, number, None).atexit = False
        return [*outputs, from_numpy(ticket)]

    def pull(layer: int, ticket: Any, parameters: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        this = _calls.get(int(ticket))
        if this is None:
            this, _ = called(_batches[layer], parameters, True, False)
        places = np.arange(len(this.call.items)).reshape(this.front)
        found = map(from_numpy, this.derivative("vjp", places, [array_of(c) for c in cotangents]))
        return [sum_to(f, p) for f, p in zip(found, parameters, strict=True) if p.is_floating_point()]

    def solve_of_nothing(parameters: Sequence[Any], layer: int, training: bool, warm_start: int) -> list[Any]:
        wanted, given = _batches[layer].shapes
        fronts = [p.shape[: p.ndim - len(shape)] for p, shape in zip(parameters, wanted, strict=True)]
        front = torch.broadcast_shapes(*fronts)
        dtype, device = common_type(parameters), common_device(parameters)
        outputs = [torch.empty((*front, *shape), dtype=dtype, device=device) for shape in given]
        return [*outputs, torch.empty(1, dtype=torch.int64)]

    def pull_of_nothing(layer: int, ticket: Any, parameters: Sequence[Any], cotangents: Sequence[Any]) -> list[Any]:
        return [torch.empty_like(p, memory_format=torch.contiguous_format) for p in parameters if p.is_floating_point()]

    def setup(ctx: Any, inputs: Any, output: Any) -> None:
        parameters, ctx.layer, *_ = inputs
        ctx.save_for_backward(output[-1], *parameters)

    def backward(ctx: Any, cotangents: Any) -> Any:
        ticket, *parameters = ctx.saved_tensors
        found = iter(pull_operator(ctx.layer, ticket, parameters, cotangents[:-1]))
        return [next(found) if p.is_floating_point() else None for p in parameters], None, None, None

    def twice(ctx: Any, cotangents: Any) -> Any:
        raise DifferentiationError(TWICE)

    define = torch.library.custom_op
    operator = define(
        "optangent::solve",
        solve,
        mutates_args=(),
        schema="(Tensor[] parameters, int layer, bool training, int warm_start) -> Tensor[]",
    )
    pull_operator = define(
        "optangent::pull",
        pull,
        mutates_args=(),
        schema="(int layer, Tensor ticket, Tensor[] parameters, Tensor[] cotangents) -> Tensor[]",
    )
    operator.register_fake(solve_of_nothing)
    pull_operator.register_fake(pull_of_nothing)
    operator.register_autograd(backward, setup_context=setup)
    pull_operator.register_autograd(twice)
    return torch.ops.optangent.solve.default  # type: ignore[no-any-return]
