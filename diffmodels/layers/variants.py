"""The same model in front of another solver, or with fewer threads."""

from __future__ import annotations

import copy
from typing import Any

from ...modelkit import attributes as attr
from ...modelkit.errors import InvalidData

__all__ = ["variant"]


def variant(model: Any, solver: Any = None, threads: int | None = None) -> Any:
    """A copy of a model, with the same indices.

    Parameters
    ----------
    model : Model with a `diff_optimizer`
    solver : solver class or callable without arguments, the model's own if None
    threads : how many the solver may use, unless the user has said so or it has no such option

    Raises
    ------
    InvalidData
        If the solver is neither.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> x = model.add_variable(lower=2.0)
    >>> model.minimize(1.0 * x)
    >>> other = variant(model, ot.solvers.Clarabel)
    >>> other.optimize()
    >>> other.value(x), other.get(ot.SolverName())
    (2.0, 'Clarabel')
    """
    if solver is not None and not callable(solver):
        raise InvalidData(
            f"retry takes solver classes or callables that make a solver, got {solver!r}. "
            "Options go into a lambda: retry=[lambda: ot.solvers.SCS(...)]."
        )
    made = None if solver is None else solver()
    if made is not None and not (hasattr(made, "abilities") and callable(getattr(made, "solve", None))):
        raise InvalidData(f"retry takes solver classes or callables that make a solver; {solver!r} made {made!r}.")
    other = copy.deepcopy(model)
    if made is not None:
        other.meta_solver.reset_optimizer(made)
    if threads is not None and other.supports(attr.NumberOfThreads()) and other.get(attr.NumberOfThreads()) is None:
        other.set(attr.NumberOfThreads(), threads)
    return other
