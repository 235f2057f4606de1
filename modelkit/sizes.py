"""How large numbers are, and how large compared with others."""

from __future__ import annotations

from typing import Any

import numpy as np

from .arrays import FloatArray

__all__ = ["largest_entries", "largest_size", "ratio"]


def ratio(sizes: FloatArray | float, scales: FloatArray | float) -> FloatArray:
    """Sizes relative to scales; zero of zero is zero."""
    sizes, scales = np.asarray(sizes, np.float64), np.asarray(scales, np.float64)
    with np.errstate(over="ignore"):  # of numbers that are not comparable: infinity is right
        return np.where(sizes > 0.0, sizes / np.where(scales > 0.0, scales, np.finfo(np.float64).tiny), 0.0)


def largest_size(values: FloatArray) -> float:
    """The largest absolute value; zero of none."""
    return float(max(values.max(initial=0.0), -values.min(initial=0.0)))  # an array of sizes would cost more


def largest_entries(matrix: Any) -> FloatArray:
    """The largest size of an entry of each row."""
    found: FloatArray = abs(matrix).max(axis=1).toarray().ravel() if matrix.nnz else np.zeros(matrix.shape[0])
    return found
