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

    def rays(self) -> Any:
        """The proof that there is no solution: multipliers of an infeasible model, the direction of an unbounded one.

        Returns
        -------
        Ray
            With ``names``, ``indices``, ``values`` (the largest of size 1) and ``texts``: of constraints if the model
            is infeasible, of variables if it is unbounded. ``gain`` is by how much the constraints contradict
            themselves when they are added up, or the objective improves with each step. Entries below a millionth of
            the largest are left out. ``to_frame()`` is a table, and printed it is all in words.

        Raises
        ------
        NotOptimized
            If the model has not been solved, or the solver has left no certificate, as branch and bound does.
        NotAllowed
            If there is a solution.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> buy, sell = model.add_variable("buy", lower=0), model.add_variable("sell", lower=0)
        >>> stock = model.add_constraint(sell <= buy + 10, name="stock")
        >>> model.maximize(5 * sell - 4 * buy)
        >>> model.optimize()
        >>> model.rays()
        buy grows by 1, sell grows by 1: with each such step, which no constraint ever ends, the objective grows by 1.
        To end it, give buy an upper bound or sell an upper bound, or a constraint on them.
        >>> demand = model.add_constraint(sell - buy >= 15, name="demand")
        >>> model.optimize()
        >>> model.rays()
        No point satisfies these. Times their multipliers, what they say adds up to 0 >= 5:
                  -1  stock   sell - buy <= 10
                   1  demand  sell - buy >= 15
        """
        return self.explainer(self).rays()

    def relax(self, constraints: Any = None, penalties: Any = None, norm: int = 1, *, weight: float = 0.0) -> Any:
        """The least change of rows that makes the model feasible, and the closest feasible solution.

        Each chosen row gets a slack, and the penalized sum of these, or of their squares, is made as small as possible.
        The model is left as it is; it need not have been solved.

        Parameters
        ----------
        constraints : those that may move, one or several
            Without, all that are no bounds of single variables; bounds move where they are chosen. A constraint in a
            box moves by its sides, one in a cone by what is added to the rows of its function. What makes a variable
            integer cannot move.
        penalties : of a unit (or the square of it): a number, one for each constraint, or a dictionary
            1 where none is given. A constraint that should rather not move is expensive.
        norm : 1 or 2
            With 1 few rows move; with 2 the change is spread, unique, and differentiable in the data.
        weight : how much the model's own objective counts beside the changes
            0 counts the changes alone. With a little of it the point is the best of the closest ones.

        Returns
        -------
        Relaxation
            ``changes``, each with ``name``, ``side``, ``value``, ``needed``, ``change``, ``price`` (what a unit more of
            the side would save), ``cost``, ``index`` and ``row``; their ``total``; ``values`` of the variables at the
            closest feasible point, and ``value(x)``; ``to_frame()``. ``model`` is the relaxed model, solved, with
            derivatives; ``changed()`` a copy of this model with the changes made, to be optimized.

        Raises
        ------
        NotAllowed
            If there is no feasible point however much these rows move.
        NotOptimized
            If the solver does not find the least change.
        InvalidData, InvalidIndex
            If the constraints, penalties, norm or weight are none.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> beds, doctors = model.add_variable("beds", lower=0, upper=90), model.add_variable("doctors", lower=0)
        >>> staff = model.add_constraint(beds <= 6 * doctors, name="staff")
        >>> patients = model.add_constraint(beds >= 60, name="patients")
        >>> budget = model.add_constraint(beds + 20 * doctors <= 250, name="budget")
        >>> model.relax([patients, budget])
        These changes make it feasible, at a cost of 2.30769:
          patients  60 -> 57.6923 (lower)
        >>> relaxation = model.relax([patients, budget], penalties={patients: 10.0})
        >>> relaxation
        These changes make it feasible, at a cost of 10:
          budget  250 -> 260 (upper)
        >>> relaxation.values
        {'beds': 60.0, 'doctors': 10.0}
        """
        return self.explainer(self).relax(constraints, penalties, norm, weight=weight)
