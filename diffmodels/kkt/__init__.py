"""The KKT system: what is asked of it (`system`), factorizations and iterations, and the choice (`linear_algebra`)."""

from .factorization import KKTFactorization
from .fixing import with_units
from .krylov import KrylovSystem, RowOperator
from .linear_algebra import DirectKKT, IterativeKKT, automatic, choose, with_bounds
from .system import ACCEPTED_RESIDUAL, KKTSystem, Mask

__all__ = [
    "ACCEPTED_RESIDUAL",
    "DirectKKT",
    "IterativeKKT",
    "KKTFactorization",
    "KKTSystem",
    "KrylovSystem",
    "Mask",
    "RowOperator",
    "automatic",
    "choose",
    "with_bounds",
    "with_units",
]
