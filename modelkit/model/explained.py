"""How a `Model` is asked what its solution means: until when prices hold, what moves it, why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ..indices import ConstraintIndex
from .abstract_explainer import AbstractExplainer

__all__ = ["Explained"]


class Explained:
    """What a model says of its solution, in tables by the user's names."""

    explainer: ClassVar[type[AbstractExplainer]]
    """Who answers; the package's face sets it."""

    def ranges(self) -> Any:
        """How far each right-hand side, bound, cost and parameter can move before the active constraints change.

        Of linear and convex quadratic programs. As long as the same constraints are active, solution and duals move
        linearly with the number, so the dual (the *slope* of the optimal value) of a linear program stays what it is.

        Returns
        -------
        DataFrame
            A row for each side of a constraint and of a variable's bounds, for the linear cost of each variable, and
            for each parameter that stands in right-hand sides and costs alone. Columns: ``what``, ``name``, ``side``;
            ``value``; ``slope``, the derivative of the optimal value; ``low`` and ``high``, between which the active
            constraints stay; ``objective_low`` and ``objective_high``, the optimal value there; ``at_low`` and
            ``at_high``, which constraint then enters or leaves the active ones; ``note``, "degenerate: of one basis"
            where another basis of the same solution has other ranges.

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.
        Unsupported
            Of a model with cones.

        Notes
        -----
        Where more constraints hold with equality than determine the solution, the ranges are those of a *basis*, as
        the simplex method has it, and may be empty on one side though the price holds longer by another basis.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> tables, chairs = model.add_variable("tables", lower=0), model.add_variable("chairs", lower=0)
        >>> wood = model.add_constraint(4 * tables + 1 * chairs <= 40, name="wood")
        >>> hours = model.add_constraint(2 * tables + 2 * chairs <= 50, name="hours")
        >>> model.maximize(30 * tables + 12 * chairs)
        >>> model.optimize()
        >>> table = model.ranges().set_index("name")
        >>> table.loc[["wood", "hours"], ["value", "slope", "low", "high", "at_high"]].round(3)
               value  slope   low   high                         at_high
        name
        wood    40.0    6.0  25.0  100.0  lower bound of chairs enters
        hours   50.0    3.0  20.0   80.0  lower bound of tables enters
        """
        return self.explainer(self).ranges()

    def path(self, parameter: Any, start: float, stop: float) -> Any:
        """The exact solution as a function of one parameter, with all breakpoints.

        Of linear and convex quadratic programs, in a parameter that stands in right-hand sides and costs alone: there
        the solution is piecewise linear. The model itself is left as it is.

        Parameters
        ----------
        parameter : a parameter of the model
        start, stop : from where to where

        Returns
        -------
        SolutionPath
            With ``breakpoints``, and ``values(t)``, ``duals(t)``, ``objective(t)`` and ``slope(t)`` at any t between;
            ``variables`` and ``rows`` name the entries of the first two; ``to_frame()`` has a row for each piece;
            ``plot(ax, of="values")`` draws it; ``ends`` says why the path ends before ``stop``, if it does.

        Raises
        ------
        InvalidIndex, InvalidData
            If that is no parameter, or stop is not larger than start.
        NotOptimized
            If there is no solution at the start.
        Unsupported
            Of a model with cones, or a parameter that multiplies variables.

        Examples
        --------
        Two generators: the cheap one alone up to its limit.

        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> a = model.add_variable("a", lower=0, upper=150)
        >>> b = model.add_variable("b", lower=0, upper=80)
        >>> demand = model.add_parameter(100.0, "demand")
        >>> balance = model.add_constraint(a + b == demand, name="balance")
        >>> model.minimize(20 * a + 30 * b)
        >>> path = model.path(demand, 10, 300)
        >>> path.breakpoints.round(9).tolist(), path.stop, path.ends[:10]
        ([150.0], 230.0, 'INFEASIBLE')
        >>> path.values([100, 200]).round(9).tolist(), path.slope([100, 200]).tolist()
        ([[100.0, 0.0], [150.0, 50.0]], [20.0, 30.0])
        """
        return self.explainer(self).path(parameter, start, stop)

    def sensitivities(self, of: Any = None) -> Any:
        """What each constraint and each parameter is worth, of the optimal value or of a chosen output.

        Parameters
        ----------
        of : optional
            An affine function of the variables; several of them, or a mapping from names to them (and to None, the
            optimal value); the optimal value by default.

        Returns
        -------
        SensitivityTable
            A row for each row of each constraint, for each bound, and for each parameter. Columns: ``what``
            ("constraint", "bound" or "parameter"), ``name``; ``value`` of the left-hand side, ``lower`` and ``upper``,
            ``slack`` (NaN of cones); ``dual``; ``influence``, the derivative of the output when the right-hand side (of
            a cone, minus the constant of the row; or the parameter) grows, and of several outputs a column for each,
            ``influence on NAME``; of linear and convex quadratic programs ``low`` and ``high``, between which the
            active constraints stay: see `ranges`. It is a DataFrame, whose ``plot`` also has ``tornado(ax)``, bars of
            what a change of each number does, and ``heatmap(ax)``, the same of several outputs in colours.

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.
        InvalidData
            If an output is no affine function of the variables.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> tables, chairs = model.add_variable("tables", lower=0), model.add_variable("chairs", lower=0)
        >>> wood = model.add_constraint(4 * tables + 1 * chairs <= 40, name="wood")
        >>> hours = model.add_constraint(2 * tables + 2 * chairs <= 50, name="hours")
        >>> model.maximize(30 * tables + 12 * chairs)
        >>> model.optimize()
        >>> columns = ["value", "slack", "influence", "low", "high"]
        >>> model.sensitivities().set_index("name").loc[["wood", "hours"], columns].round(3)
               value  slack  influence   low   high
        name
        wood    40.0    0.0        6.0  25.0  100.0
        hours   50.0    0.0        3.0  20.0   80.0
        >>> model.sensitivities(of=chairs).set_index("name").loc["hours", "influence"].round(3)
        np.float64(0.667)
        >>> both = model.sensitivities(of={"profit": None, "pieces": tables + chairs})
        >>> both.set_index("name").loc[["wood", "hours"], ["influence on profit", "influence on pieces"]].round(3)
               influence on profit  influence on pieces
        name
        wood                   6.0                  0.0
        hours                  3.0                  0.5
        """
        return self.explainer(self).sensitivities(of)

    def predict(self, changes: Any) -> Any:
        """What the solution would be after a change, without a solve, and how far that holds.

        By the derivative at the solution. For changes of right-hand sides and costs of a linear or convex quadratic
        program the prediction is exact until the active constraints change.

        Parameters
        ----------
        changes : mapping
            From parameters, or constraints in `LessThan`, `GreaterThan` or `EqualTo` (bounds among them), to their new
            numbers.

        Returns
        -------
        Prediction
            ``value(x)``, ``dual(c)`` and ``objective`` after the change; ``validity``, the part of the change for which
            the active constraints stay, and ``event``, what ends it; ``error``, an estimate of the largest error of a
            value, relative to the largest value; ``to_frame()``. With cones and quadratic constraints solutions move
            along a curve: ``validity`` is where, along the tangent, a cone has a kink, and ``error`` tells of the bend.

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.
        InvalidData, InvalidIndex
            If there is no change, or one of something that has not one number.

        Warns
        -----
        DifferentiationWarning
            If the validity is less than one.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> tables, chairs = model.add_variable("tables", lower=0), model.add_variable("chairs", lower=0)
        >>> wood = model.add_constraint(4 * tables + 1 * chairs <= 40, name="wood")
        >>> hours = model.add_constraint(2 * tables + 2 * chairs <= 50, name="hours")
        >>> model.maximize(30 * tables + 12 * chairs)
        >>> model.optimize()
        >>> model.predict({wood: 70, hours: 52})
        Prediction(objective 576; exact: the active constraints stay the same)
        """
        return self.explainer(self).predict(changes)

    def summary(self) -> Any:
        """The model at a glance: what it is, how large, and how its last solve went.

        Returns
        -------
        Lines
            Printed as lines and as a table in notebooks; ``summary["status"]`` is one of them, ``to_frame()`` all.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> x = model.add_variables(3, name="x", lower=0)
        >>> c = model.add_constraint(x[0] + x[1] >= 1)
        >>> model.minimize(x @ x)
        >>> print(model.summary())
        Model
          class        quadratic program
          sense        minimize
          variables    3 (3 VariableIndex-in-GreaterThan)
          constraints  1
                       1 ScalarAffineFunction-in-GreaterThan
          status       OPTIMIZE_NOT_CALLED: the model has not been solved since it was last changed
        """
        return self.explainer(self).summary()

    def explain(self, constraint: ConstraintIndex) -> Any:
        """How a constraint gets to the solver, and how its derivative comes back, in words.

        Parameters
        ----------
        constraint : index of the constraint

        Returns
        -------
        Lines
            What it says; its way to the solver, and to the diff model where that is another one; how many rows and
            variables it was before and is after; how duals and gradients come back.

        Raises
        ------
        InvalidIndex
            If it is no constraint of the model.
        NotOptimized
            If there is no solver.

        See Also
        --------
        Model.lowering : the matrices

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> v = model.add_variables(2, name="v")
        >>> c = model.add_constraint(v, ot.NormInfinityCone(2), name="box")
        >>> print(model.explain(c))
        box
          says      [v[0], v[1]] in NormInfinityCone(2)
          to HiGHS  VectorAffineFunction-in-NormInfinityCone  by NormInfinityToLinear
                    VectorAffineFunction-in-Nonnegatives  (native)
          size      2 rows before, 2 after: in Nonnegatives(2)
        """
        return self.explainer(self).explain(constraint)

    def compare_solvers(self, solvers: Sequence[Any] | None = None) -> Any:
        """Solve and differentiate the model by each solver, and see whether they agree.

        Parameters
        ----------
        solvers : classes, or callables that make a solver; all of this library by default

        Returns
        -------
        DataFrame
            A row for each solver. Columns: ``status`` (also "not installed", or "not taken" where the model has
            something that the solver does not take); ``seconds`` of `optimize`; ``objective``; the residuals
            ``primal``, ``dual`` and ``gap``; ``derivative``, its status; ``derivative_difference``, the largest
            difference of one derivative of all variables from that of the solver with the smallest residuals,
            relative to its size; ``why`` something is missing.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.solvers.HiGHS)
        >>> x = model.add_variables(3, name="x", lower=0)
        >>> c = model.add_constraint(x[0] + x[1] >= 1)
        >>> model.minimize(x @ x)
        >>> table = model.compare_solvers([ot.solvers.Clarabel, ot.solvers.HiGHS])
        >>> table["status"].tolist(), table["derivative"].tolist(), bool((table["derivative_difference"] < 1e-9).all())
        (['OPTIMAL', 'OPTIMAL'], ['WEAKLY_ACTIVE', 'WEAKLY_ACTIVE'], True)
        """
        return self.explainer(self).compare_solvers(solvers)

    def jacobian(self, of: Any, wrt: Any) -> Any:
        """The derivative of the solution as a linear operator, outputs by data.

        Parameters
        ----------
        of : variables, affine functions of variables, constraints (their duals), or ``ObjectiveValue()``; arrays and
            lists of these
        wrt : parameters, constraints (their right-hand sides, minus the constants of their functions), variables
            (their linear costs), `Coefficients` of constraints and of the objective, quadratic ones too, or
            `SetNumbers`; arrays and lists of these. A row of a constraint, here and in `of`, is ``(c, row)``

        Returns
        -------
        Jacobian
            A ``scipy.sparse.linalg.LinearOperator`` (N, K): ``J @ V`` is forward mode and ``J.T @ U`` reverse mode, for
            vectors and for blocks of directions with one factorization; ``J.toarray()`` is the matrix, by the mode that
            takes fewer solves; ``J.to_frame()`` has names, ``J.outputs`` by ``J.data``, and ``plot.heatmap(ax)`` and
            ``plot.tornado(ax, of=...)``. Its units are those of outputs per datum.

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.
        InvalidData
            If something is no output, or no datum.

        Notes
        -----
        It belongs to the present solution, and stays that one's when the model changes.

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> x = model.add_variables(2, name="x")
        >>> p = model.add_parameters([1.0, 3.0], name="p")
        >>> c = model.add_constraint(x[0] + x[1] == 1, name="sum")
        >>> model.minimize((x - p) @ (x - p))
        >>> model.optimize()
        >>> model.jacobian(of=[x, c], wrt=[p, c]).to_frame().round(12)
                     p[0]  p[1]  right-hand side of sum
        x[0]          0.5  -0.5                     0.5
        x[1]         -0.5   0.5                     0.5
        dual of sum  -1.0  -1.0                     1.0
        """
        return self.explainer(self).jacobian(of, wrt)

    def influence(self, of: Any, data: Any) -> Any:
        """Which data points move an output: a row for each.

        Parameters
        ----------
        of : an affine function of the variables (a weight, a prediction ``w @ z + b``), or an array or list of them
        data : constraints, one for each data point, or the rows of one; or an array of parameters, (points,) or
            (points, numbers)

        Returns
        -------
        DataFrame
            A row for each data point, by name. ``influence`` is the Euclidean norm of the derivatives of all outputs in
            all numbers of the point. Of one output there is a column for each number: ``by <variable>`` for the
            coefficient of a variable that stands in at least two of the rows, and ``by constant``; of parameters
            ``by 0``, ``by 1``, ... Of several outputs there is the norm for each. ``plot.heatmap(ax)`` draws it.

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.
        InvalidData
            If something is no output, or no data point.

        Examples
        --------
        The mean of three numbers as the nearest point: each moves it by a third.

        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> mean, numbers = model.add_variable("mean"), model.add_parameters([1.0, 2.0, 6.0], name="number")
        >>> model.minimize(sum((mean - number) * (mean - number) for number in numbers))
        >>> model.optimize()
        >>> model.influence(of=mean, data=numbers).round(3)
                   influence   by 0
        number[0]      0.333  0.333
        number[1]      0.333  0.333
        number[2]      0.333  0.333
        """
        return self.explainer(self).influence(of, data)

    def diff_report(self) -> Any:
        """The certificate of the derivative at the solution: how much it can be trusted, and what is at fault.

        Returns
        -------
        DiffReport
            With ``status``; ``margin``, by how much of their own size the data have to move before the nearest
            constraint, ``nearest``, is at a kink; ``active`` rows and their ``rank``; whether the solution is
            ``unique`` and the duals are (``unique_duals``); an estimate of the ``condition`` of the equilibrated KKT
            matrix; ``refinement``, the residuals of the solver's point and of the exact one; ``linear_residual``;
            ``mismatch`` of forward and reverse mode at random directions; and ``at_fault``: rows and variables by name,
            why, and what to do. It prints as lines and as a table in notebooks; ``to_frame()`` has what is at fault.
            All of these are ratios, which no change of units changes.

        Raises
        ------
        DifferentiationError
            If there is no solution with duals.

        Notes
        -----
        The margin is that of a few random directions, with the derivative at the solution (docs/design.md, section 7).

        Examples
        --------
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> x = model.add_variable("x", lower=0)
        >>> p = model.add_parameter(0.0, "p")
        >>> model.minimize((x - p) * (x - p))
        >>> model.optimize()
        >>> report = model.diff_report()
        >>> report.status.name, report.margin, report.nearest, report.at_fault[0][0]
        ('WEAKLY_ACTIVE', 0.0, 'lower bound of x', 'lower bound of x')
        """
        return self.explainer(self).diff_report()
