"""Tensors for sparse matrices of parameters: dense ones, and those of PyTorch's sparse layouts.

PyTorch is optional, so nothing here imports it before it is used.
"""

from __future__ import annotations

import functools
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import IntArray
from ...modelkit.errors import DimensionMismatch, InvalidData
from .patterns import Pattern
from .torch_functions import is_transformed

__all__ = ["Constant", "Entries"]


@final
class Constant:
    """An array as a tensor, which goes to each device once."""

    def __init__(self, array: NDArray[Any]) -> None:
        import torch

        self._here = torch.from_numpy(np.array(array))
        self._there: dict[Any, Any] = {}

    def on(self, device: Any) -> Any:
        """The tensor on a device."""
        import torch

        if device.type == "cpu":
            return self._here
        if torch.compiler.is_compiling():  # of which a graph is made for each device
            return self._here.to(device)
        if device not in self._there:
            self._there[device] = self._here.to(device)
        return self._there[device]

    def __reduce__(self) -> tuple[Any, ...]:
        return Constant, (self._here.numpy(),)


@final
class Entries:
    """From tensors (..., T), dense (..., m, n), or sparse, to the entries (..., T) of a pattern."""

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self._inside, self._outside = Constant(pattern.inside), Constant(pattern.outside)

    def __call__(self, tensor: Any) -> Any:
        """The entries, differentiable."""
        import torch

        pattern = self.pattern
        if tensor.layout in (torch.sparse_coo, torch.sparse_csr):
            if tuple(tensor.shape[-2:]) != pattern.shape or tensor.dense_dim():
                raise DimensionMismatch(
                    f"{pattern.name} has the shape {pattern.shape}, got a sparse tensor of shape "
                    f"{tuple(tensor.shape)} with {tensor.dense_dim()} dense dimensions."
                )
            return _of_sparse().apply(tensor, pattern)
        if tensor.layout is not torch.strided:  # in which PyTorch adds up no gradients
            raise InvalidData(f"{pattern.name} takes dense, COO and CSR tensors, got the layout {tensor.layout}.")
        return self.of_whole(tensor) if pattern.is_whole(tuple(tensor.shape)) else tensor

    def of_whole(self, tensor: Any) -> Any:
        """Those of dense matrices; where no error can be raised, numbers outside the pattern make the item NaN."""
        import torch

        flat = tensor.reshape(*tensor.shape[:-2], tensor.shape[-2] * tensor.shape[-1])
        values = flat.index_select(-1, self._inside.on(tensor.device))
        there = flat.detach().index_select(-1, self._outside.on(tensor.device))
        if torch.compiler.is_compiling() or is_transformed()():
            values = values if values.is_floating_point() else values.to(torch.get_default_dtype())
            return torch.where((there != 0).any(-1, keepdim=True), torch.nan, values)
        if bool((there != 0).any()):
            self.pattern.require_zero_outside(there.cpu().double().numpy())
        return values


@functools.cache
def _of_sparse() -> Any:
    import torch

    class OfSparse(torch.autograd.Function):  # type: ignore[misc]
        """(tensor, pattern) -> entries; the gradient has the layout and the places of the tensor."""

        @staticmethod
        def forward(ctx: Any, tensor: Any, pattern: Pattern) -> Any:
            ctx.parts, row, column, item = _parts(tensor.detach())
            values, count = ctx.parts[-1], int(np.prod(tensor.shape[:-2]))
            place = pattern.places(row, column)
            (outside,) = np.nonzero(place < 0)
            if len(outside):
                there = values.reshape(-1)[torch.from_numpy(outside).to(values.device)].cpu().double().numpy()
                pattern.require_zero(row[outside], column[outside], there)
            ctx.inside = torch.from_numpy(np.flatnonzero(place >= 0)).to(values.device)
            at = (item * pattern.size + place)[place >= 0]
            ctx.at, ctx.shape = torch.from_numpy(at).to(values.device), tuple(tensor.shape)
            flat = values.new_zeros(count * pattern.size)
            flat[ctx.at] = values.reshape(-1)[ctx.inside]
            return flat.reshape(*tensor.shape[:-2], pattern.size)

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, gradient: Any) -> Any:
            layout, indices, given = ctx.parts
            values = given.new_zeros(given.numel())
            values[ctx.inside] = gradient.reshape(-1)[ctx.at]
            values = values.reshape(given.shape)
            if layout is torch.sparse_coo:
                return torch.sparse_coo_tensor(
                    *indices, values, ctx.shape, is_coalesced=True, check_invariants=False
                ), None
            return torch.sparse_csr_tensor(*indices, values, ctx.shape, check_invariants=False), None

    return OfSparse


def _parts(tensor: Any) -> tuple[Any, IntArray, IntArray, IntArray]:
    """(layout, indices, values) of a sparse tensor, then row, column and item of each value, raveled."""
    import torch

    if tensor.layout is torch.sparse_coo:
        tensor = tensor.coalesce()
        *batch, row, column = tensor.indices().cpu().numpy()
        item = np.ravel_multi_index(batch, tensor.shape[:-2]) if batch else np.zeros(len(row), np.int64)
        return (tensor.layout, (tensor.indices(),), tensor.values()), row, column, np.asarray(item, np.int64)
    starts, column = (one.cpu().numpy().astype(np.int64) for one in (tensor.crow_indices(), tensor.col_indices()))
    counts = np.diff(starts.reshape(-1, starts.shape[-1]), axis=1)
    row = np.concatenate([np.repeat(np.arange(counts.shape[1]), of_rows) for of_rows in counts])
    item = np.repeat(np.arange(len(counts)), counts.sum(axis=1))
    return (tensor.layout, (tensor.crow_indices(), tensor.col_indices()), tensor.values()), row, column.ravel(), item
