"""Programs that many need, as declarative nodes.

Each is a function that makes a `DeclarativeNode`; the batch stands in front of every shape given here.
"""

from __future__ import annotations

from typing import Any

from ....modelkit.errors import InvalidData
from ..choices import require_word
from .node import layer_class, require_torch

__all__ = [
    "eigenvector",
    "entropic_transport",
    "project_l1",
    "project_l2",
    "project_linf",
    "robust_pooling",
    "weighted_least_squares",
]

_PENALTIES = ("quadratic", "pseudo-huber", "huber", "welsch")
_SWEEPS = 100


def robust_pooling(penalty: str = "pseudo-huber", scale: float = 1.0, **options: Any) -> Any:
    """The number nearest to many, by a penalty that outliers hardly move: y -> argmin over x of Σ φ(x − yᵢ).

    Parameters
    ----------
    penalty : {"quadratic", "pseudo-huber", "huber", "welsch"}
        φ(z) is z²/2; α²(√(1 + z²/α²) − 1); z²/2 within α and α|z| − α²/2 beyond; 1 − exp(−z²/2α²).
    scale : float
        α, in the units of y.
    options
        As of `DeclarativeNode`.

    Returns
    -------
    DeclarativeNode
        (B, N) -> (B,). Huber's penalty has no second derivative at |z| = α: a residual that is exactly there counts as
        one within. Of Welsch's penalty, which is not convex, the minimum that is reached from the best of the yᵢ
        and their mean.

    References
    ----------
    S. Gould, R. Hartley and D. Campbell, Deep Declarative Networks: A New Hope, 2019, section 5.1.

    Examples
    --------
    >>> import torch
    >>> pool = robust_pooling("huber", 1.0)
    >>> pool(torch.tensor([[0.0, 0.0, 0.5, 0.5, 100.0]], dtype=torch.float64)).tolist()
    [0.5]
    """
    torch = require_torch()

    require_word(penalty, "penalty", _PENALTIES)
    a = _positive(scale, "scale")

    def phi(z: Any) -> Any:
        if penalty == "quadratic":
            return z**2 / 2
        if penalty == "pseudo-huber":
            return a**2 * (torch.sqrt(1 + (z / a) ** 2) - 1)
        if penalty == "huber":
            return torch.where(z.abs() <= a, z**2 / 2, a * z.abs() - a**2 / 2)
        return 1 - torch.exp(-((z / a) ** 2) / 2)

    def best(y: Any) -> Any:
        points = torch.cat([y, y.mean(1, keepdim=True)], 1)
        totals = phi(points[:, :, None] - y[:, None, :]).sum(2)
        return points.gather(1, totals.argmin(1, keepdim=True))

    return _node()(lambda x, y: phi(x - y).sum(), solve=best, output=lambda x, y: x[0], **options)


def project_l2(radius: float = 1.0, *, sphere: bool = False, **options: Any) -> Any:
    """The nearest point of the ball |x|₂ <= r, or of its sphere: (B, n) -> (B, n).

    Examples
    --------
    >>> import torch
    >>> project_l2(5.0)(torch.tensor([[6.0, 8.0], [1.0, 1.0]])).tolist()
    [[3.0, 4.0], [1.0, 1.0]]
    """
    require_torch()
    r = _positive(radius, "radius")

    def row(x: Any, y: Any) -> Any:
        return (x @ x / r**2 - 1).reshape(1)

    def nearest(y: Any) -> Any:
        lengths = y.norm(dim=1, keepdim=True)
        return y * (r / lengths.clamp(min=1e-300) if sphere else (r / lengths).clamp(max=1.0))

    rows = {"equalities": row} if sphere else {"inequalities": row}
    return _node()(_half_square, solve=nearest, **rows, **options)


def project_l1(radius: float = 1.0, *, sphere: bool = False, **options: Any) -> Any:
    """The nearest point of the ball |x|₁ <= r, or of its sphere: (B, n) -> (B, n).

    It lies in the orthant of y, where the norm is linear: a projection on σᵀx <= r, σᵢxᵢ >= 0, σ the signs of y.

    Examples
    --------
    >>> import torch
    >>> project_l1(1.0)(torch.tensor([[1.0, -0.5], [0.25, 0.25]])).tolist()
    [[0.75, -0.25], [0.25, 0.25]]
    """
    torch = require_torch()

    r = _positive(radius, "radius")

    def signs(y: Any) -> Any:
        return torch.where(y < 0, -1.0, 1.0)

    def norm(x: Any, y: Any) -> Any:
        return (signs(y) * x).sum().reshape(1) / r - 1

    def orthant(x: Any, y: Any) -> Any:
        free = torch.where(y.abs().sum() < r, r, 0.0)  # nearest points to those within do not leave the orthant
        return -signs(y) * x - free

    def nearest(y: Any) -> Any:
        n = y.shape[1]
        falling = y.abs().sort(dim=1, descending=True).values
        excess = (falling.cumsum(1) - r) / torch.arange(1, n + 1, dtype=y.dtype, device=y.device)
        last = (falling > excess).sum(1, keepdim=True).clamp(min=1) - 1
        threshold = excess.gather(1, last)
        lowest = torch.minimum(excess[:, -1:], threshold)  # of points within: all entries grow alike
        shift = torch.where(y.abs().sum(1, keepdim=True) < r, lowest if sphere else 0.0 * lowest, threshold)
        return signs(y) * (y.abs() - shift).clamp(min=0.0)

    if sphere:
        return _node()(_half_square, norm, orthant, nearest, **options)
    return _node()(
        _half_square, inequalities=lambda x, y: torch.cat([norm(x, y), orthant(x, y)]), solve=nearest, **options
    )


def project_linf(radius: float = 1.0, *, sphere: bool = False, **options: Any) -> Any:
    """The nearest point of the box |xᵢ| <= r, or of its surface: (B, n) -> (B, n).

    Of a point within, the largest entry goes to the surface.

    Examples
    --------
    >>> import torch
    >>> project_linf(1.0, sphere=True)(torch.tensor([[0.5, -0.75], [2.0, 0.5]])).tolist()
    [[0.5, -1.0], [1.0, 0.5]]
    """
    torch = require_torch()

    r = _positive(radius, "radius")

    def largest(y: Any) -> Any:
        """1 at the largest entry, which is on the surface in any case, 0 elsewhere."""
        places = torch.arange(y.shape[-1], device=y.device)
        return (places == y.abs().argmax(-1, keepdim=True)).to(torch.float64)

    def signs(y: Any) -> Any:
        return torch.where(y < 0, -1.0, 1.0)

    def box(x: Any, y: Any) -> Any:
        return torch.cat([x, -x]) / r - 1

    def others(x: Any, y: Any) -> Any:
        return box(x, y) - largest(y).repeat(2)

    def surface(x: Any, y: Any) -> Any:
        return (largest(y) * signs(y) * x).sum() / r - 1

    def nearest(y: Any) -> Any:
        return torch.where((largest(y) > 0) & sphere, r * signs(y), y.clamp(-r, r))

    if sphere:
        return _node()(_half_square, surface, others, nearest, **options)
    return _node()(_half_square, inequalities=box, solve=nearest, **options)


def weighted_least_squares(**options: Any) -> Any:
    """(A, b, w) -> argmin over x of Σ wᵢ (Aᵢx − bᵢ)² / 2: (B, m, n), (B, m), (B, m) -> (B, n).

    Where A has not full rank the solution of least norm is returned, and the status is NONUNIQUE.

    Examples
    --------
    >>> import torch
    >>> fit = weighted_least_squares()
    >>> fit(torch.ones(1, 2, 1), torch.tensor([[0.0, 4.0]]), torch.tensor([[3.0, 1.0]])).tolist()
    [[1.0]]
    """
    torch = require_torch()

    def solve(a: Any, b: Any, w: Any) -> Any:
        return (torch.linalg.pinv((a.mT * w[:, None, :]) @ a, hermitian=True) @ (a.mT @ (w * b)[:, :, None]))[:, :, 0]

    return _node()(lambda x, a, b, w: (w * (a @ x - b) ** 2).sum() / 2, solve=solve, **options)


def entropic_transport(epsilon: float, **options: Any) -> Any:
    """(C, a, b) -> argmin of ⟨C, P⟩ + ε Σ Pᵢⱼ (log Pᵢⱼ − 1) over P with row sums a and column sums b.

    It is found and differentiated by its dual, min Σ ε exp((uᵢ + vⱼ − Cᵢⱼ)/ε) − aᵀu − bᵀv, in which the last v is zero.

    Parameters
    ----------
    epsilon : float
        ε > 0, in the units of C.
    options
        As of `DeclarativeNode`.

    Returns
    -------
    DeclarativeNode
        (B, m, n), (B, m), (B, n) -> (B, m, n). Masses are positive, and their sums are equal.

    References
    ----------
    M. Cuturi, Sinkhorn Distances: Lightspeed Computation of Optimal Transport, 2013.

    Examples
    --------
    >>> import torch
    >>> half = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    >>> plan = entropic_transport(1.0)(torch.zeros(1, 2, 2, dtype=torch.float64), half, half)
    >>> torch.round(plan, decimals=12).tolist()
    [[[0.25, 0.25], [0.25, 0.25]]]
    """
    torch = require_torch()

    e = _positive(epsilon, "epsilon")

    def plan(x: Any, c: Any, a: Any, b: Any) -> Any:
        m = a.shape[0]
        v = torch.cat([x[m:], torch.zeros_like(x[:1])])
        return torch.exp((x[:m, None] + v - c) / e)

    def dual(x: Any, c: Any, a: Any, b: Any) -> Any:
        m = a.shape[0]
        return e * plan(x, c, a, b).sum() - a @ x[:m] - b[:-1] @ x[m:]

    def sweeps(c: Any, a: Any, b: Any) -> Any:
        v = torch.zeros_like(b)
        for _ in range(_SWEEPS):
            u = e * (a.log() - torch.logsumexp((v[:, None, :] - c) / e, 2))
            v = e * (b.log() - torch.logsumexp((u[:, :, None] - c) / e, 1))
        return torch.cat([u + v[:, -1:], v[:, :-1] - v[:, -1:]], 1)

    return _node()(dual, solve=sweeps, output=plan, **options)


def eigenvector(which: str = "smallest", **options: Any) -> Any:
    """The unit eigenvector of a symmetric matrix with its smallest or largest eigenvalue: (B, n, n) -> (B, n).

    The largest of its entries is positive. Where the eigenvalue is not simple the status is NONUNIQUE. Of a matrix that
    is not symmetric the symmetric part is taken.

    Examples
    --------
    >>> import torch
    >>> eigenvector("largest")(torch.diag(torch.tensor([1.0, 3.0]))[None]).tolist()
    [[0.0, 1.0]]
    """
    torch = require_torch()

    require_word(which, "which", ("smallest", "largest"))
    sign, column = (1.0, 0) if which == "smallest" else (-1.0, -1)

    def solve(a: Any) -> Any:
        x = torch.linalg.eigh(torch.nan_to_num((a + a.mT) / 2)).eigenvectors[:, :, column]
        return x * torch.where(x.gather(1, x.abs().argmax(1, keepdim=True)) < 0, -1.0, 1.0)

    return _node()(lambda x, a: sign * (x @ a @ x) / 2, lambda x, a: (x @ x - 1) / 2, solve=solve, **options)


def _half_square(x: Any, y: Any) -> Any:
    return ((x - y) ** 2).sum() / 2


def _positive(value: float, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise InvalidData(f"{name} is a positive number, got {value!r}.")
    return float(value)


def _node() -> Any:
    return layer_class()
