"""Placeholder until the engine's version lands."""
from typing import Any
import numpy as np
def is_positive_semidefinite(P: Any) -> bool:
    d = P.toarray() if hasattr(P, "toarray") else np.asarray(P)
    return bool(np.linalg.eigvalsh(d).min(initial=0.0) >= -1e-9 * max(1.0, np.abs(d).max(initial=0.0)))
