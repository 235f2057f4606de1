"""CVXPY problems as layers, called as those of cvxpylayers are: a script changes one import.

A layer around a layer: `TorchLayer` or `JaxLayer` maps the parameters of the problem's `CvxpyModel` to the variables
of its cone program, and here the user's arrays become those and back, by gathers, logarithms and exponentials that
the framework differentiates itself. Which framework it is, the arrays of a call say.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from typing import Any, final

from ....modelkit import attributes as attr
from ....modelkit.errors import InvalidData, MissingDependency
from ... import layers
from .cvxpy_arrays import Framework, Leaf, jax_arrays, torch_arrays
from .cvxpy_model import CvxpyModel, from_cvxpy

__all__ = ["arguments_key", "layer_class", "set_arguments"]

_ACCURATE = 1e-9
# Arguments for the solvers of cvxpylayers that say how accurate and how long, and what solvers here call them.
_MEANING = {
    "eps": ("eps_abs", "eps_rel", "tol_gap_abs", "tol_gap_rel", "tol_feas"),
    "max_iters": ("max_iters", "max_iter"),
}
# Those that say how it solves and differentiates; here it is done otherwise.
_ELSEWHERE = {"acceleration_lookback", "lsqr_args", "mode", "n_jobs_backward", "n_jobs_forward", "solve_method"}


def _framework_of(arrays: Sequence[Any]) -> tuple[Framework, list[Any]]:
    """The framework of the arrays, and all of them as its own."""
    jax = sys.modules.get("jax")
    if jax is not None and any(isinstance(a, jax.Array) for a in arrays):
        return jax_arrays(), [jax.numpy.asarray(a) for a in arrays]
    if importlib.util.find_spec("torch"):
        import torch

        return torch_arrays(), [a if isinstance(a, torch.Tensor) else torch.as_tensor(a) for a in arrays]
    raise MissingDependency('A CvxpyLayer takes arrays of PyTorch or JAX: pip install "optangent[torch]" or [jax].')


# ---------------------------------------------------------------------- layers around layers
@final
class _Layers:
    """A problem's model, and the layers made of it: one for each framework and choice of solver arguments.

    The problem itself is not kept: CVXPY's copies of problems are not ones that it can canonicalize again.
    """

    def __init__(
        self,
        problem: Any,
        program: CvxpyModel,
        parameters: Sequence[Any],
        variables: Sequence[Any],
        options: Mapping[str, Any],
    ) -> None:
        for one, what in ((parameters, "parameters"), (variables, "variables")):
            if not isinstance(one, (list, tuple)):
                raise InvalidData(f"The {what} of a layer are a list, got {one!r}.")
        given, own = {p.id for p in parameters}, {p.id for p in problem.parameters()}
        if given != own or len(given) != len(parameters):
            raise InvalidData(
                f"The layer takes each parameter of the problem once, {[p.name() for p in problem.parameters()]}, "
                f"in any order; got {[p.name() for p in parameters]}."
            )
        self._model, self._options = program.model, options
        self.parameters = [program.parameter(p) for p in parameters]
        primal = {v.id for v in problem.variables()}
        self.variables = [program.variable(v) if v.id in primal else program.dual(v) for v in variables]
        self._made: dict[Any, Any] = {}
        self.last: Any = None

    def layer(self, framework: Framework, solver_args: Mapping[str, Any]) -> tuple[Any, bool]:
        """The layer of a framework for solver arguments, and whether it is new."""
        key = framework.layer, arguments_key(solver_args)
        if key in self._made:
            return self._made[key], False
        # a model of its own, which keeps the indices: options are those of the layer
        model = self._model if not (self._made or solver_args) else copy.deepcopy(self._model)
        set_arguments(model, solver_args)
        outputs: list[Any] = []
        for one in self.variables:
            outputs += [one.ids] if isinstance(one, Leaf) else one.constraints
        inner = getattr(layers, framework.layer)
        made = inner(model, [leaf.ids for leaf in self.parameters], outputs, **self._options)
        self._made[key] = made
        return made, True


def arguments_key(solver_args: Mapping[str, Any]) -> Any:
    """Equal for equal arguments."""
    return tuple(sorted((name, repr(value)) for name, value in solver_args.items()))


def set_arguments(model: Any, solver_args: Mapping[str, Any]) -> None:
    """Options of the model's solver, by their own names or by those that cvxpylayers takes."""
    for name, value in solver_args.items():
        if name == "verbose":
            model.set(attr.Silent(), not value)
        elif name in _MEANING:
            names = [attr.RawOptimizerAttribute(n) for n in _MEANING[name]]
            for option in names:
                # derivatives need digits: less than this is not what was meant
                if model.supports(option) and (name != "eps" or value < _ACCURATE):
                    model.set(option, value)
        elif name not in _ELSEWHERE:
            model.set(attr.RawOptimizerAttribute(name), value)


def layer_class() -> type[Any]:
    """The class `CvxpyLayer`; one of PyTorch's modules where PyTorch is installed."""
    base: Any = importlib.import_module("torch").nn.Module if importlib.util.find_spec("torch") else object

    class CvxpyLayer(base):  # type: ignore[misc]
        """The solution of a CVXPY problem as a differentiable function of its parameters.

        Called with one tensor of PyTorch or one array of JAX for each parameter, it returns a tuple with one for each
        variable, of the variable's shape. Batches stand in front, and broadcast. It is called as the layers of
        cvxpylayers are.

        Parameters
        ----------
        problem : cvxpy.Problem
            DPP, as for `from_cvxpy`.
        parameters : list of cvxpy.Parameter
            All of the problem, in the order of the call. Of a symmetric one the upper triangle is read, and so on
            (see `Leaf`): there the gradient stands.
        variables : list of cvxpy.Variable
            What the layer returns: variables of the problem, or entries of ``constraint.dual_variables``.
        solver : as for `diff_optimizer`, optional
        gp : whether the problem is a geometric program
        verbose : whether the solver prints
        canon_backend : CVXPY's canonicalization backend, optional
        solver_args : options of the solver, optional
            Those that only cvxpylayers' own solvers know are ignored, ``mode`` for instance; an accuracy ``eps`` is
            taken where it asks for more than is solved to anyway.
        **options
            Of `TorchLayer` or `JaxLayer`: ``on_failure``, ``executor``, ...

        Attributes
        ----------
        status, reasons : of the items of the last call, see `TorchLayer`

        Examples
        --------
        >>> import cvxpy as cp, torch
        >>> import optangent as ot
        >>> x, a = cp.Variable(2), cp.Parameter(2)
        >>> problem = cp.Problem(cp.Minimize(cp.sum_squares(x - a)), [x >= 0])
        >>> layer = ot.layers.CvxpyLayer(problem, parameters=[a], variables=[x])
        >>> point = torch.tensor([1.0, -1.0], requires_grad=True)
        >>> (nearest,) = layer(point)
        >>> nearest.sum().backward()
        >>> point.grad.tolist()
        [1.0, 0.0]
        """

        def __init__(
            self,
            problem: Any,
            parameters: Sequence[Any],
            variables: Sequence[Any],
            solver: Any = None,
            gp: bool = False,
            verbose: bool = False,
            canon_backend: str | None = None,
            solver_args: Mapping[str, Any] | None = None,
            **options: Any,
        ) -> None:
            super().__init__()
            if isinstance(solver, str):
                if solver != "DIFFCP":  # what cvxpylayers takes where nothing is said
                    raise InvalidData(f"A solver is a class here, such as ot.solvers.SCS, got {solver!r}.")
                solver = None
            program = from_cvxpy(problem, solver, gp=gp, canon_backend=canon_backend, names=False)
            self._layers = _Layers(problem, program, parameters, variables, options)
            self._solver_args = {"verbose": verbose} if verbose else {}
            self._solver_args |= solver_args or {}

        def forward(self, *parameters: Any, solver_args: Mapping[str, Any] | None = None) -> tuple[Any, ...]:
            """The solution at the parameters; `solver_args` go before those of the layer."""
            wanted = self._layers.parameters
            if len(parameters) != len(wanted):
                raise InvalidData(
                    f"The layer takes an array for each of {[leaf.name for leaf in wanted]}, got {len(parameters)}."
                )
            use, arrays = _framework_of(parameters)
            layer, new = self._layers.layer(use, self._solver_args | dict(solver_args or {}))
            if new and use.layer == "TorchLayer":  # then train() and eval() reach it
                self.add_module(f"solve_{len(list(self.children()))}", layer.train(self.training))
            self._layers.last = layer  # not an attribute of this module, which would take it as a child
            found = list(layer(*(leaf.lower(a, use) for leaf, a in zip(wanted, arrays, strict=True))))
            values = []
            for one in self._layers.variables:
                if isinstance(one, Leaf):
                    values.append(one.lift(found.pop(0), use))
                else:
                    values.append(one.lift([found.pop(0) for _ in one.constraints], use))
            return tuple(values)

        if base is object:
            __call__ = forward

        @property
        def status(self) -> list[Any]:
            last = self._layers.last
            return [] if last is None else list(last.status)

        @property
        def reasons(self) -> list[str]:
            last = self._layers.last
            return [] if last is None else list(last.reasons)

    return CvxpyLayer
