"""A model as a layer of PyTorch.

PyTorch is optional, so the class is made when `layer_class` is first called (`ot.layers.TorchLayer` does so).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .batch import Batch
from .torch_functions import TorchCall, make_solve

__all__ = ["layer_class"]


def layer_class() -> type[Any]:
    """The class `TorchLayer`."""
    import torch

    solve = make_solve()

    class TorchLayer(torch.nn.Module):  # type: ignore[misc]
        """The solution of a model as a differentiable function of its parameters.

        Called with one tensor for each parameter, it returns a tuple with one tensor for each output. A tensor has
        its parameter's shape, with the dimensions of a batch in front; these broadcast, so that a tensor without
        them is shared by the batch and gets the sum of its gradients.

        Outputs of a quadratic program with up to 400 variables and rows are exact to rounding, whatever the solver's
        tolerances; those of other programs are the solver's, within its tolerances. Derivatives are those at the
        exact solution in either case.

        Parameters
        ----------
        model : Model
            With a ``diff_optimizer``.
        parameters : list
            Parameters of the model, as `add_parameter` or `add_parameters` returned them.
        outputs : list
            Variables (their values), constraints (their duals), ``(ot.ConstraintPrimal(), c)`` (the values of a
            constraint's function), ``ot.ObjectiveValue()``.
        on_failure : {"raise", "nan", "zero_gradient"}
            What becomes of items without a solution, and of those that contain NaN, which no solver gets to see.
            "raise" names all of them in an `UnsolvedItems` error. "nan" makes their outputs NaN, "zero_gradient"
            keeps the entries of the point at which the solver stopped, with 0 where there are none; with both their
            gradients are zero and the other items as if solved alone. `status` and `reasons` tell which they are.
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

        def forward(self, *parameters: Any) -> tuple[Any, ...]:
            """The outputs at the parameters, in the order in which they were asked for."""
            tensors = [p if isinstance(p, torch.Tensor) else torch.as_tensor(p) for p in parameters]
            outputs: tuple[Any, ...] = solve(TorchCall(self._batch, self.training, tensors), tensors)
            return outputs

        @property
        def status(self) -> list[Any]:
            return self._batch.status

        @property
        def reasons(self) -> list[str]:
            return self._batch.reasons

        @property
        def differentiation_status(self) -> list[Any]:
            return self._batch.differentiation_status

        def train(self, mode: bool = True) -> Any:
            """Switch between training and evaluation; each ``eval()`` begins a pass over the data."""
            self._batch.begin_pass()
            return super().train(mode)

        def extra_repr(self) -> str:
            program = self._batch.program
            return f"parameters={list(program.parameter_shapes)}, outputs={list(program.output_shapes)}"

    return TorchLayer
