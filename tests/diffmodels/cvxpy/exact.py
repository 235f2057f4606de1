"""Solutions of CVXPY problems to all digits, and central differences of them: what gradients are judged by."""

from __future__ import annotations

import doctest
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import optangent as ot
from optangent.diffmodels.layers.cvxpy_problems.cvxpy_arrays import Leaf
from optangent.diffmodels.layers.cvxpy_problems.cvxpy_model import CvxpyModel, from_cvxpy

Array = NDArray[np.float64]


class Exact:
    """Values of parameters to variables and dual variables, after Newton's method on the optimality conditions.

    Parameters
    ----------
    program : CvxpyModel
    parameters, variables : of the problem, in order; dual variables too
    """

    def __init__(self, program: CvxpyModel, parameters: Sequence[Any], variables: Sequence[Any]) -> None:
        self.program = program
        self.parameters = [program.parameter(p) for p in parameters]
        primal = {leaf.key for leaf in program.variables.values()}
        self.variables = [program.variable(v) if v.id in primal else program.dual(v) for v in variables]

    def __call__(self, *values: Any) -> list[Array]:
        """The variables at values of the parameters."""
        return self.at([leaf.lower(np.asarray(v)) for leaf, v in zip(self.parameters, values, strict=True)])

    def at(self, lowered: Sequence[Array]) -> list[Array]:
        """The variables at lowered values."""
        model = self.program.model
        for leaf, values in zip(self.parameters, lowered, strict=True):
            model.set_parameter_value(leaf.ids, values)
        model.optimize()
        model.empty_input_sensitivities()
        model.set(ot.ForwardObjectiveFunction(), 0.0 * next(iter(self.program.variables.values())).ids[0])
        with warnings.catch_warnings(action="ignore", category=ot.DifferentiationWarning):  # the solution is wanted
            model.forward_differentiate()
        found = []
        for one in self.variables:
            if isinstance(one, Leaf):
                found.append(one.lift(model.meta_solver.polished(one.ids)))
            else:
                found.append(one.lift([np.atleast_1d(model.meta_solver.polished(c)) for c in one.constraints]))
        return found

    def gradients(self, loss: Callable[[list[Array]], float], *values: Any, h: float = 1e-5) -> list[Array]:
        """Central differences of a loss, for each parameter in its shape; zero where an entry is not read."""
        lowered = [leaf.lower(np.asarray(v, np.float64)) for leaf, v in zip(self.parameters, values, strict=True)]
        found = []
        for k, (leaf, value) in enumerate(zip(self.parameters, values, strict=True)):
            take, flat = leaf.take, np.asarray(value, np.float64).ravel()
            slopes = np.zeros(flat.size)
            for entry in np.unique(take):
                ends = []
                for step in (h, -h):
                    moved = flat.copy()
                    moved[entry] += step
                    at = [*lowered[:k], leaf.lower(moved.reshape(np.shape(value))), *lowered[k + 1 :]]
                    ends.append(loss(self.at(at)))
                slopes[entry] = (ends[0] - ends[1]) / (2 * h)
            found.append(slopes.reshape(np.shape(value)))
        return found


def values_of(parameters: Sequence[Any]) -> list[Array]:
    """The values of CVXPY parameters as arrays."""
    sparse = [p.attributes["sparsity"] and hasattr(p, "value_sparse") for p in parameters]
    found = [p.value_sparse if special else p.value for p, special in zip(parameters, sparse, strict=True)]
    return [np.asarray(v.toarray() if hasattr(v, "toarray") else v, np.float64) for v in found]


def weights(like: Sequence[Array], seed: int = 0) -> list[Array]:
    """Random weights of a loss that sees every entry."""
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(np.shape(one)) for one in like]


def weighted_sum(given: Sequence[Array]) -> Callable[[list[Array]], float]:
    """The loss of these weights."""
    return lambda found: float(sum(np.sum(w * one) for w, one in zip(given, found, strict=True)))


def tensors(values: Sequence[Array]) -> list[Any]:
    """Tensors in float64, with gradients."""
    import torch

    return [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in values]


def pull(given: Sequence[Array], found: Sequence[Any]) -> None:
    """Pull the weighted sum of some tensors back."""
    import torch

    sum((torch.from_numpy(np.asarray(w)) * f).sum() for w, f in zip(given, found, strict=True)).backward()


def run_examples(documented: Any) -> None:
    """Run the examples of a docstring, those too that are skipped where a library may be missing."""
    source = documented.__doc__.replace("  # doctest: +SKIP", "")
    face = types.SimpleNamespace(**{"from_cvxpy": from_cvxpy} | vars(ot))  # which may not export it yet
    examples = doctest.DocTestParser().get_doctest(source, {"ot": face}, documented.__qualname__, None, None)
    assert examples.examples
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(examples)
    assert not runner.failures
