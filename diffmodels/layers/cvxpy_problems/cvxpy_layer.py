"""CVXPY problems as layers, called as those of cvxpylayers are: a script changes one import.

A layer around a layer: `TorchLayer` or `JaxLayer` maps the parameters of the problem's `CvxpyModel` to the variables
of its cone program, and here the user's arrays become those and back, by gathers, logarithms and exponentials that
the framework differentiates itself. Which framework it is, the arrays of a call say.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping, Sequence
from typing import Any, final

import scipy.sparse as sp

from ....modelkit import attributes as attr
from ....modelkit.errors import InvalidData, MissingDependency
from ... import layers
from ..choices import require_switch, require_word
from ..torch_operators import outside
from .cvxpy_arrays import Framework, Leaf, jax_arrays, torch_arrays
from .cvxpy_model import CvxpyModel, from_cvxpy

__all__ = ["arguments_key", "layer_class", "set_arguments"]

_FRAMEWORKS = ("torch", "jax")
_NAMES = {"TorchLayer": "torch", "JaxLayer": "jax"}
_ACCURATE = 1e-9
# Arguments for the solvers of cvxpylayers that say how accurate and how long, and what solvers here call them.
_MEANING = {
    "eps": ("eps_abs", "eps_rel", "tol_gap_abs", "tol_gap_rel", "tol_feas"),
    "max_iters": ("max_iters", "max_iter"),
}
# Those that say how it solves and differentiates; here it is done otherwise.
_ELSEWHERE = {"acceleration_lookback", "lsqr_args", "mode", "n_jobs_backward", "n_jobs_forward", "solve_method"}


def _framework(name: str) -> Framework:
    if importlib.util.find_spec(name) is None:
        raise MissingDependency(f'A CvxpyLayer of {name} needs it: pip install "optangent[{name}]".')
    return torch_arrays() if name == "torch" else jax_arrays()


def _framework_of(arrays: Sequence[Any], chosen: str | None) -> Framework:
    """The framework that was chosen, or that of the arrays."""
    given = {name for name in _FRAMEWORKS if any(_is_of(name, a) for a in arrays)}
    if chosen is not None:
        if given - {chosen}:
            raise InvalidData(f'This layer is of framework="{chosen}", got an array of {", ".join(given - {chosen})}.')
        return _framework(chosen)
    if "jax" in given:
        return jax_arrays()
    if importlib.util.find_spec("torch"):
        return torch_arrays()
    raise MissingDependency(
        'A CvxpyLayer takes arrays of PyTorch or JAX: pip install "optangent[torch]" or [jax]; with JAX alone, '
        'framework="jax" says what NumPy arrays give.'
    )


def _is_of(name: str, array: Any) -> bool:
    module = sys.modules.get(name)
    return module is not None and isinstance(array, module.Tensor if name == "torch" else module.Array)


def _lowered(leaf: Leaf, given: Any, use: Framework) -> Any:
    """The parameters of the model of what was given for a CVXPY parameter."""
    if sp.issparse(given):
        given = given.toarray()
    try:
        array = given if _is_of(_NAMES[use.layer], given) else _asarray(use)(given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidData(f"{leaf.name} of a layer is an array or numbers, got {given!r}: {error}.") from None
    if leaf.pattern is None and use.layer == "TorchLayer" and array.layout is not sys.modules["torch"].strided:
        array = array.to_dense()
    return leaf.lower(array, use)


def _asarray(use: Framework) -> Any:
    library = importlib.import_module("torch" if use.layer == "TorchLayer" else "jax.numpy")
    return library.as_tensor if use.layer == "TorchLayer" else library.asarray


def _first_framework(chosen: str | None, options: Mapping[str, Any]) -> Framework | None:
    """That of the layer which is made at once; None where it has to be seen which one takes the options."""
    installed = [name for name in _FRAMEWORKS if importlib.util.find_spec(name)]
    names, taken = [chosen] if chosen is not None else installed, {}
    for name in names:
        use = _framework(name)
        signature = inspect.signature(getattr(layers, use.layer).__init__)
        taken[name] = {p.name for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY}
    known = set().union(*taken.values())
    if taken and set(options) - known:
        wrong = ", ".join(sorted(set(options) - known))
        raise InvalidData(f"A CvxpyLayer has no option {wrong}; those of the layer inside are {sorted(known)}.")
    first = chosen or "torch"
    return _framework(first) if first in taken and set(options) <= taken[first] else None


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
        for one in (*parameters, *variables):
            if not hasattr(one, "id") or not callable(getattr(one, "name", None)):
                raise InvalidData(f"A layer is of parameters and variables of CVXPY, got {one!r}.")
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
        self.graph: tuple[Framework, Any] | None = None  # what the graphs of PyTorch's compiler are made of

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

    def make_ready(self, framework: Framework, solver_args: Mapping[str, Any]) -> Any:
        """The layer of a framework, with all that a graph needs of it."""
        made, _ = self.layer(framework, solver_args)
        if framework.layer == "TorchLayer":
            for one in (*self.parameters, *self.variables):
                one.make_ready(framework)
            self.graph = framework, made
        return made

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"graph": self.graph and self.graph[1]}  # a framework is functions, and made anew

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if state["graph"] is not None:
            self.graph = torch_arrays(), state["graph"]

    def lifted(self, found: list[Any], use: Framework) -> tuple[Any, ...]:
        """The values of all variables, of the outputs of a layer."""
        values, at = [], 0
        for one in self.variables:
            count = 1 if isinstance(one, Leaf) else len(one.constraints)
            values.append(one.lift(found[at] if isinstance(one, Leaf) else found[at : at + count], use))
            at += count
        return tuple(values)


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


def _checked_arguments(solver_args: Any) -> dict[str, Any]:
    if solver_args is None:
        return {}
    if not isinstance(solver_args, Mapping) or not all(isinstance(name, str) for name in solver_args):
        raise InvalidData(f"solver_args are a dictionary of options by their names, got {solver_args!r}.")
    return dict(solver_args)


def _of_last(kept: _Layers, name: str) -> list[Any]:
    return [] if kept.last is None else list(getattr(kept.last, name))


def layer_class() -> type[Any]:
    """The class `CvxpyLayer`; one of PyTorch's modules where PyTorch is installed."""
    _torch: Any = importlib.import_module("torch") if importlib.util.find_spec("torch") else None
    base: Any = object if _torch is None else _torch.nn.Module
    of_last = outside(_of_last)

    class CvxpyLayer(base):  # type: ignore[misc]
        """The solution of a CVXPY problem as a differentiable function of its parameters.

        Called with one tensor of PyTorch or one array of JAX for each parameter, it returns a tuple with one for each
        variable, of the variable's shape. Batches stand in front, and broadcast. It is called as the layers of
        cvxpylayers are. For a parameter with a sparsity pattern, matrices may be dense or sparse (see `TorchLayer`).

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
        framework : {None, "torch", "jax"}
            What arrays of NumPy, and numbers, give. With None, tensors of PyTorch if it is installed, unless another
            argument is JAX's.
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
            *,
            framework: str | None = None,
            **options: Any,
        ) -> None:
            super().__init__()
            if isinstance(solver, str):
                if solver != "DIFFCP":  # what cvxpylayers takes where nothing is said
                    raise InvalidData(f"A solver is a class here, such as ot.solvers.SCS, got {solver!r}.")
                solver = None
            require_switch(gp, "gp")
            require_switch(verbose, "verbose")
            require_word(framework, "framework", (None, *_FRAMEWORKS))
            self._solver_args = {"verbose": verbose} if verbose else {}
            self._solver_args |= _checked_arguments(solver_args)
            first = _first_framework(framework, options)
            program = from_cvxpy(problem, solver, gp=gp, canon_backend=canon_backend, names=False)
            self._layers, self._framework = _Layers(problem, program, parameters, variables, options), framework
            if first is not None:
                self._take(self._layers.make_ready(first, self._solver_args))

        def _take(self, layer: Any) -> None:
            """Make a layer of PyTorch a child, so that train() and eval() reach it."""
            if _torch is not None and isinstance(layer, _torch.nn.Module):
                self.add_module(f"solve_{len(list(self.children()))}", layer.train(self.training))

        def forward(
            self, *parameters: Any, solver_args: Mapping[str, Any] | None = None, warm_start: bool | None = None
        ) -> tuple[Any, ...]:
            """The solution at the parameters; `solver_args` go before those of the layer.

            With ``warm_start=True`` each item starts from that at its place in the last call that said so (PyTorch).
            """
            if _torch is not None and _torch.compiler.is_compiling() and not solver_args:
                return self._in_a_graph(parameters, warm_start)
            return call_outside(self, parameters, solver_args, warm_start)

        def _in_a_graph(self, parameters: Sequence[Any], warm_start: bool | None) -> tuple[Any, ...]:
            """What PyTorch's compiler sees of a call."""
            kept, wanted = self._layers, self._layers.parameters
            fits = len(parameters) == len(wanted) and all(isinstance(p, _torch.Tensor) for p in parameters)
            if not fits or kept.graph is None:
                return call_outside(self, parameters, None, warm_start)
            for leaf, given in zip(wanted, parameters, strict=True):
                own = leaf.place.ndim
                if given.ndim < own or tuple(given.shape)[given.ndim - own :] != leaf.place.shape:
                    return call_outside(self, parameters, None, warm_start)
            use, layer = kept.graph
            kept.last = layer
            lowered = [leaf.lower(p, use) for leaf, p in zip(wanted, parameters, strict=True)]
            return kept.lifted(list(layer(*lowered, warm_start=warm_start)), use)

        def _call(
            self, parameters: Sequence[Any], solver_args: Mapping[str, Any] | None, warm_start: bool | None
        ) -> tuple[Any, ...]:
            wanted = self._layers.parameters
            if len(parameters) != len(wanted):
                raise InvalidData(
                    f"The layer takes an array for each of {[leaf.name for leaf in wanted]}, got {len(parameters)}."
                )
            use = _framework_of(parameters, self._framework)
            layer, new = self._layers.layer(use, self._solver_args | _checked_arguments(solver_args))
            if new:
                self._take(layer)
            self._layers.last = layer  # not an attribute of this module, which would take it as a child
            lowered = [_lowered(leaf, a, use) for leaf, a in zip(wanted, parameters, strict=True)]
            if warm_start is None:
                return self._layers.lifted(list(layer(*lowered)), use)
            if use.layer != "TorchLayer":
                raise InvalidData("warm_start is for PyTorch: a function of JAX depends on its arguments alone.")
            return self._layers.lifted(list(layer(*lowered, warm_start=warm_start)), use)

        if base is object:
            __call__ = forward

        @property
        def status(self) -> list[Any]:
            found: list[Any] = of_last(self._layers, "status")
            return found

        @property
        def reasons(self) -> list[str]:
            found: list[str] = of_last(self._layers, "reasons")
            return found

    call_outside = outside(CvxpyLayer._call)
    return CvxpyLayer
