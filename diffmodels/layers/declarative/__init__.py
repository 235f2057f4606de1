"""Solutions of programs that are written as PyTorch functions, as layers, and ready ones among them.

`stationary` finds points where the Lagrangian is stationary, `searching` the rows that are active there, `node` makes a
layer of it, `ready` writes down the programs that many need.
"""

from __future__ import annotations

from .pose import camera_pose
from .ready import (
    eigenvector,
    entropic_transport,
    project_l1,
    project_l2,
    project_linf,
    robust_pooling,
    weighted_least_squares,
)

__all__ = [
    "camera_pose",
    "eigenvector",
    "entropic_transport",
    "project_l1",
    "project_l2",
    "project_linf",
    "robust_pooling",
    "weighted_least_squares",
]
