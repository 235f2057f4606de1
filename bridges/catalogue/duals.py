"""Dual exponential and dual power cones are linear images of the primal ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...modelkit.sets import DualExponentialCone, DualPowerCone, ExponentialCone, PowerCone
from ..declare import ConeBridge, Part, entries

__all__ = ["DualExponentialToPrimal", "DualPowerToPrimal", "ExponentialToDual", "PowerToDual"]


class DualExponentialToPrimal(ConeBridge):
    """``-u exp(v / u) <= e w, u < 0  <=>  (u - v, -u, w) in Exponential``: (-u) exp((u - v) / (-u)) <= w.

    V. Chandrasekaran, P. Shah, *Relative entropy optimization and its applications*, Mathematical Programming 161
    (2017), section 1.
    """

    source = DualExponentialCone
    into = (ExponentialCone,)

    def parts(self, S: DualExponentialCone) -> Sequence[Part]:
        """A = [1 -1 0; -1 0 0; 0 0 1]."""
        return [Part([ExponentialCone()], entries((3, 3), ([0, 0, 1, 2], [0, 1, 0, 2], [1.0, -1.0, -1.0, 1.0])))]


class ExponentialToDual(ConeBridge):
    """The reverse: ``y exp(x / y) <= z, y > 0  <=>  (-y, -x - y, z) in DualExponential``."""

    source = ExponentialCone
    into = (DualExponentialCone,)

    def parts(self, S: ExponentialCone) -> Sequence[Part]:
        """A = [0 -1 0; -1 -1 0; 0 0 1]."""
        return [Part([DualExponentialCone()], entries((3, 3), ([0, 1, 1, 2], [1, 0, 1, 2], [-1.0, -1.0, -1.0, 1.0])))]


class DualPowerToPrimal(ConeBridge):
    """``(u / a)^a (v / (1 - a))^(1 - a) >= |w|  <=>  (u / a, v / (1 - a), w) in PowerCone(a)``."""

    source = DualPowerCone
    into = (PowerCone,)

    def parts(self, S: Any) -> Sequence[Part]:
        """A = diag(1 / a, 1 / (1 - a), 1)."""
        a = S.exponent
        return [Part([PowerCone(a)], entries((3, 3), ([0, 1, 2], [0, 1, 2], [1.0 / a, 1.0 / (1.0 - a), 1.0])))]


class PowerToDual(ConeBridge):
    """The reverse: ``x^a y^(1 - a) >= |z|  <=>  (a x, (1 - a) y, z) in DualPowerCone(a)``."""

    source = PowerCone
    into = (DualPowerCone,)

    def parts(self, S: Any) -> Sequence[Part]:
        """A = diag(a, 1 - a, 1)."""
        a = S.exponent
        return [Part([DualPowerCone(a)], entries((3, 3), ([0, 1, 2], [0, 1, 2], [a, 1.0 - a, 1.0])))]
