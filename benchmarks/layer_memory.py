"""Memory of 10,000 calls of a layer, forward and backward, and of 10,000 layers that are made, used and dropped.

    python benchmarks/layer_memory.py [--calls 10000] [--layers 10000]

Goals, after the first tenth, in which caches fill: the process grows by less than 5 MB, and by less than 1 MB for each
further 10,000. Ends with 1 if one is missed. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import gc
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import optangent as ot

GROWTH, FURTHER = 5.0, 1.0  # MB


def resident() -> float:
    """MB in memory now; where the system does not tell, at most so far."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * resource.getpagesize() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def tiny_layer() -> torch.nn.Module:
    """A quadratic program with 4 variables and 3 rows, all data parameters."""
    model = ot.Model(ot.diff_optimizer(ot.solvers.Clarabel))
    v = model.add_variables(4)
    G, h, q = (model.add_parameters(np.zeros(shape)) for shape in ((3, 4), 3, 4))
    c = model.add_constraint(G @ v - h, ot.Nonpositives(3))
    model.minimize(0.5 * (v @ v) + q @ v)
    return ot.layers.TorchLayer(model, parameters=[G, h, q], outputs=[v, c, ot.ObjectiveValue()])


def inputs(seed: int) -> list[torch.Tensor]:
    """A batch of two, with one shared input."""
    source = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=source).requires_grad_() for shape in ((2, 3, 4), (3,), (2, 4))]


def use(layer: torch.nn.Module, seed: int) -> None:
    """Go once through the layer and back."""
    sum(output.sum() for output in layer(*inputs(seed))).backward()


def grows(name: str, step: Callable[[int], None], count: int) -> bool:
    """Print how memory grows in ten parts; whether the goals are met."""
    start, sizes = time.perf_counter(), [resident()]
    for part in range(10):
        for k in range(count // 10):
            step(part * count + k)
        gc.collect()
        sizes.append(resident())
    seconds = (time.perf_counter() - start) / count
    growth = sizes[-1] - sizes[1]
    # the second half: caches are full, what still grows grows for ever
    further = (sizes[-1] - sizes[5]) * 2 * 10_000 / count
    print(f"| {name} | {count} | {seconds * 1e3:.2f} | {sizes[0]:.0f} | {growth:.2f} | {further:.2f} |")
    return growth < GROWTH and further < FURTHER


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=10_000)
    parser.add_argument("--layers", type=int, default=10_000)
    options = parser.parse_args()
    print("| | times | ms each | MB at first | growth after a tenth, MB | for 10,000 more, MB |")
    print("|---|---|---|---|---|---|")
    layer = tiny_layer()
    good = [
        grows("calls", lambda k: use(layer, k % 100), options.calls),
        grows("layers", lambda k: use(tiny_layer(), k % 100), options.layers),
    ]
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
