"""A solver without a library for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ..fake_solver import Fake


@pytest.fixture
def fake() -> Callable[..., Fake]:
    """The class of fake solvers."""
    return Fake
