"""Difference quotients of the outputs of a model in one of its numbers, at several steps, and what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from ...modelkit.arrays import FloatArray

__all__ = ["Judgement", "Slopes"]

_CAUTION = 10.0
"""How many times its estimated error a difference may be off."""


@final
@dataclass(frozen=True, slots=True)
class Judgement:
    """Of each output: the derivative and the difference it is compared to, and whether errors have an explanation.

    Attributes
    ----------
    difference, error : (outputs,), the error relative to one plus the difference; nan where nothing could be solved
    unsolved : whether there is no difference at all
    noisy, kinked : (outputs,) whether the errors of the outputs, or different slopes on both sides, explain the error
    """

    difference: FloatArray
    error: FloatArray
    unsolved: bool
    noisy: NDArray[np.bool_]
    kinked: NDArray[np.bool_]


@final
@dataclass
class Slopes:
    """Differences gathered step by step.

    Parameters
    ----------
    derivative : (outputs,), which is put to the test
    start : (outputs,) at the present number
    noise : (outputs,), how far outputs may be off
    tolerance : relative error up to which a derivative agrees
    """

    derivative: FloatArray
    start: FloatArray
    noise: FloatArray
    tolerance: float
    _steps: list[float] = field(default_factory=list)
    _central: list[FloatArray] = field(default_factory=list)
    _right: list[FloatArray] = field(default_factory=list)
    _left: list[FloatArray] = field(default_factory=list)

    def add(self, step: float, above: FloatArray | None, below: FloatArray | None) -> bool:
        """Add outputs a step up and down, None where there are none; whether all derivatives agree by now."""
        if above is None or below is None:
            return False
        self._steps.append(step)
        self._central.append((above - below) / (2.0 * step))
        self._right.append((above - self.start) / step)
        self._left.append((self.start - below) / step)
        return bool((self._errors().min(axis=0) <= self.tolerance).all())

    def _errors(self) -> FloatArray:
        """Of each step and output."""
        central = np.array(self._central)
        return np.asarray(np.abs(self.derivative - central) / (1.0 + np.abs(central)))

    def judge(self) -> Judgement:
        """What the differences say."""
        n = len(self.start)
        none = np.zeros(n, bool)
        if not self._steps:
            nothing = np.full(n, np.nan)
            return Judgement(nothing, nothing, True, none, none)
        self._sort()
        errors, every = self._errors(), np.arange(n)
        agree = errors.min(axis=0) <= self.tolerance
        at = np.where(agree, errors.argmin(axis=0), self._trusted())
        error, difference = errors[at, every], np.array(self._central)[at, every]
        far = np.abs(self.derivative - difference)
        noisy = ~agree & (far <= _CAUTION * self.noise / np.array(self._steps)[at])
        return Judgement(difference, error, False, noisy, ~agree & ~noisy & self._kinked())

    def _sort(self) -> None:
        """The largest step first."""
        order = np.argsort(self._steps)[::-1].tolist()
        for values in (self._steps, self._central, self._right, self._left):
            values[:] = [values[k] for k in order]

    def _trusted(self) -> NDArray[np.int64]:
        """The step of each output to believe: the largest, unless a smaller one says otherwise and not by noise."""
        at = np.zeros(len(self.start), np.int64)
        every = np.arange(len(self.start))
        central = np.array(self._central)
        for k in range(1, len(self._steps)):
            now = central[at, every]
            doubt = _CAUTION * self.noise / self._steps[k] + self.tolerance * (1.0 + np.abs(now))
            at = np.where(np.abs(now - central[k]) > doubt, k, at)
        return at

    def _kinked(self) -> NDArray[np.bool_]:
        """Whether the derivative lies between different slopes on both sides, at the smallest step that can tell."""
        found = np.zeros(len(self.start), bool)
        settled = found.copy()
        for step, central, right, left in reversed(
            list(zip(self._steps, self._central, self._right, self._left, strict=True))
        ):
            gap, doubt = np.abs(right - left), _CAUTION * self.noise / step
            can_tell = doubt <= 0.1 * np.maximum(gap, self.tolerance * (1.0 + np.abs(central)))
            slack = doubt + self.tolerance * (1.0 + np.abs(central))
            low, high = np.minimum(left, right) - slack, np.maximum(left, right) + slack
            apart = gap > _CAUTION * slack
            inside = (low <= self.derivative) & (self.derivative <= high)
            found = np.where(can_tell & ~settled, apart & inside, found)
            settled |= can_tell
        return found
