"""Warnings that name the user's line, however many layers lie between."""

from __future__ import annotations

import sys
import warnings

__all__ = ["warn_user"]


def warn_user(text: str, category: type[Warning]) -> None:
    """Warn, as of the first line up the stack that is not this package's.

    By that line Python knows whether it has shown a warning already, so it must not be one of ours.
    """
    package, level = __name__.partition(".")[0], 2
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
