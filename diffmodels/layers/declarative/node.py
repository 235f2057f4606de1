"""A program that is written as PyTorch functions, as a layer.

PyTorch is optional, so the class is made when `layer_class` is first called (`ot.layers.DeclarativeNode` does so).
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ....modelkit.attributes import DifferentiationStatusCode, TerminationStatusCode
from ....modelkit.errors import DifferentiationError, DimensionMismatch, InvalidData, MissingDependency
from ..choices import require_word
from ..failures import UnsolvedItems
from ..torch_functions import TWICE
from .searching import Found, Search

__all__ = ["layer_class", "require_torch"]

_POLICIES = ("raise", "nan", "zero_gradient")


@functools.cache
def layer_class() -> type[Any]:
    """The class `DeclarativeNode`."""
    import torch

    class Gate(torch.autograd.Function):  # type: ignore[misc]
        """(gradient, *what it depends on) -> gradient; reached backwards only if a second derivative is needed."""

        @staticmethod
        def forward(ctx: Any, gradient: Any, *sources: Any) -> Any:
            return gradient.view_as(gradient)

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            raise DifferentiationError(TWICE)

    class Solution(torch.autograd.Function):  # type: ignore[misc]
        """(found, search, *θ) -> x, with the derivative of the conditions that x satisfies."""

        @staticmethod
        def forward(ctx: Any, found: Found, search: Search, good: Any, shown: Any, *theta: Any) -> Any:
            ctx.found, ctx.search, ctx.good = found, search, good
            ctx.save_for_backward(*theta)
            return shown.clone()

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> Any:
            here, theta = ctx.found.local, ctx.saved_tensors
            with torch.no_grad():
                a, b = here.solve(torch.where(ctx.good[:, None], cotangent, 0.0))
            with torch.enable_grad():
                leaves = [t.detach().requires_grad_() for t in theta]
                value = ctx.search.program.adjoint(here.x, here.multipliers, a, b, ctx.found.active, *leaves).sum()
                if value.requires_grad:
                    gradients = torch.autograd.grad(-value, leaves, allow_unused=True)
                else:
                    gradients = (None,) * len(leaves)
            told: list[Any] = []
            for gradient, source in zip(gradients, theta, strict=True):
                if gradient is None:
                    told.append(None)
                    continue
                good = ctx.good.reshape(-1, *[1] * (source.dim() - 1))
                told.append(Gate.apply(torch.where(good, gradient, 0.0), cotangent, *theta))
            return None, None, None, None, *told

    class DeclarativeNode(torch.nn.Module):  # type: ignore[misc]
        r"""The solution of a program of PyTorch functions, as a differentiable function of its parameters.

        The output is a minimizer over x in Rⁿ of f(x, θ) subject to h(x, θ) = 0 and g(x, θ) <= 0, for every item of a
        batch. It is a local one: the one that is reached from where the search starts. Derivatives are those of the
        conditions of Karush, Kuhn and Tucker, one linear system an item, and no step of a search is differentiated.
        Functions are taken for twice differentiable where the solution lies; that they are is not checked.

        Parameters
        ----------
        objective : callable
            f, of one item: (x, \*θ) -> a number, x of shape (n,) and each θ without the batch. It and the rows are
            written with operations of PyTorch that ``torch.func.vmap`` takes, and have second derivatives.
        equalities, inequalities : callable, optional
            h and g, of one item: (x, \*θ) -> a number or a vector.
        solve : callable, optional
            (\*θ) -> solutions or starts of the search, (B, n), of the whole batch. Newton steps lead from there to the
            solution of the conditions, to rounding. Without it the search starts at a fixed point near zero.
        size : int, optional
            n; needed without `solve`.
        output : callable, optional
            What is returned, of one item: (x, \*θ) -> a tensor. Without it x is.
        on_failure : {"raise", "nan", "zero_gradient"}
            What becomes of items for which no solution is found, as for `TorchLayer`.

        Attributes
        ----------
        status : list of TerminationStatusCode
            LOCALLY_SOLVED or NUMERICAL_ERROR, for each item of the last call.
        reasons : list of str
            Why an item has no solution; "" where all is well.
        differentiation_status : list of DifferentiationStatusCode
            EXACT; WEAKLY_ACTIVE if an inequality holds with equality and its multiplier is zero: one element of the
            generalized Jacobian; DEPENDENT_ROWS if gradients of active rows depend on each other: a least-squares
            answer; NONUNIQUE if the Lagrangian has directions without curvature along the rows: the pseudo-inverse;
            the same where curvature vanishes at the solution only, as that of x⁴ at 0;
            SADDLE if its curvature is negative along some; INACCURATE if the conditions do not hold to 1e-10.

        Raises
        ------
        UnsolvedItems
            With ``on_failure="raise"``, naming the items.
        InvalidData
            If parameters are no tensors with a batch in front, or a function returns what it should not.
        DifferentiationError
            When a second derivative is asked for.

        Notes
        -----
        Parameters have the batch as first axis; 1 there is shared by all items and gets the sum of their gradients.
        Computations are in float64, and dense: n³ an item and step. Outputs have the type and device of the inputs.

        References
        ----------
        S. Gould, R. Hartley and D. Campbell, Deep Declarative Networks: A New Hope, 2019, propositions 4.4 to 4.7.

        Examples
        --------
        The point of the circle of radius 1 nearest to y:

        >>> import torch
        >>> import optangent as ot
        >>> node = ot.layers.DeclarativeNode(
        ...     lambda x, y: (x - y).square().sum(), equalities=lambda x, y: x @ x - 1, solve=lambda y: y
        ... )
        >>> y = torch.tensor([[3.0, 4.0]], dtype=torch.float64, requires_grad=True)
        >>> x = node(y)
        >>> x.tolist()
        [[0.6, 0.8]]
        >>> x[0, 0].backward()
        >>> torch.round(y.grad, decimals=12).tolist()
        [[0.128, -0.096]]
        >>> node.differentiation_status[0].name
        'EXACT'
        """

        def __init__(
            self,
            objective: Callable[..., Any],
            equalities: Callable[..., Any] | None = None,
            inequalities: Callable[..., Any] | None = None,
            solve: Callable[..., Any] | None = None,
            *,
            size: int | None = None,
            output: Callable[..., Any] | None = None,
            on_failure: str = "raise",
        ) -> None:
            super().__init__()
            for name, given in (("equalities", equalities), ("inequalities", inequalities), ("solve", solve)):
                if given is not None and not callable(given):
                    raise InvalidData(f"{name} of a DeclarativeNode is a function, got {given!r}.")
            if not callable(objective):
                raise InvalidData(f"The objective of a DeclarativeNode is a function of (x, θ), got {objective!r}.")
            if solve is None and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
                raise InvalidData(
                    f"A DeclarativeNode without solve needs the number of entries of x, size=n, got {size!r}."
                )
            require_word(on_failure, "on_failure", _POLICIES)
            self._search = Search(_scalar(objective), _vector(equalities), _vector(inequalities))
            self._solve, self._size, self._on_failure = solve, size, on_failure
            self._output = None if output is None else torch.func.vmap(output)
            self.status: list[TerminationStatusCode] = []
            self.reasons: list[str] = []
            self.differentiation_status: list[DifferentiationStatusCode] = []

        def forward(self, *theta: Any) -> Any:
            """(B, n) the solutions, or (B, ...) what `output` makes of them."""
            doubles, dtype = _batched(theta)
            if not len(doubles[0]):
                return self._nothing(doubles).to(dtype)
            plain = tuple(t.detach() for t in doubles)
            with torch.no_grad():
                start = self._start(plain)
                found = self._search(start, plain)
                finite = torch.stack([t.isfinite().reshape(len(t), -1).all(1) for t in plain]).all(0)
                good = found.solved & finite
                shown = self._shown(found, good)
            self._tell(found, good, finite)
            x = Solution.apply(found, self._search, good, shown, *doubles)
            if self._output is None:
                return x.to(dtype)
            made = self._output(x, *doubles)
            if self._on_failure != "zero_gradient" and not good.all():
                made = torch.where(good.reshape(-1, *[1] * (made.dim() - 1)), made, torch.nan)
            return made.to(dtype)

        def _nothing(self, theta: list[Any]) -> Any:
            """What a batch without items gives, of the shape that one of ones has."""
            ones = tuple(torch.ones((1, *t.shape[1:]), dtype=t.dtype, device=t.device) for t in theta)
            with torch.no_grad():
                x = self._start(ones)
                shape = (x if self._output is None else self._output(x, *ones)).shape
            self.status, self.reasons, self.differentiation_status = [], [], []
            return torch.stack([t.sum() for t in theta]).sum() * ones[0].new_ones(0, *shape[1:])

        def _start(self, theta: tuple[Any, ...]) -> Any:
            count = theta[0].shape[0]
            if self._solve is None:
                near_zero = 0.1 * torch.sin(1.0 + torch.arange(self._size or 0, dtype=torch.float64))
                return near_zero.to(theta[0].device).expand(count, -1)
            given = self._solve(*theta)
            wanted = f"({count}, n)" if self._size is None else f"({count}, {self._size})"
            if not isinstance(given, torch.Tensor) or given.dim() != 2 or given.shape[0] != count:
                shape = tuple(given.shape) if isinstance(given, torch.Tensor) else repr(given)
                raise DimensionMismatch(f"solve of a DeclarativeNode returns a tensor of shape {wanted}, got {shape}.")
            if self._size is not None and given.shape[1] != self._size:
                raise DimensionMismatch(
                    f"solve of a DeclarativeNode returns a tensor of shape {wanted}, got {tuple(given.shape)}."
                )
            return torch.nan_to_num(given.detach().to(torch.float64))

        def _shown(self, found: Found, good: Any) -> Any:
            x = found.local.x
            if self._on_failure == "zero_gradient":
                return torch.nan_to_num(x)
            return torch.where(good[:, None], x, torch.nan)

        def _tell(self, found: Found, good: Any, finite: Any) -> None:
            """Note what became of the items; raise if the policy wants it."""
            codes = TerminationStatusCode
            oks = good.tolist()
            self.status = [codes.LOCALLY_SOLVED if ok else codes.NUMERICAL_ERROR for ok in oks]
            words = {
                True: "no point found that satisfies the optimality conditions",
                False: "parameters are not finite",
            }
            self.reasons = ["" if ok else words[bool(f)] for ok, f in zip(oks, finite.tolist(), strict=True)]
            equalities = found.local.rows.shape[1] - found.active.shape[1]
            told = found.statuses(equalities)
            none = DifferentiationStatusCode.NOT_DIFFERENTIATED
            self.differentiation_status = [code if ok else none for code, ok in zip(told, oks, strict=True)]
            lost = [k for k, ok in enumerate(oks) if not ok]
            if lost and self._on_failure == "raise":
                raise UnsolvedItems(
                    "solution", len(oks), lost, [self.status[k] for k in lost], [self.reasons[k] for k in lost]
                )

    return DeclarativeNode


def require_torch() -> Any:
    """PyTorch, or an error that says how to install it."""
    try:
        import torch
    except ModuleNotFoundError as error:
        if error.name != "torch":  # it is there, and broken
            raise
        raise MissingDependency('Declarative nodes need torch: pip install "optangent[torch]"') from None
    return torch


def _scalar(function: Callable[..., Any]) -> Callable[..., Any]:
    def checked(x: Any, *theta: Any) -> Any:
        found = function(x, *theta)
        if getattr(found, "numel", lambda: 0)() != 1:
            given = getattr(found, "shape", found)
            raise InvalidData(f"The objective of a DeclarativeNode returns one number an item, got {given!r}.")
        return found.reshape(())

    return checked


def _vector(function: Callable[..., Any] | None) -> Callable[..., Any]:
    if function is None:
        return lambda x, *theta: x[:0]

    def flat(x: Any, *theta: Any) -> Any:
        found = function(x, *theta)
        if not hasattr(found, "reshape"):
            raise InvalidData(f"Rows of a DeclarativeNode are a tensor, got {found!r}.")
        return found.reshape(-1)

    return flat


def _batched(theta: tuple[Any, ...]) -> tuple[list[Any], Any]:
    """In float64 with one size of the batch, and the floating type of the outputs."""
    import torch

    if not theta:
        raise InvalidData("A DeclarativeNode is called with at least one parameter.")
    for k, t in enumerate(theta):
        if not isinstance(t, torch.Tensor) or t.dim() < 1:
            raise InvalidData(
                f"Parameter {k} of a DeclarativeNode is a tensor with the batch as first axis, got {t!r}."
            )
    sizes = {t.shape[0] for t in theta} - {1}
    if len(sizes) > 1:
        raise DimensionMismatch(
            f"The first axes of the parameters of a DeclarativeNode are one batch, got {[t.shape[0] for t in theta]}."
        )
    count = sizes.pop() if sizes else 1
    types = [t.dtype for t in theta if t.dtype.is_floating_point]
    dtype = types[0] if types else torch.get_default_dtype()
    for other in types[1:]:
        dtype = torch.promote_types(dtype, other)
    return [t.to(torch.float64).expand(count, *t.shape[1:]) for t in theta], dtype
