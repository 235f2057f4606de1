"""The suite that every solver of forms passes, for wrappers in other distributions to run on themselves.

`check_solver` runs all of it; `solver_checks` gives it check by check, to be parametrized over.
"""

from .answers import check_infeasible, check_solution, check_unbounded
from .programs import CONES, form_of, random_form, with_cones
from .suite import Check, check_solver, solver_checks

__all__ = [
    "CONES",
    "Check",
    "check_infeasible",
    "check_solution",
    "check_solver",
    "check_unbounded",
    "form_of",
    "random_form",
    "solver_checks",
    "with_cones",
]
