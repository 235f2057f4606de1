"""Numbers of a model by what they are: what derivatives are taken in that no index names by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

__all__ = ["Coefficients", "SetNumbers"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Coefficients:
    """Coefficients of functions, as data of a derivative: see `Model.jacobian` and `Model.gradients`.

    They are those of the polynomial as written out, as in ``f.coefficients(x, y)``: that of ``x * x`` in ``x * x`` is
    1, and both orders of ``x * y`` are one. A product with a parameter is one of two variables.

    Parameters
    ----------
    of : a constraint, a row of one as ``(c, row)``, several of these, or ``ObjectiveFunction()``
    x : optional, a variable or an array of them
        Whose coefficients, in each row, whether they are written there or not. By default all that are written,
        quadratic ones after linear ones, each product once.
    y : optional, a variable or as many as x
        For the coefficients of the products ``x[i] * y[i]``.

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> x, y = model.add_variable("x"), model.add_variable("y", lower=0.0)
    >>> c = model.add_constraint(2 * x + y >= 3, name="c")
    >>> model.minimize(x * x + y)
    >>> model.optimize()
    >>> J = model.jacobian(of=[x, c], wrt=[ot.Coefficients(c), ot.Coefficients(ot.ObjectiveFunction(), x, x)])
    >>> J.to_frame().T
                                           x  dual of c
    coefficient of x in c                0.5        0.0
    coefficient of y in c               -1.0       -1.0
    coefficient of x² in the objective  -1.0        0.0
    """

    of: Any
    x: Any = None
    y: Any = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class SetNumbers:
    """The numbers of sets, both bounds of an `Interval` say, as data of a derivative: see `Model.jacobian`.

    Parameters
    ----------
    of : a constraint, a row of one as ``(c, row)``, or several of these

    Examples
    --------
    >>> import optangent as ot
    >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
    >>> x = model.add_variable("x")
    >>> c = model.add_constraint(2 * x, ot.Interval(1.0, 4.0), name="c")
    >>> model.minimize(x)
    >>> model.optimize()
    >>> model.jacobian(of=x, wrt=ot.SetNumbers(c)).to_frame()
       lower of c  upper of c
    x         0.5         0.0
    """

    of: Any
