"""The hierarchy of errors: each is met by something that a user can write, and the list is complete."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

import optangent as ot
from optangent.modelkit import errors

from .known_model import FOREIGN, FOREIGN_ROW, OTHER, Model


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its library a solver says what to install."""
    original = importlib.import_module

    def without(name: str, package: str | None = None) -> Any:
        if name == "osqp":
            raise ImportError("not here")
        return original(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    model = ot.Model(ot.solvers.OSQP)
    model.minimize(model.add_variable(lower=0.0))
    with pytest.raises(ot.MissingDependency, match="pip install"):
        model.optimize()


def _not_allowed() -> None:
    cache = ot.MetaSolver(ot.solvers.HiGHS(), mode=ot.CachingOptimizerMode.MANUAL)
    x = cache.add_variable()
    cache.add_constraint(x, ot.GreaterThan(0.0))
    cache.add_constraint(x, ot.GreaterThan(1.0))


def _unsupported_objective() -> None:
    class OnlyAffine(ot.solvers.Clarabel):  # type: ignore[misc]
        """A solver that takes no quadratic objective."""

        abilities = replace(ot.solvers.Clarabel.abilities, quadratic_objective=False)

    model = ot.Model(OnlyAffine)
    x = model.add_variable()
    model.minimize(x * x)


def _closed_pool() -> None:
    with ThreadPoolExecutor(1) as pool:
        pass
    ot.distributed.ConsensusLeastSquares([lambda: ([[1.0]], [1.0])], pool)


def _read_nothing() -> None:
    with tempfile.NamedTemporaryFile(suffix=".mps") as file:
        ot.read(file.name)


TRIGGERS: dict[type[Exception], Callable[[], Any]] = {
    ot.InvalidIndex: lambda: Model("HiGHS").m.value(FOREIGN),
    ot.InvalidData: lambda: ot.LessThan("x"),  # type: ignore[arg-type]
    ot.MalformedFile: _read_nothing,
    ot.DimensionMismatch: lambda: ot.Model().add_constraint(FOREIGN, ot.Zeros(1)),
    ot.NonconvexObjective: lambda: _solve(lambda m, x: m.minimize(-x * x)),
    ot.UnsupportedConstraint: lambda: ot.Model(ot.solvers.OSQP).add_variable(integer=True),
    ot.UnsupportedObjective: lambda: _unsupported_objective(),
    ot.UnsupportedAttribute: lambda: ot.Model(ot.solvers.HiGHS).set(ot.RawOptimizerAttribute("x"), 1),
    ot.UnsupportedModification: lambda: OTHER.set(ot.ConstraintSet(), FOREIGN_ROW, ot.LessThan(1.0)),
    ot.BoundAlreadySet: _not_allowed,
    ot.NotOptimized: lambda: ot.Model().optimize(),
    ot.WorkerLost: _closed_pool,
    ot.DifferentiationError: lambda: ot.Model().forward_differentiate(),
}


def _solve(state: Any) -> None:
    model = ot.Model(ot.solvers.Clarabel)
    x = model.add_variable(lower=0.0)
    state(model, x)
    model.optimize()


@pytest.mark.parametrize("error", TRIGGERS, ids=lambda e: e.__name__)
def test_every_error_can_be_met(error: type[Exception]) -> None:
    """Each class of the hierarchy is raised by something that a user can write."""
    with pytest.raises(error) as caught:
        TRIGGERS[error]()
    assert type(caught.value) is error


def test_the_list_of_errors_is_complete() -> None:
    """Every leaf and inner class is met above, apart from the three families that only group others."""
    families = {ot.OptangentError, ot.Unsupported, ot.NotAllowed}
    met = set(TRIGGERS) | {ot.MissingDependency}
    assert {getattr(errors, name) for name in errors.__all__} == met | families
    assert all(issubclass(e, ot.OptangentError) for e in met)
    assert issubclass(ot.InvalidData, ValueError) and issubclass(ot.InvalidIndex, LookupError)
