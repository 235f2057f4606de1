"""How a `Model` without a solution is asked why there is none."""

from __future__ import annotations

from typing import Any, ClassVar

from .abstract_explainer import AbstractExplainer

__all__ = ["Diagnosed"]


class Diagnosed:
    """What a model says of there being no solution, by the user's names."""

    explainer: ClassVar[type[AbstractExplainer]]
    """Who answers; the package's face sets it."""

    def conflict(self, *, time_limit: float | None = None, progress: Any = None) -> Any:
        """Why there is no solution: constraints and bounds that cannot hold together, none of them needlessly.

        Of models that a solver takes, with cones and integers too. Of a box the sides are looked at one by one, and of
        ``A @ x <= b`` the rows; of other constraints the whole; that a variable is integer or binary is a member by
        itself. There may be several such conflicts; this is one of them. The model is left as it is.

        Parameters
        ----------
        time_limit : seconds
            When they are over, what is known to be in conflict by then is returned.
        progress : True, or a callable ``progress(done, total)``
            Told how many of the candidates are decided.

        Returns
        -------
        Conflict
            A sequence of members with ``name``, ``what`` ("constraint", "bound", "integrality"), ``side``, ``says``,
            ``index`` and ``row``; ``constraints``, their indices; ``to_frame()``; ``irreducible``, whether the solver
            proved for each that the others have a common point, and if not the ``reason``; ``seconds`` and ``solves``.

        Raises
        ------
        NotOptimized
            If the model has not been solved, or the solver cannot tell whether there is a feasible point.
        NotAllowed
            If there is one.

        Notes
        -----
        What is not proved does not count: where a solve ends in doubt, the member stays, and ``irreducible`` is False.
        Without bounds, branch and bound may go on for ever; a solve with integers is given up after ten times as long
        as the first one took, ten seconds at least.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> beds, doctors = model.add_variable("beds", lower=0, upper=90), model.add_variable("doctors", lower=0)
        >>> staff = model.add_constraint(beds <= 6 * doctors, name="staff")
        >>> patients = model.add_constraint(beds >= 60, name="patients")
        >>> budget = model.add_constraint(beds + 20 * doctors <= 250, name="budget")
        >>> model.optimize()
        >>> model.termination_status().name
        'INFEASIBLE'
        >>> conflict = model.conflict()
        >>> conflict
        These 3 cannot hold together, and without any one of them the others can:
          staff     beds - 6 doctors <= 0
          budget    beds + 20 doctors <= 250
          patients  beds >= 60
        >>> conflict.irreducible, conflict.constraints == [staff, budget, patients]
        (True, True)
        """
        return self.explainer(self).conflict(time_limit=time_limit, progress=progress)
