"""A model as a layer of PyTorch.

PyTorch is optional, so the class is made when `layer_class` is first called (`ot.layers.TorchLayer` does so).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import scipy.sparse as sp

from ...modelkit.errors import InvalidData
from .batch import Batch
from .choices import require_word
from .torch_functions import TorchCall, is_transformed, make_solve
from .torch_operators import Handle, fits, make_solve_compiled, outside
from .torch_patterns import Entries

__all__ = ["layer_class"]


def layer_class() -> type[Any]:
    """The class `TorchLayer`."""
    import torch

    solve, compiled = make_solve(), make_solve_compiled()
    forward_ad, transformed = torch.autograd.forward_ad, is_transformed()
    read = outside(getattr)  # what a graph would remember from the time when it was made

    @outside
    def solve_outside(layer: Any, parameters: Sequence[Any], warm_start: bool | None) -> tuple[Any, ...]:
        if warm_start is not None:
            require_word(warm_start, "warm_start of a call", (None, True, False))
        tensors = [layer._tensor(k, p) for k, p in enumerate(parameters)]
        found: tuple[Any, ...] = solve(TorchCall(layer._batch, layer.training, tensors, warm_start), tensors)
        return found

    class TorchLayer(torch.nn.Module):  # type: ignore[misc]
        """The solution of a model as a differentiable function of its parameters.

        Called with one tensor for each parameter, it returns a tuple with one tensor for each output. A tensor has
        its parameter's shape, with the dimensions of a batch in front; these broadcast, so that a tensor without
        them is shared by the batch and gets the sum of its gradients.

        Outputs are exact, whatever the solver's tolerances: Newton steps lead from its answer to the solution of the
        optimality conditions, and derivatives are those of the same point. An answer that no such step betters, and
        one of a program with integers, is returned as the solver gave it.

        Parameters
        ----------
        model : Model
            With a ``diff_optimizer``.
        parameters : list
            Parameters of the model, as `add_parameter` or `add_parameters` returned them.
        outputs : list
            Variables (their values), constraints (their duals), ``(ot.ConstraintPrimal(), c)`` (the values of a
            constraint's function), ``ot.ObjectiveValue()``.
        on_failure : {"raise", "nan", "zero_gradient", "closest"}
            What becomes of items without a solution, and of those that contain NaN, which no solver gets to see.
            "raise" names all of them in an `UnsolvedItems` error. "nan" makes their outputs NaN, "zero_gradient"
            keeps the entries of the point at which the solver stopped, with 0 where there are none; with both their
            gradients are zero and the other items as if solved alone. With "closest" an infeasible item has the
            solution of the closest feasible program, whose rows are moved by the least squares of changes, and the
            derivative of that (with cones or curved rows up to about a millionth, and without duals); others that fail
            are NaN. `status` and `reasons` tell which they are.
        executor : optional
            Where the items of a batch are solved: one after the other (None), in "threads" or "processes" (as many
            as there are cores), "auto" (threads, or processes for a solver that keeps Python's lock), a
            ``concurrent.futures.Executor``, the name of a joblib backend, a ``joblib.Parallel``, or a dask
            ``Client``. Results do not depend on it, but for rounding. Processes need a model that can be pickled, and
            in a script the usual ``if __name__ == "__main__"``.
        retry : list, optional
            Solvers, as `diff_optimizer` takes them, tried in this order on items that the model's own solver gives
            up on. A proof that there is no solution is not tried again.
        warm_start : {False, "position", "order"}
            With False each item is solved from scratch, and depends on nothing but its parameters. With "position"
            (or True) the items of a training call start from those of the previous one at the same places; with
            "order" also those of an evaluation from those of the previous pass, counted from the last ``eval()``.

        Attributes
        ----------
        status : list of TerminationStatusCode
            For each item of the last call, counted through all dimensions of the batch; one for a single item.
        reasons : list of str
            Why an item has no solution, or no derivative; "" where all is well.
        differentiation_status : list of DifferentiationStatusCode
            What the derivatives are, for the items of which one was asked for.

        Notes
        -----
        Computations are in float64. Outputs have the floating type to which the inputs promote, and their device;
        gradients those of their input. Under ``torch.no_grad`` nothing is factorized and nothing kept.

        A parameter that is a sparse matrix takes its entries, (..., T), or whole matrices: dense, (..., m, n), or in
        the layouts COO and CSR, or of SciPy. Numbers that are not zero outside the pattern are refused; gradients have
        the shape and layout of what was given. A dense shape that may be both is one of matrices.

        Under ``torch.compile`` a call is one operator of the graph, which is made anew for new shapes only. Compiled
        calls have backward mode; with dual numbers and transformations of ``torch.func``, and to read `status`, the
        graph is left.

        The layer has no weights: an empty `state_dict`, and ``to()`` changes nothing. Deep copies and pickles hold
        the model as it was when the layer was made; a pickle leaves behind executors that are given as objects, and
        starts.

        Forward and reverse mode, their batched forms, ``torch.func`` and dual numbers work; second derivatives with
        respect to the inputs raise a `DifferentiationError`.

        Examples
        --------
        >>> import torch
        >>> import optangent as ot
        >>> model = ot.Model(ot.diff_optimizer(ot.solvers.HiGHS))
        >>> x = model.add_variable()
        >>> least = model.add_parameter(0.0)
        >>> c = model.add_constraint(x - least >= 0)
        >>> model.minimize(2 * x)
        >>> layer = ot.layers.TorchLayer(model, parameters=[least], outputs=[x, c])
        >>> demand = torch.tensor([3.0, 5.0], requires_grad=True)
        >>> x_value, c_dual = layer(demand)
        >>> x_value.tolist(), c_dual.tolist()
        ([3.0, 5.0], [2.0, 2.0])
        >>> x_value.square().sum().backward()
        >>> demand.grad.tolist()
        [6.0, 10.0]
        """

        def __init__(
            self,
            model: Any,
            parameters: Sequence[Any],
            outputs: Sequence[Any],
            *,
            on_failure: str = "raise",
            executor: Any = None,
            retry: Sequence[Any] | None = None,
            warm_start: bool | str = False,
        ) -> None:
            super().__init__()
            self._batch = Batch.of(
                model, parameters, outputs, on_failure=on_failure, executor=executor, retry=retry, warm_start=warm_start
            )
            self._handle = Handle(self._batch)
            self._entries = [None if p is None else Entries(p) for p in self._batch.program.patterns]

        def forward(self, *parameters: Any, warm_start: bool | None = None) -> tuple[Any, ...]:
            """The outputs at the parameters, in the order in which they were asked for.

            With ``warm_start=True`` each item starts from that at its place in the last call that said so.
            """
            # transformations and dual numbers are not for an operator of which a graph knows backward mode alone
            if torch.compiler.is_compiling() and not transformed() and getattr(forward_ad, "_current_level", -1) < 0:
                found = self._in_a_graph(parameters, warm_start)
                if found is not None:
                    return found
            return solve_outside(self, parameters, warm_start)

        def _in_a_graph(self, parameters: Sequence[Any], warm_start: bool | None) -> tuple[Any, ...] | None:
            """What the compiler sees of a call; None if there is something to complain of, which is done outside."""
            tensors = [self._tensor(k, p) for k, p in enumerate(parameters)]
            batch = self._handle.batch
            if warm_start not in (None, True, False) or not fits([tuple(t.shape) for t in tensors], batch.shapes[0]):
                return None
            how = -1 if warm_start is None else int(warm_start)
            return tuple(compiled(tensors, self._handle.number, self.training, how)[:-1])

        def _tensor(self, number: int, given: Any) -> Any:
            """What was given for a parameter as a tensor; of a sparse matrix the entries."""
            entries = self._entries[number] if number < len(self._entries) else None
            if isinstance(given, torch.Tensor):
                return given if entries is None else entries(given)
            if entries is not None and sp.issparse(given):
                return torch.from_numpy(entries.pattern.of_matrix(given))
            try:
                tensor = torch.as_tensor(given)
            except (TypeError, ValueError, RuntimeError) as error:
                raise InvalidData(
                    f"Parameter {number} of a layer is a tensor, an array or numbers, got {given!r}: {error}."
                ) from None
            return tensor if entries is None else entries(tensor)

        @property
        def status(self) -> list[Any]:
            found: list[Any] = read(self._batch, "status")
            return found

        @property
        def reasons(self) -> list[str]:
            found: list[str] = read(self._batch, "reasons")
            return found

        @property
        def differentiation_status(self) -> list[Any]:
            found: list[Any] = read(self._batch, "differentiation_status")
            return found

        def train(self, mode: bool = True) -> Any:
            """Switch between training and evaluation; each ``eval()`` begins a pass over the data."""
            self._batch.begin_pass()
            return super().train(mode)

        def extra_repr(self) -> str:
            program = self._batch.program
            return f"parameters={list(program.parameter_shapes)}, outputs={list(program.output_shapes)}"

    return TorchLayer
