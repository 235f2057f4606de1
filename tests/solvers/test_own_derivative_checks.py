"""The checks for solvers that differentiate themselves find what is wrong with one, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

import optangent as ot

from ..self_differentiating import SUBJECTS, TRUNCATED, WRONG, OfPoint, Subject, with_derivatives

FOUND = {
    "TooLong": {"equations", "units", "differences", "what is not there", "SecondOrderCone"},
    "NotTransposed": {"equations", "units", "what is not there", "SecondOrderCone"},
    "Elsewhere": {"equations", "units", "differences", "what is not there", "SecondOrderCone"},
    "Overconfident": {"equations", "units", "what is not there"},
}


def failing(make: Any) -> dict[str, str]:
    """The checks of derivatives that fail, with their words."""
    failed = {}
    for check in ot.testing.solver_checks(make, seeds=2):
        if check.name.startswith("derivatives: "):
            try:
                check.run()
            except AssertionError as error:
                failed[check.name.removeprefix("derivatives: ")] = str(error)
    return failed


@pytest.mark.parametrize("subject", [*SUBJECTS, *TRUNCATED], ids=str)
def test_what_is_right_passes(subject: Subject) -> None:
    """Nothing is found where nothing is wrong."""
    assert failing(subject.make) == {}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found(wrong: str) -> None:
    """By the checks that are meant for it."""
    assert failing(WRONG[wrong]).keys() == FOUND[wrong]


def test_a_solver_without_derivatives_has_no_such_checks() -> None:
    """They are asked of those alone that say that they differentiate."""
    assert not failing(ot.solvers.HiGHS)
    assert not any("derivatives" in check.name for check in ot.testing.solver_checks(ot.solvers.HiGHS))


def test_what_a_derivative_must_have() -> None:
    """A status that is no derivative's at a smooth solution, arrays of other shapes, numbers that are not finite."""

    class Unsure(OfPoint):
        def __init__(self, form: Any, result: Any) -> None:
            super().__init__(form, result)
            self.status = ot.DifferentiationStatusCode.WEAKLY_ACTIVE

    class Short(OfPoint):
        def __init__(self, form: Any, result: Any) -> None:
            super().__init__(form, result)
            self.y = self.y[1:]

    class Moves(OfPoint):
        def push(self, primal: Any, slots: Any) -> Any:
            dx, dy = super().push(primal, slots)
            return dx[:, 0], dy

    words = {Unsure: "its status is WEAKLY_ACTIVE", Short: "y of a derivative is a finite array", Moves: "shapes"}
    for wrong, expected in words.items():
        assert expected in failing(with_derivatives(wrong))["what is not there"]
