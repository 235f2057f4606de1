"""The differentiable functions of PyTorch behind `TorchLayer`.

PyTorch is optional, so its classes are made when `make_solve` is first called. There are three: `Solve`, a function of
the parameters (and `QuickSolve`, the same for ordinary use); `Derivative`, its derivative in one direction; and
`Gate`. All numbers come from a `Call`; here tensors become arrays and back.

`Derivative` is linear in its vectors and its adjoint is `Derivative` in the other direction. So PyTorch's two modes
nest as deep as one likes as long as nothing asks for the second derivative of the solution itself, which `Gate` sees.

The places of the items in the batch travel beside the numbers, as a tensor of integers. Under ``torch.func.vmap`` the
transformation treats that tensor as all others, and thus says by itself which item a cotangent belongs to.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import DifferentiationError, InvalidData
from .batch import Batch, Call
from .packing import Shape, batch_shape, pack, unpack
from .route import Mode

__all__ = ["TWICE", "TorchCall", "array_of", "common_device", "common_type", "is_transformed", "make_solve", "sum_to"]

TWICE = (
    "A solution has first derivatives only, and a second one with respect to the layer's inputs was asked for. Detach "
    "the inputs or the gradient, or take differences of first derivatives."
)
_FIRST = np.zeros(1, np.int64)


class TorchCall:
    """A call, and the floating type and device of its outputs."""

    def __init__(self, batch: Batch, training: bool, tensors: Sequence[Any], warm: bool | None = None) -> None:
        import torch

        self.batch, self.call = batch, Call(batch, training, warm)
        self.front: Shape = ()
        double = torch.float64
        self.plain = all(t.dtype is double and t.is_cpu for t in tensors)
        self.dtype = double if self.plain else common_type(tensors)
        self.device = torch.device("cpu") if self.plain else common_device(tensors)

    def converted(self, outputs: list[Any]) -> list[Any]:
        """The outputs, given in float64 on the host; they travel in their own type, which is the smaller one."""
        return outputs if self.plain else [one.to(self.dtype).to(self.device) for one in outputs]

    def derivative(self, mode: Mode, places: IntArray, vectors: Sequence[FloatArray | None]) -> list[FloatArray]:
        """Cotangents of the outputs pulled back ("vjp") or tangents of the parameters pushed, for items at places."""
        given, wanted = self.batch.sides(mode)
        if not places.ndim and all(v is not None and v.shape == shape for v, shape in zip(vectors, given, strict=True)):
            return unpack(self.call.derivative(mode, _FIRST, pack(vectors, given, ())), wanted, ())
        fronts = {v.shape[: v.ndim - len(shape)] for v, shape in zip(vectors, given, strict=True) if v is not None}
        batch = places.shape
        if fronts != {batch}:
            batch = np.broadcast_shapes(batch, *fronts)
            places = np.broadcast_to(places, batch)
        return unpack(self.call.derivative(mode, places.reshape(-1), pack(vectors, given, batch)), wanted, batch)


def common_type(tensors: Sequence[Any]) -> Any:
    """To what the floating types promote; integers do not count."""
    import torch

    types = {t.dtype for t in tensors}
    if any(dtype.is_complex for dtype in types):
        raise InvalidData("A layer takes real numbers, got a complex tensor.")
    floats = [dtype for dtype in types if dtype.is_floating_point]
    return functools.reduce(torch.promote_types, floats) if floats else torch.get_default_dtype()


def common_device(tensors: Sequence[Any]) -> Any:
    """The device of the tensors; those on the host go along."""
    import torch

    devices = {t.device for t in tensors} - {torch.device("cpu")}
    if len(devices) > 1:
        raise InvalidData(f"The inputs are on several devices: {', '.join(sorted(map(str, devices)))}.")
    return devices.pop() if devices else torch.device("cpu")


def array_of(tensor: Any) -> Any:
    """The tensor in float64, on the host; it travels in its own type, which is the smaller one."""
    import torch

    if tensor is None:
        return None
    return (tensor if tensor.dtype is torch.float64 else tensor.cpu().double()).numpy(force=True)


def _in_front(tensor: Any, dim: int | None, rank: int, own: int) -> Any:
    """The tensor with the dimension `dim` in front of a batch of so many dimensions, and `own` ones behind."""
    if dim is None or tensor is None:
        return tensor
    tensor = tensor.movedim(dim, 0)
    missing = rank + own + 1 - tensor.ndim
    return tensor.reshape(tensor.shape[0], *[1] * missing, *tensor.shape[1:])


def sum_to(tensor: Any, like: Any) -> Any:
    """The adjoint of broadcasting `like` to the tensor's shape and converting it."""
    if tensor.shape == like.shape:
        return tensor.to(like.dtype).to(like.device)
    front = tensor.ndim - like.ndim
    dims = [*range(front), *(front + k for k, n in enumerate(like.shape) if n == 1 and tensor.shape[front + k] != 1)]
    tensor = tensor.sum(dims, keepdim=True)
    return tensor.reshape(tensor.shape[front:]).to(like.dtype).to(like.device)


def make_solve() -> Any:
    """The differentiable function (call, parameters) -> outputs."""
    import torch

    derivative, is_of_old_vmap = _make_derivative()
    transformed, from_numpy, may_nest = is_transformed(), torch.from_numpy, torch.is_grad_enabled

    def forward(this: TorchCall, parameters: Sequence[Any]) -> tuple[list[Any], IntArray]:
        wanted, given = this.batch.shapes
        arrays = [array_of(p) for p in parameters]
        batch = batch_shape([a.shape for a in arrays], wanted)
        flat = this.call.solve(pack(arrays, wanted, batch))
        outputs = [from_numpy(array) for array in unpack(flat, given, batch)]
        places = np.arange(len(flat)).reshape(batch) if batch else _FIRST.reshape(())
        return this.converted(outputs), places

    def backward(
        this: TorchCall, places: Any, parameters: Sequence[Any], needed: Any, cotangents: Sequence[Any]
    ) -> Any:
        if all(c is None for c in cotangents):
            return (None,) * len(needed)
        found = derivative(this, "vjp", places, parameters, cotangents)
        parts = zip(found, parameters, needed[1:], strict=True)
        return None, *(sum_to(f, p) if needs else None for f, p, needs in parts)

    def jvp(this: TorchCall, places: Any, parameters: Sequence[Any], tangents: Sequence[Any]) -> list[Any]:
        return this.converted(list(derivative(this, "jvp", places, parameters, tangents)))

    class Solve(torch.autograd.Function):  # type: ignore[misc]
        """For all transformations: (call, *parameters) -> (*outputs, places)."""

        @staticmethod
        def forward(this: Any, *parameters: Any) -> Any:
            outputs, places = forward(this, parameters)
            return *outputs, torch.from_numpy(places)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.this, *parameters = inputs
            ctx.set_materialize_grads(False)
            ctx.mark_non_differentiable(output[-1])
            ctx.save_for_backward(output[-1], *parameters)
            ctx.save_for_forward(output[-1], *parameters)

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            places, *parameters = ctx.saved_tensors
            return backward(ctx.this, places, parameters, ctx.needs_input_grad, cotangents[:-1])

        @staticmethod
        def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
            places, *parameters = ctx.saved_tensors
            return *jvp(ctx.this, places, parameters, tangents), None

        @staticmethod
        def vmap(info: Any, in_dims: Any, this: Any, *parameters: Any) -> Any:
            sizes = [len(shape) for shape in this.batch.shapes[0]]
            parts = list(zip(parameters, in_dims[1:], sizes, strict=True))
            rank = max(p.ndim - own - (dim is not None) for p, dim, own in parts)
            return Solve.apply(this, *(_in_front(p, dim, rank, own) for p, dim, own in parts)), 0

    class QuickSolve(torch.autograd.Function):  # type: ignore[misc]
        """For no transformation, in half the time: (call, *parameters) -> outputs."""

        @staticmethod
        def forward(ctx: Any, this: Any, *parameters: Any) -> Any:
            # not `save_for_backward`: the parameters may change in place, the items have what they need
            ctx.this, ctx.parameters = this, parameters
            ctx.set_materialize_grads(False)
            outputs, ctx.places = forward(this, parameters)
            return tuple(outputs)

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            this, parameters, needed = ctx.this, ctx.parameters, ctx.needs_input_grad
            if may_nest() or transformed() or any(c is None or is_of_old_vmap(c) for c in cotangents):
                return backward(this, from_numpy(ctx.places), parameters, needed, cotangents)
            found = map(from_numpy, this.derivative("vjp", ctx.places, [array_of(c) for c in cotangents]))
            if this.plain and not ctx.places.ndim:
                return None, *found
            parts = zip(found, parameters, needed[1:], strict=True)
            return None, *[sum_to(f, p) if needs else None for f, p, needs in parts]

        @staticmethod
        def jvp(ctx: Any, _: Any, *tangents: Any) -> Any:
            return tuple(jvp(ctx.this, from_numpy(ctx.places), ctx.parameters, tangents))

    _known_signature(Solve)

    def solve(this: TorchCall, parameters: Sequence[Any]) -> tuple[Any, ...]:
        if transformed():
            # said here, where the shapes are those that the user sees
            batch_shape([tuple(p.shape) for p in parameters], this.batch.shapes[0])
            return tuple(Solve.apply(this, *parameters)[:-1])
        return tuple(QuickSolve.apply(this, *parameters))

    return solve


@functools.cache
def is_transformed() -> Callable[[], bool]:
    """The function that says whether a transformation of ``torch.func`` is at work."""
    import torch

    # private to PyTorch, and only for speed: without it the way through the transformations is taken always
    return getattr(torch._C, "_are_functorch_transforms_active", lambda: True)


def _make_derivative() -> Any:
    """The function (call, mode, places, parameters, vectors) -> derivatives, and one that knows the first vmap."""
    import torch

    is_of_old_vmap = getattr(torch._C._functorch, "is_legacy_batchedtensor", lambda tensor: False)
    loop, from_numpy = _make_loop(), torch.from_numpy

    class Gate(torch.autograd.Function):  # type: ignore[misc]
        """The identity, through which no gradient passes: reached only if a second derivative is needed."""

        generate_vmap_rule = True

        @staticmethod
        def forward(parameter: Any) -> Any:
            return parameter.view_as(parameter)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            raise DifferentiationError(TWICE)

        @staticmethod
        def jvp(ctx: Any, tangent: Any) -> Any:
            raise DifferentiationError(TWICE)

    class Derivative(torch.autograd.Function):  # type: ignore[misc]
        """(call, mode, places, *parameters, *vectors) -> derivatives.

        With the mode "vjp" the vectors are cotangents of outputs and cotangents of parameters come out, with "jvp"
        the same of tangents. The batch has the shape of `places`. The parameters are not looked at: they are there
        for PyTorch to know that the derivative depends on them.
        """

        @staticmethod
        def forward(this: Any, mode: Mode, places: Any, *tensors: Any) -> Any:
            vectors = [array_of(v) for v in tensors[len(this.batch.shapes[0]) :]]
            return tuple([from_numpy(a) for a in this.derivative(mode, places.numpy(), vectors)])

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.this, ctx.mode, places, *tensors = inputs
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(places, *tensors)
            ctx.save_for_forward(places, *tensors)

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> Any:
            places, *tensors = ctx.saved_tensors
            count = len(ctx.this.batch.shapes[0])
            parameters, vectors = tensors[:count], tensors[count:]
            other: Mode = "jvp" if ctx.mode == "vjp" else "vjp"
            found = derivative_of(ctx.this, other, places, parameters, cotangents)
            wanted = ctx.needs_input_grad[3:]
            # of the parameters' gradients it matters only that there are some: they end in `Gate`
            gates = (p.new_zeros(()).expand(p.shape) if w else None for p, w in zip(parameters, wanted, strict=False))
            parts = zip(found, vectors, wanted[count:], strict=True)
            return None, None, None, *gates, *(sum_to(f, v) if want else None for f, v, want in parts)

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            places, *tensors = ctx.saved_tensors
            count = len(ctx.this.batch.shapes[0])
            if any(t is not None for t in tangents[3 : 3 + count]):
                raise DifferentiationError(TWICE)
            return derivative_of(ctx.this, ctx.mode, places, tensors[:count], tangents[3 + count :])

        @staticmethod
        def vmap(info: Any, in_dims: Any, this: Any, mode: Mode, places: Any, *tensors: Any) -> Any:
            sizes = [len(shape) for shape in (*this.batch.shapes[0], *this.batch.sides(mode)[0])]
            rank = places.ndim - (in_dims[2] is not None)
            front = _in_front(places, in_dims[2], rank, 0)
            parts = zip(tensors, in_dims[3:], sizes, strict=True)
            if in_dims[2] is None:
                front = front.expand(info.batch_size, *front.shape)
            return derivative_of(this, mode, front, (), [_in_front(t, d, rank, own) for t, d, own in parts]), 0

    def derivative_of(
        this: TorchCall, mode: Mode, places: Any, parameters: Sequence[Any], vectors: Sequence[Any]
    ) -> Any:
        if any(v is not None and is_of_old_vmap(v) for v in vectors):
            return loop(this, mode, places, vectors)
        if torch.is_grad_enabled():
            parameters = [Gate.apply(p) for p in parameters]
        return Derivative.apply(this, mode, places, *parameters, *vectors)

    _known_signature(Derivative)
    return derivative_of, is_of_old_vmap


def _make_loop() -> Any:
    """The same for ``torch.autograd.grad(is_grads_batched=True)`` and `gradcheck`, one vector after the other.

    These two still run on PyTorch's first vmap, which knows nothing of the rules in the classes here; but it takes any
    registered operator apart, whose arguments are tensors, numbers and strings.
    """
    import torch

    calls: WeakValueDictionary[int, Any] = WeakValueDictionary()
    schema = "(int key, str mode, Tensor places, Tensor vectors) -> Tensor"

    def derivative(key: int, mode: str, places: Any, vectors: Any) -> Any:
        rows = vectors.reshape(places.numel(), vectors.shape[-1]).numpy()
        found = calls[key].call.derivative(mode, places.reshape(-1).numpy(), rows)
        return torch.from_numpy(found).reshape(*places.shape, found.shape[1])

    operator = torch.library.custom_op("optangent::derivative", derivative, mutates_args=(), schema=schema)

    def loop(this: TorchCall, mode: Mode, places: Any, vectors: Sequence[Any]) -> Any:
        calls[id(this)] = this
        given, wanted = this.batch.sides(mode)
        parts = [
            torch.zeros(*places.shape, math.prod(shape), dtype=torch.float64)
            if v is None
            else v.cpu().double().expand(places.shape + shape).reshape(*places.shape, math.prod(shape))
            for v, shape in zip(vectors, given, strict=True)
        ]
        flat = operator(id(this), mode, places, torch.cat(parts, -1))
        sizes = [math.prod(shape) for shape in wanted]
        return [part.reshape(places.shape + shape) for part, shape in zip(flat.split(sizes, -1), wanted, strict=True)]

    return loop


def _known_signature(function: Any) -> None:
    """Spare PyTorch looking it up at every call, which takes as long as solving a tiny program."""
    function.forward.__signature__ = inspect.signature(function.forward)
