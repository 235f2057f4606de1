"""What all benchmarks measure with: seconds, relative errors, and a module by its path."""

from __future__ import annotations

import importlib.util
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def load(path: Path) -> Any:
    """A module by its path, such as that of the shared workloads."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds and answer of a call."""
    start = time.perf_counter()
    answer = run()
    return time.perf_counter() - start, answer


def relative(found: Any, expected: Any) -> float:
    """Relative error in the Euclidean norm, over all entries."""
    expected = np.asarray(expected)
    difference = np.reshape(np.asarray(found, np.float64), expected.shape) - expected
    return float(np.linalg.norm(difference) / np.linalg.norm(expected))
