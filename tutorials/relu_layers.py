r"""
Layers that solve: from ReLU to a polytope that is learned
==========================================================

The most common layer of neural networks is an optimization problem in disguise: :math:`\max(x, 0)` is the point of the
nonnegative orthant that is closest to x,

.. math::

    \mathrm{ReLU}(x) = \arg\min_y\; \tfrac12 |y - x|^2 \quad\text{subject to}\quad y \ge 0 .

Once it is written like this, one asks what is special about the orthant. Nothing. Any polytope can stand in its place,
and nobody needs to know which one in advance: its facets can be *learned* with the weights of the network, because
the solution of a quadratic program can be differentiated with respect to every number in it.

The story in order: ReLU as a quadratic program, and its gradients; two networks that read handwritten digits, one with
PyTorch's own ReLU and one that solves a quadratic program instead, trained step by step to the same weights; a third
network that projects its features onto a learned polytope; and a fourth one with just two features, whose polytope is
a polygon that one can draw.

Run ``python tutorials/relu_layers.py``; on one core it takes half a minute. It prints two tables and draws
``tutorials/output/relu_layers.png``. Pictures and all are in this one file, to be downloaded and run by itself.

References
----------
B. Amos, J. Z. Kolter, *OptNet: differentiable optimization as a layer in neural networks*, Proceedings of the 34th
International Conference on Machine Learning (2017), 136-145.

E. Alpaydin, C. Kaynak, *Cascading classifiers*, Kybernetika 34 (1998), 369-374: the data.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import optangent as ot

try:
    import matplotlib
    import torch
    from matplotlib.collections import LineCollection
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D
    from matplotlib.patches import Polygon
    from sklearn.datasets import load_digits
    from torch import Tensor, nn
except ImportError as error:
    raise ImportError(
        "This tutorial trains with PyTorch, draws with matplotlib and reads its data from scikit-learn; "
        'install all three with: pip install "optangent[tutorials,torch]"'
    ) from error

Array = NDArray[np.float64]
DOUBLE = torch.float64

# %%
# The data
# --------
# 1797 handwritten digits, 8 × 8 pixels each, from 0 (paper) to 1 (ink). Every fourth one is held out.


@dataclass(frozen=True)
class Data:
    """Pixels (N, 64) and digits (N,), to train on and held out."""

    X: Tensor
    y: Tensor
    X_held: Tensor
    y_held: Tensor


def digits() -> Data:
    """Read, scale and split."""
    pixels, labels = load_digits(return_X_y=True)
    X, y = torch.tensor(pixels / 16, dtype=DOUBLE), torch.tensor(labels)
    held = torch.arange(len(y)) % 4 == 3
    return Data(X[~held], y[~held], X[held], y[held])


# %%
# ReLU as a quadratic program
# ---------------------------
# The program is written once, with the input x as a *parameter*. A ``TorchLayer`` makes a function of it: parameters
# in, solutions out, a whole batch at a time, and derivatives the way PyTorch wants them.
#
# Networks meet thousands of small programs, and for these DAQP is the fastest solver by far: an active-set method,
# exact to rounding. None is infallible, and a program on which it gives up must not stop the training: ``retry`` names
# a solver of another kind for such a case, the interior-point method Clarabel.

FAST, OTHER = ot.solvers.DAQP, [ot.solvers.Clarabel]


class ReLU(nn.Module):  # type: ignore[misc]
    """The closest nonnegative point, found by quadratic programming."""

    def __init__(self, size: int) -> None:
        super().__init__()
        model = ot.Model(ot.diff_optimizer(FAST))
        y = model.add_variables(size, "y", lower=0.0)
        x = model.add_parameters(np.zeros(size), "x")
        model.minimize(0.5 * ((y - x) @ (y - x)))
        self.layer = ot.layers.TorchLayer(model, parameters=[x], outputs=[y], retry=OTHER)

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        (y,) = self.layer(x)
        return y


# %%
# Are its gradients right? PyTorch's own are known: a gradient with respect to y passes where x is positive and stops
# where it is negative. So does ours. At x = 0 both must choose. There is no derivative, any number between 0 and 1 will
# do for training, and PyTorch silently takes 0. The layer takes an end as well, and says what it did:
# ``differentiation_status`` is ``WEAKLY_ACTIVE`` there, not ``EXACT``.


@dataclass(frozen=True)
class Comparison:
    """The two ReLUs on random inputs, as largest differences; and the status at x = 0."""

    outputs: float
    gradients: float
    at_zero: ot.DifferentiationStatusCode


def compare_relus(size: int = 16, count: int = 256) -> Comparison:
    """Outputs and gradients of both on ``count`` random inputs."""
    source = torch.Generator().manual_seed(0)
    x, seed = torch.randn(2, count, size, generator=source, dtype=DOUBLE)
    found = []
    for relu in (ReLU(size), nn.ReLU()):
        given = x.clone().requires_grad_()
        y = relu(given)
        y.backward(seed)
        found.append((y.detach(), given.grad))
    outputs, gradients = (float((ours - theirs).abs().max()) for ours, theirs in zip(*found, strict=True))

    at_zero = ReLU(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ot.DifferentiationWarning)  # the layer also warns, once
        at_zero(torch.zeros(1, dtype=DOUBLE, requires_grad=True)).sum().backward()
    return Comparison(outputs, gradients, at_zero.layer.differentiation_status[0])


# %%
# A polytope to learn
# -------------------
# Now the facets are parameters, too:
#
# .. math::
#
#     y(x, A, b) = \arg\min_y\; \tfrac12 |y - x|^2 \quad\text{subject to}\quad A y \le b .
#
# Nothing else changes. ``A`` is a matrix of parameters, ``A @ y <= b`` is a constraint, and A and b go into the layer
# beside x. They have no batch dimension: all items share them, and they receive the sum of the gradients.
#
# Two choices keep the polytope well-behaved. The rows of A have length one, so that :math:`b_i` is the distance of
# facet i from the origin; otherwise :math:`(A_i, b_i)` and :math:`(2 A_i, 2 b_i)` would be the same facet. And b is
# the exponential of what is learned, so it stays positive: the origin is inside, and the program never infeasible.
# This loses nothing, since the linear maps before and after can move the origin wherever they like.


class PolyhedralProjection(nn.Module):  # type: ignore[misc]
    """The closest point of a polytope whose facets are learned.

    Parameters
    ----------
    normals : (K, D)
        Of the K facets to start with, all at distance one from the origin.
    learned : bool
        If not, the facets stay where they are.
    """

    def __init__(self, normals: Tensor, learned: bool = True) -> None:
        super().__init__()
        count, size = normals.shape
        model = ot.Model(ot.diff_optimizer(FAST))
        y = model.add_variables(size, "y")
        x = model.add_parameters(np.zeros(size), "x")
        A, b = model.add_parameters(np.zeros((count, size)), "A"), model.add_parameters(np.ones(count), "b")
        model.add_constraint(A @ y <= b)
        model.minimize(0.5 * ((y - x) @ (y - x)))
        self.layer = ot.layers.TorchLayer(model, parameters=[x, A, b], outputs=[y], retry=OTHER)
        self.normals = nn.Parameter(normals.clone(), requires_grad=learned)
        self.log_distances = nn.Parameter(torch.zeros(count, dtype=DOUBLE), requires_grad=learned)

    def facets(self) -> tuple[Tensor, Tensor]:
        """A (K, D), of unit rows, and b (K,)."""
        return self.normals / self.normals.norm(dim=1, keepdim=True), self.log_distances.exp()

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) to (..., D)."""
        (y,) = self.layer(x, *self.facets())
        return y


def scattered(count: int, size: int) -> Tensor:
    """Normals (count, size) in random directions."""
    return torch.randn(count, size, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)


def regular(count: int) -> Tensor:
    """Normals (count, 2) of a regular polygon."""
    angle = 2 * torch.pi * torch.arange(count, dtype=DOUBLE) / count
    return torch.stack([angle.cos(), angle.sin()], dim=1)


# %%
# Here no other library has the gradient ready, so we compare with differences: move x, A and b together along a random
# direction, to and fro, and project again. The difference inherits the solver's last digits, which the derivative does
# not: the layer takes it at the exact solution next to the solver's.


def check_projection(count: int = 8, step: float = 3e-5) -> float:
    """Relative error of a directional derivative of the layer against central differences."""
    projection, source = PolyhedralProjection(scattered(16, 16)), torch.Generator().manual_seed(1)
    x = 2 * torch.randn(count, 16, generator=source, dtype=DOUBLE)
    inputs = [t.detach().requires_grad_() for t in (x, *projection.facets())]
    along = [torch.randn(t.shape, generator=source, dtype=DOUBLE) for t in inputs]
    seed = torch.randn(count, 16, generator=source, dtype=DOUBLE)

    def value(t: float) -> Tensor:
        (y,) = projection.layer(*(p + t * d for p, d in zip(inputs, along, strict=True)))
        return (seed * y).sum()

    value(0.0).backward()
    derivative = sum(float((p.grad * d).sum()) for p, d in zip(inputs, along, strict=True))
    with torch.no_grad():
        quotient = float(value(step) - value(-step)) / (2 * step)
    return abs(derivative / quotient - 1)


# %%
# Training
# --------
# Ordinary in every respect: Adam, batches of 64, a step size that falls to zero. All networks see the same batches in
# the same order.


@dataclass(frozen=True)
class Run:
    """A trained network and its history."""

    network: nn.Sequential
    losses: Array
    """Of every step."""
    accuracy: Array
    """On the digits held out, after every epoch."""
    seconds: float

    @property
    def last_loss(self) -> float:
        """Mean over the last epoch."""
        return float(self.losses[-(len(self.losses) // len(self.accuracy)) :].mean())


def train(network: nn.Sequential, data: Data, epochs: int, step: float) -> Run:
    """Train a network in place."""
    order, start = torch.Generator().manual_seed(0), time.perf_counter()
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], lr=step)
    batches = -(-len(data.y) // 64)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, total_iters=epochs * batches)
    losses, accuracy = [], []
    for _ in range(epochs):
        for batch in torch.randperm(len(data.y), generator=order).split(64):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(network(data.X[batch]), data.y[batch])
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        with torch.no_grad():
            hits = network(data.X_held).argmax(dim=1) == data.y_held
        accuracy.append(hits.double().mean().item())
    return Run(network, np.array(losses), np.array(accuracy), time.perf_counter() - start)


SEED = 3


def linear(*sizes: int) -> list[nn.Module]:
    """Linear maps from each size to the next, the same for all networks of these sizes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return [nn.Linear(a, b, dtype=DOUBLE) for a, b in pairwise(sizes)]


def wide(between: nn.Module) -> nn.Sequential:
    """Pixels to 16 features to digits, with a layer between."""
    first, last = linear(64, 16, 10)
    return nn.Sequential(first, between, last)


def planar(between: nn.Module) -> nn.Sequential:
    """Pixels to 32 hidden units to two features to digits, with a layer between the last two."""
    first, second, last = linear(64, 32, 2, 10)
    return nn.Sequential(first, nn.Tanh(), second, between, last)


# %%
# The networks to compare. With 16 features: PyTorch's ReLU, ours, a polytope, and, so that nobody is fooled, no layer
# at all. With two features: a decagon that is learned, the same decagon left as it was, PyTorch's ReLU, and no layer.

WIDE: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "ReLU of PyTorch": nn.ReLU,
    "ReLU, solved": lambda: ReLU(16),
    "polytope, learned": lambda: PolyhedralProjection(scattered(16, 16)),
}
PLANAR: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "ReLU of PyTorch": nn.ReLU,
    "decagon, fixed": lambda: PolyhedralProjection(regular(10), learned=False),
    "decagon, learned": lambda: PolyhedralProjection(regular(10)),
}
LEARNED, FIXED = "decagon, learned", "decagon, fixed"


# %%
# What became of the polygon
# --------------------------
# Each facet has turned by some angle and moved to some distance. The solution says more: a facet *holds* a digit if
# the projection ends on it (at a corner, two facets do). A facet that holds none is idle, or has left the polygon
# altogether. And nothing keeps the polygon closed: facets may turn apart, until it is open on a side that needs none.


@dataclass(frozen=True)
class Plane:
    """The two features of the digits held out, before and after projection, and the polygon."""

    features: Array
    """(N, 2): before."""
    projected: Array
    """(N, 2): after."""
    normals: Array
    """(K, 2): A."""
    distances: Array
    """(K,): b."""

    @property
    def holds(self) -> Array:
        """(K,): share of the digits that each facet holds."""
        moved = np.linalg.norm(self.features - self.projected, axis=1) > 1e-4
        on = np.abs(self.projected @ self.normals.T - self.distances) <= 1e-4
        return np.asarray((on & moved[:, None]).mean(axis=0))

    @property
    def reach(self) -> float:
        """Size of the picture: twice as far as the farthest digit or facet."""
        return 2 * float(max(np.abs(self.features).max(), self.distances.max()))

    @property
    def corners(self) -> Array:
        """(C, 2): of the polygon, in order; cut off far outside the picture, for it may be open on a side."""
        frame = regular(4).numpy()
        normals, distances = np.vstack([self.normals, frame]), np.append(self.distances, np.full(4, 10 * self.reach))
        found = []
        for pair in combinations(range(len(distances)), 2):
            rows = list(pair)
            if abs(np.linalg.det(normals[rows])) > 1e-9:
                corner = np.linalg.solve(normals[rows], distances[rows])
                if np.all(normals @ corner <= distances + 1e-9 * self.reach):
                    found.append(corner)
        corners = np.array(found)
        return corners[np.argsort(np.arctan2(corners[:, 1], corners[:, 0]))]  # the origin is inside


def look(network: nn.Sequential, data: Data) -> Plane:
    """The plane of a network with two features."""
    *before, projection, _ = network
    with torch.no_grad():
        features = nn.Sequential(*before)(data.X_held)
        return Plane(*(t.numpy().copy() for t in (features, projection(features), *projection.facets())))


def turned(before: Plane, after: Plane) -> Array:
    """(K,): angle between a facet's normals, in degrees."""
    cosine = np.sum(before.normals * after.normals, axis=1)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


# %%
# Tables and picture
# ------------------


def print_tables(runs: dict[tuple[int, str], Run], before: Plane, after: Plane) -> None:
    """The networks; then the facets of the polygon."""
    print(f"{'features':>8}  {'layer':18}{'loss, last epoch':>17}{'held out':>10}{'seconds':>9}")
    for (features, name), run in runs.items():
        print(f"{features:8}  {name:18}{run.last_loss:17.4f}{run.accuracy[-1]:10.1%}{run.seconds:9.1f}")
    print("The facets of the learned decagon: angle turned, distance from the origin before and after training, and")
    print("the share of the digits held out whose projection ends on the facet (at a corner, on two)")
    print(f"{'facet':>8}{'turned':>9}{'before':>9}{'after':>9}{'holds':>9}")
    angles = turned(before, after)
    for k, share in enumerate(after.holds):
        print(f"{k:8}{angles[k]:8.0f}°{before.distances[k]:9.2f}{after.distances[k]:9.2f}{share:9.1%}")


COLOURS = matplotlib.colormaps["tab10"].colors  # every digit is also written, as its own mark
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "0.55"  # told apart by all kinds of colour vision


def draw(runs: dict[tuple[int, str], Run], data: Data, before: Plane, after: Plane, path: Path) -> None:
    """Accuracy of the networks with 16 features; the plane of the fourth network before and after training."""
    with matplotlib.rc_context({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(15, 6.6), layout="constrained")
        curves, start, end = figure.subplots(1, 3, width_ratios=(1, 1, 1.25))
        styles: dict[str, dict[str, Any]] = {
            "none": {"color": GREY, "ls": ":", "lw": 1.6},
            "ReLU of PyTorch": {"color": BLUE, "lw": 1.6},
            "ReLU, solved": {"color": BLUE, "ls": "", "marker": "o", "ms": 9, "mfc": "none", "mew": 1.6},
            "polytope, learned": {"color": ORANGE, "marker": "s", "ms": 5, "lw": 1.6},
        }
        for name, style in styles.items():
            accuracy = runs[16, name].accuracy
            curves.plot(np.arange(1, len(accuracy) + 1), 100 * accuracy, label=name, **style)
        curves.set_xlabel("epoch")
        curves.set_ylabel("digits held out that are read right (%)")
        curves.legend(loc="lower right", frameon=False, title="layer")
        curves.set_title("Sixteen features", loc="left", weight="bold")
        curves.grid(axis="y", color="0.9")

        _draw_plane(start, before, data.y_held.numpy())
        start.set_title("Two features, before training", loc="left", weight="bold")
        _draw_plane(end, after, data.y_held.numpy())
        accuracy = runs[2, LEARNED].accuracy[-1]
        end.set_title(f"Two features, after training: {accuracy:.0%} right", loc="left", weight="bold")
        marks = [
            Line2D([], [], ls="", marker="o", ms=3, c="0.4", label="features of a digit before the projection"),
            Line2D([], [], ls="", marker="$3$", ms=7, c="0.2", label="after it"),
            Line2D([], [], c="0.6", lw=0.8, label="the way"),
            Line2D([], [], ls="", marker="s", ms=10, mfc="0.94", mec="0.1", label="the polygon of the ten facets"),
        ]
        figure.legend(handles=marks, loc="outside lower right", ncols=4, frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, dpi=150)


def _draw_plane(axes: Any, plane: Plane, labels: NDArray[np.int64]) -> None:
    """Polygon, features, and where they are projected."""
    axes.add_artist(Polygon(plane.corners, fc="0.94", ec="0.1", lw=1.4, zorder=1))
    axes.update_datalim(plane.corners[np.abs(plane.corners).max(axis=1) <= plane.reach])
    ways = np.stack([plane.features, plane.projected], axis=1)
    colours = [COLOURS[k] for k in labels]
    axes.add_collection(LineCollection(list(ways), colors=colours, lw=0.5, alpha=0.35, zorder=2))
    axes.scatter(*plane.features.T, s=5, c=colours, lw=0, alpha=0.7, zorder=3)
    for k in range(10):
        axes.scatter(*plane.projected[labels == k].T, s=34, marker=f"${k}$", color=COLOURS[k], lw=0.3, zorder=4)
    axes.autoscale_view()
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("first feature")
    axes.set_ylabel("second feature")


# %%
# All together
# ------------


@dataclass(frozen=True)
class Report:
    """What `main` found."""

    relu: Comparison
    projection_error: float
    runs: dict[tuple[int, str], Run]
    """By number of features and name of the layer."""
    before: Plane
    after: Plane
    figure: Path


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread: for matrices this small, two are slower."""
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(count)


def main(output_directory: str | Path | None = None, epochs: int = 10, planar_epochs: int = 14) -> Report:
    """Tell the story; the figure goes to ``output_directory`` (``tutorials/output`` if None)."""
    data = digits()
    print(f"{len(data.y)} digits to train on, {len(data.y_held)} held out.")
    with one_thread():
        relu, error = compare_relus(), check_projection()
        print(f"ReLU, solved: outputs as PyTorch's to {relu.outputs:.1e}, gradients to {relu.gradients:.1e}; at zero")
        print(f"the derivative is {relu.at_zero.name}. Projection: derivative right to {error:.1e} (relative).")
        runs = {(16, name): train(wide(make()), data, epochs, 2e-2) for name, make in WIDE.items()}
        before = look(planar(PLANAR[LEARNED]()), data)
        runs |= {(2, name): train(planar(make()), data, planar_epochs, 3e-2) for name, make in PLANAR.items()}
        after = look(runs[2, LEARNED].network, data)
    print_tables(runs, before, after)
    folder = Path(output_directory) if output_directory is not None else Path(__file__).parent / "output"
    figure = folder / "relu_layers.png"
    draw(runs, data, before, after, figure)
    print(f"Figure: {figure}")

    # What this tutorial claims:
    assert relu.outputs <= 1e-4 and relu.gradients <= 1e-9 and error <= 1e-5
    assert relu.at_zero == ot.DifferentiationStatusCode.WEAKLY_ACTIVE
    plain, solved, polytope = (runs[16, name] for name in ("ReLU of PyTorch", "ReLU, solved", "polytope, learned"))
    np.testing.assert_allclose(solved.losses, plain.losses, atol=1e-3)  # the same training, step by step
    assert abs(solved.accuracy[-1] - plain.accuracy[-1]) <= 0.0025  # one digit of 449
    assert polytope.accuracy[-1] >= plain.accuracy[-1] - 0.01
    # the facets moved, and that was worth it
    assert np.median(turned(before, after)) >= 5
    assert runs[2, LEARNED].last_loss <= 0.95 * runs[2, FIXED].last_loss
    if planar_epochs >= 14:  # before that, accuracy does not tell yet, and the polygon may be open on a side
        assert np.abs(after.corners).max() <= after.reach
        assert runs[2, LEARNED].accuracy[-1] >= runs[2, FIXED].accuracy[-1] + 0.05
    return Report(relu, error, runs, before, after, figure)


if __name__ == "__main__":
    main()

# %%
# What to take home
# -----------------
# A solved ReLU is a ReLU: same gradients, same training, same network, only slower. So an optimization layer can be
# trusted like any other layer, and what it can do beyond is up to the model. Facets follow their gradients as weights
# do: the polygon that was left as it was costs the network with two features many digits, and learning its facets wins
# most of them back.
#
# The table also says what is *not* to be learned from it. On these digits no layer between the linear maps is needed at
# all, and with two features none is best. Nor is one training all trainings: with initial weights from the seeds 0 to 5
# the learned decagon reads 63 to 89 % of the digits held out, with each seed more than the fixed one (55 to 72 %) and
# less than no layer (84 to 91 %); the two-feature ReLU reads 10 to 78 %, for it may die. With sixteen features the
# differences are small: the polytope is 0.8 to 2.5 points above ReLU, and within 0.3 of no layer. A polytope pays where
# it *means* something, capacities or budgets or admissible doses that are not known exactly but can be learned from
# what happened.
