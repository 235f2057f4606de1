"""Cones whose projection and its derivative are known: those that conic programs are differentiated through."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import FloatArray
from .abstract_set import VectorSet
from .spectrum import KINK_TOLERANCE, Spectrum, checked_points

__all__ = ["MoreauCone", "NativeCone"]


class NativeCone(VectorSet):
    """A closed convex cone with its Euclidean projection, vectorized over k points.

    Class attributes
    ----------------
    is_product : whether the cone is a product of equal cones in R (then one row can be treated by itself).
    """

    __slots__ = ()
    is_product: ClassVar[bool] = False

    @abstractmethod
    def project(self, points: ArrayLike) -> FloatArray:
        """The nearest points of the cone.

        Parameters
        ----------
        points : array of shape (k, dimension)

        Returns
        -------
        array of shape (k, dimension); a member is its own projection, bit for bit.
        """

    @abstractmethod
    def spectrum(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> Spectrum:
        """The derivatives of the projection at the points.

        At a kink it is one element of the generalized Jacobian: of a member of the cone the identity, else of
        a member of the polar cone zero.

        Parameters
        ----------
        points : array of shape (k, dimension)
        tolerance, scale : number; number or array of shape (k,)
            A point v is on a kink if one lies within ``tolerance * max(norm(v), scale)``. With scale zero only
            the origin itself is near the origin: pass the size of the data where zero means "small".
        """

    def kinked(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> Spectrum:
        """The one-sided derivatives of the projection at kinks that the points lie on.

        In the axes of a kink a move is projected, in the others multiplied by δ (J. F. Bonnans, A. Shapiro,
        *Perturbation Analysis of Optimization Problems*, 2000, section 3.3.5: onto the critical cone). A single axis is
        a half-line of nonnegative moves; what several ones are, the kinds of spectra tell.

        Parameters
        ----------
        points, tolerance, scale : as for `spectrum`
        """
        return self.spectrum(points, tolerance=tolerance, scale=scale)

    def kinked_dual(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> Spectrum:
        """The same for the projection onto the dual cone: the same U, and 1 - δ(-v)."""
        return self.kinked(-np.asarray(points, np.float64), tolerance=tolerance, scale=scale).complement()

    def project_dual(self, points: ArrayLike) -> FloatArray:
        """The nearest points of the dual cone: v + Π(-v) (Moreau 1962)."""
        v = np.asarray(points, np.float64)
        return v + self.project(-v)

    def spectrum_dual(
        self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0
    ) -> Spectrum:
        """The derivatives of the projection onto the dual cone: the same U, and 1 - δ(-v)."""
        return self.spectrum(-np.asarray(points, np.float64), tolerance=tolerance, scale=scale).complement()

    def _distance(self, x: FloatArray) -> float:
        return float(np.linalg.norm(x - self.project(x[None])[0]))


class MoreauCone(NativeCone):
    """A cone whose projection is known by that of its dual cone."""

    __slots__ = ()

    @abstractmethod
    def dual_set(self) -> NativeCone:
        """The dual cone."""

    def project(self, points: ArrayLike) -> FloatArray:
        """V + Π(-v) with the projection Π of the dual cone."""
        return self.dual_set().project_dual(checked_points(points, self.dimension, repr(self)))

    def spectrum(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> Spectrum:
        """1 - δ(-v) in the frame of the dual cone."""
        v = checked_points(points, self.dimension, repr(self))
        return self.dual_set().spectrum_dual(v, tolerance=tolerance, scale=scale)

    def kinked(self, points: ArrayLike, *, tolerance: float = KINK_TOLERANCE, scale: ArrayLike = 0.0) -> Spectrum:
        """1 - δ(-v) in the axes of the dual cone."""
        v = checked_points(points, self.dimension, repr(self))
        return self.dual_set().kinked_dual(v, tolerance=tolerance, scale=scale)
