"""`Model.write` and `ot.read`: which format, how large, and what may go wrong before a line is read."""

from __future__ import annotations

import gzip
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ...modelkit.errors import InvalidData, MalformedFile
from ...modelkit.form import Abilities
from ...modelkit.model.abstract_meta_solver import AbstractMetaSolver
from ...modelkit.model.model import Model
from .lp_reading import read_lp
from .lp_writing import lp_lines
from .mps_reading import read_mps
from .mps_writing import mps_lines
from .program import Program, crossing, model_of, program_of

__all__ = ["read", "write"]

ABILITIES = Abilities(whole=True, semi=True)
"""What a file may hold."""
_WRITERS: dict[str, Callable[[Program], Iterator[str]]] = {".lp": lp_lines, ".mps": mps_lines}
_PACKED = ".gz"
_LINES = 1000  # written at a time


def write(meta_solver: AbstractMetaSolver, path: str | os.PathLike[str]) -> None:
    """Write the model that a meta-solver keeps; see `Model.write`."""
    name = os.fspath(path)
    suffix, packed = _format_of(name)
    program = program_of(meta_solver.named_form(ABILITIES, f"a file ({suffix})"))
    if not program.n:
        raise InvalidData(f"{name} was not written: the model has no variables, and a file without any is none.")
    for what, names, lower, upper in (
        ("constraint", program.rows, program.row_lower, program.row_upper),
        ("variable", program.columns, program.lower, program.upper),
    ):
        at = crossing(lower, upper)
        if at is not None:
            raise InvalidData(
                f"{name} was not written: {what} {names[at]!r} lies between {lower[at]} and {upper[at]}, where nothing "
                "is, and files cannot say that."
            )
    lines = _WRITERS[suffix](program)
    with open(name, "wb") as plain, ExitStack() as stack:
        file: Any = stack.enter_context(gzip.GzipFile("", "wb", 6, plain, 0)) if packed else plain
        while some := list(islice(lines, _LINES)):
            file.write("".join(f"{line}\n" for line in some).encode())


def read(path: str | os.PathLike[str], optimizer: Any = None, *, max_bytes: int = 1_000_000_000) -> Model:
    r"""A model from an MPS or LP file.

    Parameters
    ----------
    path : ending in ``.mps`` (free or fixed format) or ``.lp``, or in one of these and ``.gz``
    optimizer : what `Model` takes: a solver, a list, or ``ot.diff_optimizer(...)``
    max_bytes : larger files are refused before they are read, packed ones as soon as so much has come out of them

    Returns
    -------
    Model
        With the file's names: ``model.variable_by_name("x")``, ``model.constraint_by_name("c")``. Rows are affine
        functions in `GreaterThan`, `LessThan`, `EqualTo` or `Interval`, whole variables between 0 and 1 in `ZeroOne`.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        As `open` does.
    MalformedFile
        If it is empty, cut off, of another kind or wrong: with the line and the reason.
    UnsupportedConstraint
        If it has special ordered sets, indicators, quadratic rows or cones.
    InvalidData
        If it is too large, or the name tells no format.

    Notes
    -----
    HiGHS reads LP files, which must have been written for it or for CPLEX. Sides and bounds from 1e20 on are infinite.
    Nothing in a file is executed.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import optangent as ot
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "model.lp")
    ...     _ = path.write_text("max\n profit: 3 x + 2 y\nst\n hours: x + 2 y <= 4\nend\n")
    ...     model = ot.read(path, ot.solvers.HiGHS)
    >>> model.optimize()
    >>> model.objective_value(), model.dual(model.constraint_by_name("hours"))
    (12.0, -3.0)
    """
    name = os.fspath(path)
    suffix, packed = _format_of(name)
    data = _bytes_of(name, max_bytes, packed=packed)
    text = _text_of(name, data)
    if suffix == ".mps":
        program = read_mps(name, text)
    else:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "model.lp")
            source.write_bytes(data)
            program = read_lp(name, str(source))
    _check(name, program)
    return model_of(program, optimizer)


def _format_of(name: str) -> tuple[str, bool]:
    """Suffix, and whether it is packed."""
    stem = name.lower()
    packed = stem.endswith(_PACKED)
    suffix = os.path.splitext(stem.removesuffix(_PACKED))[1]
    if suffix not in _WRITERS:
        raise InvalidData(
            f"The name of a model's file ends in {' or '.join(sorted(_WRITERS))}, with or without {_PACKED}; got "
            f"{name!r}."
        )
    return suffix, packed


def _bytes_of(name: str, max_bytes: int, *, packed: bool) -> bytes:
    """What is in the file, its size looked at first."""
    with open(name, "rb") as file:
        about = os.fstat(file.fileno())
        if not stat.S_ISREG(about.st_mode):
            raise InvalidData(f"{name} is no plain file; copy what comes from it into one.")
        if about.st_size > max_bytes:
            raise _too_large(name, f"{about.st_size:,} bytes", max_bytes)
        if not packed:
            return file.read()
        try:
            data = gzip.GzipFile(fileobj=file).read(max_bytes + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise MalformedFile(name, f"it cannot be unpacked: {error}.") from None
    if len(data) > max_bytes:
        raise _too_large(name, "unpacked more bytes", max_bytes)
    return data


def _too_large(name: str, what: str, max_bytes: int) -> InvalidData:
    return InvalidData(
        f"{name} was not read: it has {what} than allowed ({max_bytes:,}). Give max_bytes=... to read it."
        if what.startswith("unpacked")
        else f"{name} was not read: it has {what}, more than the {max_bytes:,} that are allowed. Give max_bytes=... to "
        "read it."
    )


def _text_of(name: str, data: bytes) -> str:
    if not data.strip():
        raise MalformedFile(name, "the file is empty.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise MalformedFile(name, f"byte 0x{data[error.start]:02x} is no text in UTF-8.", line) from None
    at = text.find("\0")
    if at >= 0:
        raise MalformedFile(name, "there is a zero byte: it is no text.", text.count("\n", 0, at) + 1)
    return text


def _check(name: str, program: Program) -> None:
    """Refuse numbers that no model has."""
    finite = (program.P.data, program.q, np.array([program.r]), program.A.data)
    if not all(np.isfinite(values).all() for values in finite):
        raise MalformedFile(name, "a coefficient is not finite.")
    for what, names, lower, upper in (
        ("row", program.rows, program.row_lower, program.row_upper),
        ("column", program.columns, program.lower, program.upper),
    ):
        at = crossing(lower, upper)
        if at is not None:
            raise MalformedFile(
                name,
                f"{what} {names[at]!r} lies between {lower[at]:g} and {upper[at]:g}, where nothing is. (Without a "
                "lower bound of its own a column is nonnegative.)",
            )
