"""What holds for every test: no windows, no time limits on generated examples, one way to print arrays."""

import os

import hypothesis
import numpy as np
import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Fix what would otherwise differ between machines; arrays print as in a fresh interpreter."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    hypothesis.settings.register_profile("optangent", deadline=None)
    hypothesis.settings.load_profile("optangent")
    np.set_printoptions(precision=8, threshold=1000, linewidth=75, suppress=False, legacy=False)
