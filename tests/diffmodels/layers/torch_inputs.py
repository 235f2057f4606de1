"""Tensors for the tests of PyTorch's layer; they are skipped where PyTorch is not installed."""

from __future__ import annotations

from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="make test installs PyTorch, pip install optangent[test] does not")

BATCH = ((2, 3, 4), (3,), (2, 4))
"""Of G, h and q of `small_models.projection`: h is shared."""


def tensors(*shapes: tuple[int, ...], dtype: Any = torch.float64, grad: bool = True) -> list[Any]:
    """Random tensors, the same at every call."""
    source = torch.Generator().manual_seed(0)
    return [torch.randn(s, generator=source, dtype=torch.float64).to(dtype).requires_grad_(grad) for s in shapes]
