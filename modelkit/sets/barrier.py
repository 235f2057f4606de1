r"""The nearest point with a barrier in the way, for cones in :math:`\mathbb R^3` without eigenvalues.

For a self-concordant barrier F of a cone and :math:`\mu > 0` the minimizer of :math:`\tfrac12 \|s - z\|^2 + \mu F(s)`
is the smoothed projection of z: s - z = -μ F'(s) is a point of the dual cone, and as F is logarithmically homogeneous
also the smoothed projection of -z onto that, with the conjugate barrier. Its derivative is :math:`(I + \mu F'')^{-1}`.

Newton's method finds it while μ falls, with steps that stay within Dikin's ellipsoid (Yu. Nesterov, *Lectures on Convex
Optimization*, 2018, section 5.2). Second derivatives are held as :math:`F'' = B^T B`, so that the singular values of B
lose no more digits than they have.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..arrays import FloatArray
from .spectrum import FrameSpectrum

__all__ = ["Barrier", "barrier_spectrum"]

Barrier = Callable[[FloatArray], tuple[FloatArray, FloatArray]]
"""From k points inside, (k, d), to the gradients (k, d) and factors B (k, r, d)."""

_LESS = 0.05
"""By what μ is multiplied from one stage to the next."""
_CLOSE = 0.25
"""Newton decrement from which full steps converge quadratically."""
_LAST = 6
"""Full steps from there to rounding errors."""
_STEPS = 1000
_LEAST = 1e-14
"""Of μ beside the square of the largest coordinate: below it s is at its limit but for rounding errors."""


def barrier_spectrum(
    barrier: Barrier, start: FloatArray, points: FloatArray, mu: float
) -> tuple[FrameSpectrum, FloatArray, FloatArray]:
    """The smoothed projections of points, and their derivatives.

    Parameters
    ----------
    barrier : of the cone
    start : (d,) some point inside
    points : (k, d)
    mu : what the barrier is multiplied by

    Returns
    -------
    The derivatives of s, s itself (k, d), and the singular values of B there (k, d).

    Examples
    --------
    >>> def logarithm(s):
    ...     return -1.0 / s, np.eye(1) / s[:, :, None]
    >>> spectrum, s, _ = barrier_spectrum(logarithm, np.ones(1), np.array([[3.0], [-3.0]]), 4.0)
    >>> s
    array([[4.],
           [1.]])
    >>> spectrum.delta
    array([[0.8],
           [0.2]])
    """
    size = np.maximum(np.abs(points).max(axis=1, initial=0.0), np.sqrt(mu))
    target = np.maximum(mu / size**2, _LEAST)
    s = size[:, None] * _minimizers(barrier, start, points / size[:, None], target)
    _, B = barrier(s)
    _, values, axes = np.linalg.svd(B, full_matrices=False)
    delta = 1.0 / (1.0 + (target * size**2)[:, None] * values**2)
    return FrameSpectrum(delta, np.zeros(delta.shape, bool), axes.transpose(0, 2, 1)), s, values


def _minimizers(barrier: Barrier, start: FloatArray, z: FloatArray, target: FloatArray) -> FloatArray:
    """Of ``½|s - z|² + μ F(s)`` for points and μ up to one."""
    s, mu, left = np.tile(start, (len(z), 1)), np.ones(len(z)), np.full(len(z), _LAST)
    eye = np.eye(z.shape[1])
    for _ in range(_STEPS):
        slope, B = barrier(s)
        gradient = s - z + mu[:, None] * slope
        step = -np.linalg.solve(eye + mu[:, None, None] * (B.transpose(0, 2, 1) @ B), gradient[:, :, None])[:, :, 0]
        decrement = np.sqrt(np.maximum(-np.einsum("ki,ki->k", gradient, step), 0.0) / mu)
        close = decrement < _CLOSE
        s = s + np.where(close, 1.0, 1.0 / (1.0 + decrement))[:, None] * step
        left -= close & (mu == target)
        if (left <= 0).all():
            break
        mu = np.where(close, np.maximum(_LESS * mu, target), mu)
    return s
