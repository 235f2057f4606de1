"""CVXPY problems as models.

CVXPY's own canonicalization turns a DPP problem into a cone program whose data are affine in the parameters θ
(A. Agrawal, B. Amos, S. Barratt, S. Boyd, S. Diamond, Z. Kolter, Differentiable convex optimization layers, 2019):

    minimize ½ xᵀP(θ)x + q(θ)ᵀx + d(θ)    subject to    A(θ)x + b(θ) in K.

These sparse maps become the rows of a `Model`, products ``θ x`` included. What CVXPY does not promise to keep is read
in this file alone, in its last part; tests compare what was read with CVXPY's own matrices.
"""

from __future__ import annotations

import contextlib
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike

from ....modelkit import attributes as attr
from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.errors import DimensionMismatch, InvalidData, MissingDependency, Unsupported
from ....modelkit.functions import VectorOfVariables
from ....modelkit.model.model import Model
from ....modelkit.numeric import real_array
from ....modelkit.sets import (
    ExponentialCone,
    Nonnegatives,
    PowerCone,
    ScaledPositiveSemidefiniteConeTriangle,
    SecondOrderCone,
    VectorSet,
    Zeros,
)
from ....modelkit.sets.triangles import position
from ...meta_solver import diff_optimizer
from .cone_program import ConeProgram, Table
from .cvxpy_arrays import Dual, Leaf

__all__ = ["DEFAULT_SOLVERS", "CvxpyModel", "chosen_solver", "from_cvxpy"]

DEFAULT_SOLVERS: list[Callable[[], Any]] = []
"""What solves a problem for which no solver was named, in order; the package's face fills it."""

_NONE = -1


@final
@dataclass(frozen=True, slots=True, eq=False)
class CvxpyModel:
    """A CVXPY problem as a model; what `from_cvxpy` returns.

    Attributes
    ----------
    model : Model
        With the variables of CVXPY's cone program, and a parameter for each entry of CVXPY's parameters.
    parameters, variables : `Leaf` by name; a later one of the same name by name and identifier, ``x#7``
    duals : `Dual` by the identifier of CVXPY's dual variable
    """

    model: Model
    parameters: Mapping[str, Leaf]
    variables: Mapping[str, Leaf]
    duals: Mapping[int, Dual]

    def parameter(self, which: Any) -> Leaf:
        """Where a CVXPY parameter stands, named by itself or its name."""
        return _find(self.parameters, which, "parameter")

    def variable(self, which: Any) -> Leaf:
        """Where a CVXPY variable stands, named by itself or its name."""
        return _find(self.variables, which, "variable")

    def set_parameter_value(self, parameter: Any, value: ArrayLike) -> None:
        """Give a CVXPY parameter, named by itself or its name, another value of its shape."""
        leaf = self.parameter(parameter)
        array = real_array(value, f"A value of {leaf.name}")
        if array.shape != leaf.place.shape:
            raise DimensionMismatch(f"{leaf.name} has the shape {leaf.place.shape}, got one of shape {array.shape}.")
        with np.errstate(invalid="ignore", divide="ignore"):
            lowered = leaf.lower(array)
        if not np.isfinite(lowered).all():
            raise InvalidData(f"A parameter is finite, and positive in a geometric program; {leaf.name} got {value!r}.")
        self.model.set_parameter_value(leaf.ids, lowered)

    def value(self, variable: Any) -> FloatArray:
        """Value at the solution of a CVXPY variable, named by itself or its name; of its shape."""
        leaf = self.variable(variable)
        return np.asarray(leaf.lift(self.model.value(leaf.ids)))

    def dual_value(self, constraint: Any) -> Any:
        """Dual of a CVXPY constraint, signed as CVXPY does: an array, or a list of several for a cone of several.

        Raises
        ------
        Unsupported
            If CVXPY rewrites the constraint on its way to the cone program.
        """
        duals = [self.dual(one) for one in constraint.dual_variables]
        found = [one.lift([self.model.dual(c) for c in one.constraints]) for one in duals]
        return found[0] if len(found) == 1 else found

    def dual(self, dual_variable: Any) -> Dual:
        """Where a dual variable of a CVXPY constraint stands."""
        if dual_variable.id not in self.duals:
            raise Unsupported(
                f"{dual_variable!r} is no dual of a constraint that stands in the cone program of this problem. "
                "Duals are known of ==, <=, >=, >>, cp.SOC, cp.ExpCone and cp.PowCone3D."
            )
        return self.duals[dual_variable.id]


def from_cvxpy(
    problem: Any, solver: Any = None, *, gp: bool = False, canon_backend: str | None = None, names: bool = True
) -> CvxpyModel:
    """A CVXPY problem as a model that solves and differentiates.

    Parameters
    ----------
    problem : cvxpy.Problem
        Convex and DPP; a quadratic objective stays one, and its matrix may be a parameter.
    solver : as for `diff_optimizer`, optional
    gp : whether it is a geometric program; the model is in logarithms of variables, parameters and objective then
    canon_backend : CVXPY's canonicalization backend, optional
    names : whether the model's variables and parameters are named ``A[0,1]`` after their entries

    Returns
    -------
    CvxpyModel
        With the values of the problem's parameters; zero for those that have none.

    Raises
    ------
    MissingDependency
        If CVXPY is not installed.
    InvalidData, Unsupported
        If the problem is not DPP, or has complex or discrete variables.

    Examples
    --------
    >>> import cvxpy as cp
    >>> import optangent as ot
    >>> x, a = cp.Variable(2, name="x"), cp.Parameter(2, name="a", value=[1.0, -1.0])
    >>> program = ot.from_cvxpy(cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x >= 0]))
    >>> program.model.optimize()
    >>> program.value(x).round(6)
    array([1., 0.])
    """
    cvxpy = _cvxpy()
    _check(cvxpy, problem, gp)
    backends = {value for name, value in vars(cvxpy.settings).items() if name.endswith("_CANON_BACKEND")}
    if canon_backend is not None and (not isinstance(canon_backend, str) or canon_backend not in backends):
        raise InvalidData(f"canon_backend is one of {sorted(backends)} or None, got {canon_backend!r}.")
    model = Model(diff_optimizer(chosen_solver(solver)))
    program, chain = _canonical(cvxpy, problem, gp, canon_backend)
    cones, cones_of = _cones(program)
    objective = program.c if hasattr(program, "c") else program.q  # before CVXPY 1.8, and from then on
    column = np.arange(objective.shape[1])  # in θ: the constant's column is none of them
    constant = program.param_id_to_col[_CONSTANT]
    column[constant:] -= 1
    column[constant] = _NONE
    n, m = program.x.size, sum(cone.dimension for cone in cones)
    P, q, A = (_table(tensor, r, column) for tensor, r in ((program.P, n), (objective, 1), (program.A, m)))
    written = ConeProgram(n, P, q, A, cones)
    maximize = isinstance(problem.objective, cvxpy.Maximize)
    x, theta, constraints = written.build(model, np.zeros(len(column) - 1), maximize=maximize)

    to_variables, to_parameters, to_constraints = _renamed(chain)
    result = CvxpyModel(
        model,
        _by_name(_parameter(p, to_parameters, program, theta, column, gp) for p in problem.parameters()),
        _by_name(_variable(v, to_variables, program, x, gp) for v in problem.variables()),
        {
            key: Dual([constraints[i] for i in cones_of[to_constraints.get(c.id, c.id)]], *at)
            for c in problem.constraints
            if to_constraints.get(c.id, c.id) in cones_of
            for key, at in _duals(c)
        },
    )
    if names:
        model.set(attr.VariableName(), x, [f"aux[{k}]" for k in range(n)])  # what CVXPY adds keeps such names
        for leaf in (*result.parameters.values(), *result.variables.values()):
            model.set(attr.VariableName(), leaf.ids, leaf.entry_names())
    for p in problem.parameters():
        value = p.value_sparse if p.attributes["sparsity"] and hasattr(p, "value_sparse") else p.value
        if value is not None:
            result.set_parameter_value(p, value.toarray() if hasattr(value, "toarray") else value)
    return result


def chosen_solver(solver: Any) -> Any:
    """The user's, or those for problems for which none was named."""
    if solver or DEFAULT_SOLVERS:
        return solver or DEFAULT_SOLVERS
    raise InvalidData("Name a solver, such as ot.solvers.Clarabel.")


def _find(leaves: Mapping[str, Leaf], which: Any, what: str) -> Leaf:
    for name, leaf in leaves.items():
        if leaf is which or (name == which if isinstance(which, str) else leaf.key == getattr(which, "id", None)):
            return leaf
    raise InvalidData(f"The problem has no {what} {which!r}; it has {', '.join(leaves) or 'none'}.")


def _by_name(leaves: Iterable[Leaf]) -> dict[str, Leaf]:
    found: dict[str, Leaf] = {}
    for leaf in leaves:
        found[f"{leaf.name}#{leaf.key}" if leaf.name in found else leaf.name] = leaf
    return found


def _cvxpy() -> Any:
    try:
        import cvxpy

        return cvxpy
    except ImportError as error:
        raise MissingDependency(
            f'This needs CVXPY, which cannot be imported ({error}). Install it with: pip install "optangent[cvxpy]"'
        ) from error


def _check(cvxpy: Any, problem: Any, gp: bool) -> None:
    """Raise unless it is a problem of the kind."""
    if not isinstance(problem, cvxpy.Problem):
        raise InvalidData(f"Expected a cvxpy.Problem, got {problem!r}.")
    if not problem.variables():
        raise InvalidData("The problem has no variables: there is nothing to solve.")
    if problem.is_mixed_integer():
        raise Unsupported("The problem has discrete variables: its solution has no derivatives.")
    leaves = [*problem.variables(), *problem.parameters()]
    if any(leaf.is_complex() for leaf in leaves):
        raise Unsupported("The problem has complex variables or parameters; write their real and imaginary parts.")
    if not (problem.is_dgp() if gp else problem.is_dcp()):
        hint = " It is a geometric program: say gp=True." if not gp and problem.is_dgp() else ""
        raise InvalidData(f"The problem is not {'DGP' if gp else 'DCP'} by CVXPY's rules.{hint}")


# ---------------------------------------------------------------------- what CVXPY does not promise to keep
_READ = ("A", "P", "constraints", "id_to_var", "param_id_to_col", "param_id_to_size", "var_id_to_col", "x")
_BESIDE = ("dir_cones", "lb_tensor", "lower_bounds", "ub_tensor", "upper_bounds")
_CONSTANT = -1
_CONES: dict[str, Callable[[Any], Iterable[VectorSet]]] = {
    # by the name of CVXPY's class, in the order of its rows; rows in Zeros are the negative of what the user wrote
    "Zero": lambda c: [Zeros(c.size)],
    "NonNeg": lambda c: [Nonnegatives(c.size)],
    "SOC": lambda c: [SecondOrderCone(int(d)) for d in c.cone_sizes()],
    "PSD": lambda c: [ScaledPositiveSemidefiniteConeTriangle(c.args[0].shape[0])],  # before CVXPY 1.9
    "SvecPSD": lambda c: [ScaledPositiveSemidefiniteConeTriangle(int(d)) for d in c.cone_sizes()],
    "ExpCone": lambda c: [ExponentialCone()] * c.num_cones(),
    "PowCone3D": lambda c: [PowerCone(float(a)) for a in np.ravel(c.alpha.value)],
}


@contextlib.contextmanager
def _without_a_warning(beginning: str) -> Iterator[None]:
    """Without warnings that begin so; in other threads than the main one they come, as filters are the process's."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", beginning)
        yield


def _canonical(cvxpy: Any, problem: Any, gp: bool, canon_backend: str | None) -> tuple[Any, Any]:
    """CVXPY's cone program of the problem, and the chain of reductions that led there."""
    # a problem of its own, for the user's keeps a cache and the solver of its last solve
    problem = cvxpy.Problem(problem.objective, problem.constraints)
    # from CVXPY 1.9 on, the matrix of a quadratic objective may be a parameter
    scope = getattr(cvxpy.utilities.scopes, "quad_form_dpp_scope", contextlib.nullcontext)
    try:
        with scope(), _without_a_warning("Reading from a sparse CVXPY expression"):  # which CVXPY itself does
            # the route to SCS: bounds, and cones on plain variables, are rows of A like all others
            data, chain, _ = problem.get_problem_data(
                "SCS", gp=gp, enforce_dpp=True, canon_backend=canon_backend, solver_opts={"use_quad_obj": True}
            )
    except cvxpy.error.DPPError as error:
        raise InvalidData(
            "The problem is not DPP: its data are not affine in its parameters. Often a new parameter, or a new "
            "variable, for a product of two helps; see https://www.cvxpy.org/tutorial/dpp."
        ) from error
    except cvxpy.error.SolverError as error:
        raise Unsupported(f"CVXPY does not write the problem as a cone program that is known here: {error}") from error
    program = data.get("param_prob")
    missing = [name for name in _READ if not hasattr(program, name)]
    beside = [name for name in _BESIDE if (kept := getattr(program, name, None)) is not None and np.size(kept)]
    strange = {type(c).__name__ for c in getattr(program, "constraints", ())} - set(_CONES)
    if missing or beside or strange:
        raise Unsupported(
            f"CVXPY {cvxpy.__version__} writes cone programs in another way than the versions known here, 1.6 to 1.9: "
            f"{', '.join([*missing, *beside, *sorted(strange)])}."
        )
    return program, chain


def _cones(program: Any) -> tuple[list[VectorSet], dict[int, range]]:
    """The cones of all rows, in order, and which of them belong to each constraint, by identifier."""
    cones: list[VectorSet] = []
    of_constraint = {}
    for constraint in program.constraints:
        made = [cone for cone in _CONES[type(constraint).__name__](constraint) if cone.dimension]
        of_constraint[constraint.id] = range(len(cones), len(cones) + len(made))
        cones += made
    return cones, of_constraint


def _table(tensor: Any, rows: int, parameter: IntArray) -> Table:
    """Column k of the tensor holds, column by column, the matrix that the parameter in place k multiplies."""
    if tensor is None:
        nothing = np.zeros(0, np.int64)
        return Table(nothing, nothing, nothing, np.zeros(0))
    entries = tensor.tocoo()
    column, row = np.divmod(entries.row.astype(np.int64), max(rows, 1))
    return Table(row, column, parameter[entries.col], entries.data.astype(np.float64))


def _renamed(chain: Any) -> tuple[dict[int, list[int]], dict[int, list[int]], dict[int, int]]:
    """By which identifiers variables, parameters and constraints stand in the cone program, where by others."""
    if hasattr(chain, "compose_var_id_map"):  # from CVXPY 1.9 on
        return chain.compose_var_id_map(), chain.compose_param_id_map(), chain.compose_constr_id_map()
    first = getattr(chain.reductions[0], "canon_methods", None)
    logarithms = getattr(first, "_parameters", {})
    return {}, {p.id: [log.id] for p, log in logarithms.items()}, {}


def _lowered(leaf: Any, size: int) -> IntArray:
    """Which entry of its lowered form, of a size, each entry of a variable or parameter is; -1 for none."""
    shape = leaf.shape
    place = np.full(shape, _NONE)
    if size == leaf.size:
        return np.arange(size).reshape(shape, order="F")
    if leaf.attributes["diag"]:
        np.fill_diagonal(place, np.arange(size))
    elif leaf.attributes.get("sparsity"):
        place[leaf.sparse_idx] = np.arange(size)
    else:  # symmetric: the upper triangle, row by row
        row, column = np.triu_indices(shape[-1])
        place[..., row, column] = np.arange(size).reshape((*shape[:-2], len(row)), order="F")
        place[..., column, row] = place[..., row, column]
    return place


def _variable(variable: Any, renamed: Mapping[int, list[int]], program: Any, x: VectorOfVariables, gp: bool) -> Leaf:
    (key,) = renamed.get(variable.id, [variable.id])
    start, size = program.var_id_to_col[key], program.id_to_var[key].size
    return Leaf(variable.name(), variable.id, x[start : start + size], _lowered(variable, size), size if gp else 0)


def _parameter(
    parameter: Any, renamed: Mapping[int, list[int]], program: Any, theta: VectorOfVariables, column: IntArray, gp: bool
) -> Leaf:
    ids, logs, size = [theta.ids[:0]], 0, 0
    # in a geometric program, one that is renamed is a logarithm; an exponent stands as itself, beside that or alone
    for key in dict.fromkeys([*renamed.get(parameter.id, []), parameter.id]):
        if key in program.param_id_to_col:
            start, size = program.param_id_to_col[key], program.param_id_to_size[key]
            ids.append(theta.ids[column[start : start + size]])
            logs += size if gp and key != parameter.id else 0
    place = _lowered(parameter, size) if len(ids) > 1 else np.full(parameter.shape, _NONE)
    return Leaf(parameter.name(), parameter.id, VectorOfVariables.of_ids(np.concatenate(ids)), place, logs)


def _duals(constraint: Any) -> Iterator[tuple[int, tuple[IntArray, FloatArray]]]:
    """Of each dual variable, by identifier: place among the stacked rows of its cones, and factor."""
    kind, duals = type(constraint).__name__, constraint.dual_variables
    places: list[Any] = []
    factor = np.ones(())
    if kind in ("Equality", "Inequality", "Zero", "NonNeg", "NonPos"):
        places = [np.arange(duals[0].size).reshape(duals[0].shape, order="F")]
    elif kind == "PSD" and len(duals[0].shape) == 2:
        places = [position(duals[0].shape[0])]
        factor = np.where(np.eye(len(places[0]), dtype=bool), 1.0, np.sqrt(0.5))
    elif kind == "SOC":
        t, X = duals
        starts = np.arange(t.size) * (1 + X.size // t.size)
        tails = starts + 1 + np.arange(X.size // t.size)[:, None]
        places = [starts.reshape(t.shape), (tails.T if constraint.axis == 1 else tails).reshape(X.shape)]
    elif kind in ("ExpCone", "PowCone3D"):
        places = [(3 * np.arange(d.size) + i).reshape(d.shape, order="F") for i, d in enumerate(duals)]
    for dual, place in zip(duals, places, strict=False):
        yield dual.id, (place, np.broadcast_to(factor, place.shape))
