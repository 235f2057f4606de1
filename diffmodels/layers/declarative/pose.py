"""The pose of a camera from points whose images are known (perspective-n-point), as a declarative node."""

from __future__ import annotations

from typing import Any

from .node import layer_class, require_torch

__all__ = ["camera_pose"]


def camera_pose(**options: Any) -> Any:
    """(X, u, w) -> [R | t], argmin of Σ wᵢ |π(R Xᵢ + t) − uᵢ|², π(x, y, z) = (x/z, y/z).

    The rotation is that of a quaternion of length 1, over which and t the node minimizes, from the direct linear
    transformation of the same points.

    Parameters
    ----------
    options
        As of `DeclarativeNode`.

    Returns
    -------
    DeclarativeNode
        (B, N, 3), (B, N, 2), (B, N) -> (B, 3, 4): points in the world, their images in units of the focal length from
        the principal point, and weights. N >= 6, and the points do not lie in a plane.

    References
    ----------
    R. Hartley and A. Zisserman, Multiple View Geometry, 2004, section 7.1; I. Bar-Itzhack, New Method for Extracting
    the Quaternion from a Rotation Matrix, 2000.

    Examples
    --------
    >>> import torch
    >>> points = torch.tensor([[[0, 0, 4], [1, 0, 5], [0, 1, 6], [1, 1, 4], [-1, 0, 7], [0, -1, 4.0]]]).double()
    >>> pose = camera_pose()(points, points[:, :, :2] / points[:, :, 2:], torch.ones(1, 6))
    >>> bool((pose - torch.eye(3, 4)).abs().max() < 1e-12)
    True
    """
    torch = require_torch()

    def rotation(q: Any) -> Any:
        x, y, z, w = q
        return torch.stack(
            [
                torch.stack([w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)]),
                torch.stack([2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)]),
                torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z]),
            ]
        )

    def missed(x: Any, points: Any, images: Any, weights: Any) -> Any:
        seen = points @ rotation(x[:4]).mT + x[4:]
        return (weights[:, None] * (seen[:, :2] / seen[:, 2:] - images) ** 2).sum()

    def unit(x: Any, points: Any, images: Any, weights: Any) -> Any:
        return (x[:4] @ x[:4] - 1) / 2

    def transformation(points: Any, images: Any, weights: Any) -> Any:
        """(B, 7) the linear solution, in coordinates in which the points are spread evenly around 0."""
        middle = points.mean(1, keepdim=True)
        spread = (points - middle).abs().amax((1, 2), keepdim=True).clamp(min=1e-300)
        around = torch.cat([(points - middle) / spread, torch.ones_like(points[:, :, :1])], 2)
        zero = torch.zeros_like(around)
        rows = [torch.cat([around, zero, -images[:, :, :1] * around], 2)]
        rows += [torch.cat([zero, around, -images[:, :, 1:] * around], 2)]
        found = torch.linalg.svd(torch.nan_to_num(torch.cat(rows, 1))).Vh[:, -1].reshape(-1, 3, 4)
        left, values, right = torch.linalg.svd(found[:, :, :3])
        sign = torch.linalg.det(left @ right).sign()[:, None, None]
        r = sign * (left @ right)
        t = sign[:, :, 0] * found[:, :, 3] / values.mean(1, keepdim=True).clamp(min=1e-300) * spread[:, :, 0]
        return torch.cat([_quaternion(torch, r), t - (r @ middle.mT)[:, :, 0]], 1)

    def pose(x: Any, points: Any, images: Any, weights: Any) -> Any:
        return torch.cat([rotation(x[:4]), x[4:, None]], 1)

    return layer_class()(missed, unit, solve=transformation, output=pose, **options)


def _quaternion(torch: Any, r: Any) -> Any:
    """(B, 4) x, y, z, w: the eigenvector of the largest eigenvalue of a matrix that is linear in R."""
    skew = torch.stack([r[:, 2, 1] - r[:, 1, 2], r[:, 0, 2] - r[:, 2, 0], r[:, 1, 0] - r[:, 0, 1]], 1)
    trace = r.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
    block = r + r.mT - trace * torch.eye(3, dtype=r.dtype, device=r.device)
    top = torch.cat([block, skew[:, :, None]], 2)
    whole = torch.cat([top, torch.cat([skew[:, None, :], trace], 2)], 1)
    return torch.linalg.eigh(whole).eigenvectors[:, :, -1]
