"""A solver for the layers of cvxpylayers: an existing one changes its ``solver=`` and nothing else.

cvxpylayers turns parameters into the numbers of a cone program by linear maps of its own, and hands the numbers to a
solver of its `SolverInterface`: the entries of P, of q with the constant, and of A with b, all of A x + b in K. So the
parameters of the model here are those numbers, as far as they depend on parameters at all.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np
import scipy.sparse as sp

from ....modelkit.arrays import FloatArray, IntArray
from ....modelkit.errors import Unsupported
from ....modelkit.model.model import Model
from ....modelkit.sets import (
    ExponentialCone,
    Nonnegatives,
    PowerCone,
    ScaledPositiveSemidefiniteConeTriangle,
    SecondOrderCone,
    VectorSet,
    Zeros,
)
from ...meta_solver import diff_optimizer
from ..batch import Batch, Call
from .cone_program import ConeProgram, Table
from .cvxpy_layer import arguments_key, set_arguments
from .cvxpy_model import chosen_solver

__all__ = ["layer_class"]


def _cones(dims: Any) -> list[VectorSet]:
    """The cones of CVXPY's ``dims``, in the order of the rows."""
    if getattr(dims, "pnd", None):
        raise Unsupported("Power cones of more than three dimensions are not known here.")
    return [
        *([Zeros(dims.zero)] if dims.zero else []),
        *([Nonnegatives(dims.nonneg)] if dims.nonneg else []),
        *(SecondOrderCone(d) for d in dims.soc),
        *(ScaledPositiveSemidefiniteConeTriangle(side) for side in dims.psd),
        *(ExponentialCone() for _ in range(dims.exp)),
        *(PowerCone(a) for a in dims.p3d),
    ]


@final
class _Numbers:
    """The numbers of one of the three: where they stand, and which of them depend on parameters.

    Parameters
    ----------
    row, column : where they stand, arrays of shape (T,)
    maps : the sparse matrix (T, number of parameters + 1) that makes them of parameters, and of 1 in the last place
    """

    def __init__(self, row: Any, column: Any, maps: Any) -> None:
        columns = maps.tocsc()
        last = columns.shape[1] - 1
        self.row, self.column = row.astype(np.int64), column.astype(np.int64)
        self.varying: IntArray = np.unique(columns[:, :last].tocoo().row).astype(np.int64)
        self._constants = columns[:, [last]].toarray().ravel()

    @classmethod
    def of(cls, reduced: Any, columns: int) -> _Numbers:
        """Those of a matrix, which CVXPY has column by column."""
        if reduced.reduced_mat is None or reduced.problem_data_index is None:  # there are none
            return cls(np.zeros(0), np.zeros(0), sp.csc_array((0, 1)))
        row, starts, _ = reduced.problem_data_index
        return cls(row, np.repeat(np.arange(columns), np.diff(starts)), reduced.reduced_mat)

    def table(self, first: int) -> Table:
        """The varying numbers are parameters, from the first on."""
        parameter = np.full(len(self.row), -1)
        parameter[self.varying] = first + np.arange(len(self.varying))
        return Table(self.row, self.column, parameter, np.where(parameter >= 0, 1.0, self._constants))

    def scattered(self, gradients: FloatArray) -> FloatArray:
        """(B, T), of those of the varying numbers; the others are constants, of which nobody asks."""
        out = np.zeros((len(gradients), len(self.row)))
        out[:, self.varying] = gradients
        return out


@final
class _Structure:
    """One layer's cone program, and the models of it: one for each choice of solver arguments."""

    def __init__(self, ctx: Any, solver: Any) -> None:
        n = ctx.q.shape[0] - 1
        self.parts = [
            _Numbers.of(ctx.reduced_P, n),
            _Numbers(np.zeros(n + 1), np.arange(n + 1), ctx.q),
            _Numbers.of(ctx.reduced_A, n + 1),
        ]
        self.ends = np.cumsum([len(part.varying) for part in self.parts])
        P, q, A = (part.table(end - len(part.varying)) for part, end in zip(self.parts, self.ends, strict=True))
        self.n, self.program = n, ConeProgram(n, P, q, A, _cones(ctx.cone_dims))
        self.place = self.program.place_of_rows()
        self._solver = solver
        self._batches: dict[Any, Batch] = {}

    def batch(self, solver_args: Mapping[str, Any]) -> Batch:
        """The program for solver arguments, for batches."""
        key = arguments_key(solver_args)
        if key not in self._batches:
            model = Model(diff_optimizer(self._solver))
            x, theta, constraints = self.program.build(model, np.zeros(self.ends[-1]))
            set_arguments(model, solver_args)
            self._batches[key] = Batch.of(model, [theta], [x, *constraints])
        return self._batches[key]

    def solve(self, numbers: Sequence[Any], solver_args: Mapping[str, Any]) -> tuple[FloatArray, FloatArray, Any]:
        """Primal (B, n), dual (B, m) and what `pull` needs, at the numbers (B, T) of P, q and A."""
        given = [(v, part) for v, part in zip(numbers, self.parts, strict=True) if v is not None]
        varying = [np.asarray(v, np.float64)[:, part.varying] for v, part in given]
        call = Call(self.batch(solver_args))
        found = call.solve(np.concatenate(varying, axis=1))
        return found[:, : self.n], found[:, self.n :][:, self.place], (self, call)

    def pull(self, call: Call, dprimal: Any, ddual: Any) -> list[FloatArray]:
        """The gradients (B, T) with respect to the numbers."""
        rows = np.zeros(np.shape(ddual))
        rows[:, self.place] = ddual
        seeds = np.concatenate([np.asarray(dprimal, np.float64), rows], axis=1)
        found = call.derivative("vjp", np.arange(len(rows)), seeds)
        split = np.split(found, self.ends[:-1], axis=1)
        return [part.scattered(gradients) for part, gradients in zip(self.parts, split, strict=True)]


def layer_class() -> type[Any]:
    """The class `CvxpylayersSolver`."""
    from cvxpylayers.interfaces.base import SolverInterface

    class CvxpylayersSolver(SolverInterface):  # type: ignore[misc]
        """optangent as the solver of a layer of cvxpylayers for PyTorch (from 1.2 on; its layers for JAX call none).

        Parameters
        ----------
        solver : as for `diff_optimizer`, optional

        Examples
        --------
        >>> import cvxpy as cp, torch
        >>> import optangent as ot
        >>> from cvxpylayers.torch import CvxpyLayer
        >>> x, a = cp.Variable(2), cp.Parameter(2)
        >>> problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x >= 0])
        >>> layer = CvxpyLayer(problem, parameters=[a], variables=[x], solver=ot.layers.CvxpylayersSolver())
        >>> (nearest,) = layer(torch.tensor([1.0, -1.0]))
        >>> nearest.round(decimals=6).tolist()
        [1.0, 0.0]
        """

        canon_solver = "SCS"  # whose cone programs have all bounds in their rows
        supports_quad_obj = True

        def __init__(self, solver: Any = None) -> None:
            self._solver = chosen_solver(solver)
            # by the dims that each layer hands over at its calls, for it may be the solver of several layers
            self._structures: Any = weakref.WeakKeyDictionary()

        def setup(self, ctx: Any) -> None:
            """Take the structure of a layer's problem."""
            self._structures[ctx.cone_dims] = _Structure(ctx, self._solver)

        def solve_numpy_batch(
            self, P: Any, q: Any, A: Any, dims: Any, solver_args: Mapping[str, Any], needs_grad: bool
        ) -> Any:
            """Solve a batch of NumPy arrays: primal, dual and what the derivative needs."""
            return self._structures[dims].solve((P, q, A), solver_args)

        def derivative_numpy_batch(self, dprimal: Any, ddual: Any, saved_state: Any) -> Any:
            """Pull a batch of NumPy arrays back."""
            structure, call = saved_state
            dP, dq, dA = structure.pull(call, dprimal, ddual)
            return dP if dP.shape[1] else None, dq, dA

        # cvxpylayers would take the items of a batch one by one
        def solve_torch_batch(
            self, P: Any, q: Any, A: Any, dims: Any, solver_args: Mapping[str, Any], needs_grad: bool
        ) -> Any:
            """Solve a batch of tensors."""
            import torch

            P_, q_, A_ = (None if a is None else a.detach().cpu().double().numpy() for a in (P, q, A))
            primal, dual, state = self.solve_numpy_batch(P_, q_, A_, dims, solver_args, needs_grad)
            return (*(torch.tensor(a, dtype=q.dtype, device=q.device) for a in (primal, dual)), state)

        def derivative_torch_batch(self, dprimal: Any, ddual: Any, saved_state: Any) -> Any:
            """Pull a batch of tensors back."""
            import torch

            x, y = (a.detach().cpu().double().numpy() for a in (dprimal, ddual))
            found = self.derivative_numpy_batch(x, y, saved_state)
            return tuple(a if a is None else torch.tensor(a, dtype=dprimal.dtype, device=dprimal.device) for a in found)

    return CvxpylayersSolver
