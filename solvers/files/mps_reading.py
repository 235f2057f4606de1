"""MPS files, in free and in fixed format.

Our own and not HiGHS' reader: that one (1.16) takes a coefficient ``abc`` for none, invents a column for a name that
it does not know, minimizes after ``OBJSENSE MAX`` on one line, merges two right-hand sides, and knows no line.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NoReturn, final

import numpy as np
import scipy.sparse as sp

from ...modelkit.errors import MalformedFile, UnsupportedConstraint
from ...modelkit.form import BINARY_BOX, Discreteness
from ...modelkit.warning import warn_user
from .program import INFINITE, Program

__all__ = ["read_mps"]

_SENSES = {word: word.startswith("MAX") for word in ("MAX", "MAXIMIZE", "MAXIMISE", "MIN", "MINIMIZE", "MINIMISE")}
_TRIANGLES = ("QUADOBJ", "QSECTION")
_SECTIONS = ("NAME", "OBJSENSE", "ROWS", "COLUMNS", "RHS", "RANGES", "BOUNDS", *_TRIANGLES, "QMATRIX", "ENDATA")
_OTHERS = {
    "SOS": "special ordered sets",
    "SETS": "special ordered sets",
    "QCMATRIX": "quadratic rows",
    "CSECTION": "cones",
    "INDICATORS": "indicator constraints",
    "GENCONS": "general constraints",
    "PWLOBJ": "piecewise linear objectives",
    "LAZYCONS": "lazy constraints",
    "USERCUTS": "user cuts",
}
_WITH_NUMBER = ("UP", "LO", "FX", "UI", "LI", "SC", "SI")
_WITHOUT_NUMBER = ("FR", "MI", "PL", "BV")
_WHOLE = ("BV", "UI", "LI")
_FIELDS = ((1, 3), (4, 12), (14, 22), (24, 36), (39, 47), (49, 61))
"""Columns of the fixed format."""


class _Wrong(Exception):
    """What is wrong with the line that is being read."""


def read_mps(path: str, text: str) -> Program:
    """The program that a file holds.

    What is left unsaid means what it means to HiGHS: whole columns between markers have bounds 0 and 1 unless they have
    others, the right-hand side of the objective is minus its constant, the first free row is the objective, and 1e20 is
    infinite. Of one column with both MARKER and SC or SI both hold.

    Raises
    ------
    MalformedFile
        With the line and the reason.
    UnsupportedConstraint
        If it has a section of what is no linear or quadratic program.
    """
    lines = text.splitlines()
    try:
        return _Reader(path, str.split).read(lines)
    except MalformedFile as error:
        try:  # names with spaces stand in fixed columns
            return _Reader(path, _fixed_fields).read(lines)
        except MalformedFile:
            raise error from None


def _fixed_fields(line: str) -> list[str]:
    fields = [line[start:stop].strip() for start, stop in _FIELDS]
    while fields and not fields[-1]:
        fields.pop()
    return fields if fields and fields[0] else fields[1:]


@final
class _Reader:
    """What was read so far, and a method for the lines of each section."""

    def __init__(self, path: str, fields: Callable[[str], list[str]]) -> None:
        self.path, self.fields, self.line = path, fields, 0
        self.name, self.section, self.maximizes = "", "", False
        self.objective: str | None = None
        self.rows: dict[str, int] = {}
        self.letters: list[str] = []
        self.columns: dict[str, int] = {}
        self.costs: dict[int, float] = {}
        self.whole = False
        self.kinds: list[Discreteness] = []
        self.entry_rows: list[int] = []
        self.entry_columns: list[int] = []
        self.entries: list[float] = []
        self.of_column: set[str] = set()
        self.sides: dict[str, float] = {}
        self.widths: dict[str, float] = {}
        self.set_names: dict[str, str] = {}
        self.lower: dict[int, float] = {}
        self.upper: dict[int, float] = {}
        self.curvature: dict[tuple[int, int], float] = {}
        self.is_whole_matrix = False
        self.late: list[str] = []

    def read(self, lines: Iterable[str]) -> Program:
        """All lines to the end."""
        take: Callable[[list[str]], None] = self._before
        try:
            for line in lines:
                self.line += 1
                if line[:1] == "*" or not line.strip():
                    continue
                if not line[0].isspace():
                    words = line.split()
                    if words[0] in _SECTIONS or words[0] in _OTHERS:
                        if words[0] == "ENDATA":
                            return self._program()
                        take = self._begin(words)
                        continue
                take(self.fields(line))
            where = f"in the section {self.section}" if self.section else "before any section"
            raise _Wrong(f"the file ends {where}, without ENDATA: it is cut off, or no MPS file.")
        except _Wrong as wrong:
            raise MalformedFile(self.path, str(wrong), self.line) from None
        except UnsupportedConstraint as error:
            raise UnsupportedConstraint(f"{self.path}, line {self.line}: {error}") from None

    def _begin(self, words: list[str]) -> Callable[[list[str]], None]:
        """The reader of the lines of a section."""
        section = words[0]
        if section in _OTHERS or (section == "QSECTION" and words[1:] not in ([], [self.objective])):
            raise UnsupportedConstraint(
                f"{_OTHERS.get(section, 'quadratic rows')} (section {section}) are not read from files; a file holds a "
                "linear or quadratic program, with whole and semicontinuous variables. Write them in Python."
            )
        self.section = section
        if section == "NAME":
            self.name = " ".join(words[1:])
        elif section == "OBJSENSE" and words[1:]:
            self._sense(words[1:])
        elif section == "COLUMNS" and not self.letters and self.objective is None:
            raise _Wrong("COLUMNS comes before any row; the section ROWS comes first.")
        elif section == "QMATRIX":
            self.is_whole_matrix = True
        return {
            "NAME": self._before,
            "OBJSENSE": self._sense,
            "ROWS": self._row,
            "COLUMNS": self._column,
            "RHS": self._side,
            "RANGES": self._width,
            "BOUNDS": self._bound,
        }.get(section, self._curved)

    # ------------------------------------------------------------------ lines
    def _before(self, fields: list[str]) -> None:
        raise _Wrong(
            f"expected a section ({', '.join(_SECTIONS)}) at the beginning of the line, got {_shown(' '.join(fields))}."
        )

    def _sense(self, fields: list[str]) -> None:
        if len(fields) != 1 or fields[0].upper() not in _SENSES:
            raise _Wrong(f"an OBJSENSE is MAX or MIN, got {_shown(' '.join(fields))}.")
        self.maximizes = _SENSES[fields[0].upper()]

    def _row(self, fields: list[str]) -> None:
        if len(fields) != 2 or fields[0] not in ("N", "L", "G", "E"):
            self._expected("a letter N, L, G or E and a name", fields)
        letter, name = fields
        if name in self.rows or name == self.objective:
            raise _Wrong(f"a second row {name!r}; names of rows differ.")
        if letter == "N" and self.objective is None:
            self.objective = name
            return
        self.rows[name] = len(self.rows)
        self.letters.append(letter)

    def _column(self, fields: list[str]) -> None:
        if len(fields) == 3 and fields[1] == "'MARKER'":
            if fields[2] not in ("'INTORG'", "'INTEND'"):
                raise _Wrong(f"a marker is 'INTORG' or 'INTEND', got {fields[2]}.")
            self.whole = fields[2] == "'INTORG'"
            return
        if len(fields) not in (3, 5):
            self._expected("a column, and one or two times a row and a number", fields)
        name = fields[0]
        j = self.columns.get(name)
        if j is None:
            j = self.columns[name] = len(self.columns)
            self.kinds.append(Discreteness.INTEGER if self.whole else Discreteness.CONTINUOUS)
            self.of_column = set()
        elif j != len(self.columns) - 1:
            raise _Wrong(f"the column {name!r} comes again behind others; the entries of a column stand together.")
        for k in range(1, len(fields), 2):
            row, value = fields[k], _finite(fields[k + 1])
            if row in self.of_column:
                raise _Wrong(f"a second entry of column {name!r} in row {row!r}.")
            self.of_column.add(row)
            if row == self.objective:
                self.costs[j] = value
                continue
            i = self.rows.get(row)
            if i is None:
                raise _Wrong(f"there is no row {row!r} in the section ROWS.")
            self.entry_rows.append(i)
            self.entry_columns.append(j)
            self.entries.append(value)

    def _side(self, fields: list[str]) -> None:
        self._numbers_of_rows(fields, self.sides)

    def _width(self, fields: list[str]) -> None:
        self._numbers_of_rows(fields, self.widths)

    def _numbers_of_rows(self, fields: list[str], held: dict[str, float]) -> None:
        if not 2 <= len(fields) <= 5:
            self._expected("a name, and one or two times a row and a number", fields)
        if len(fields) % 2:
            self._check_set(fields[0])
            fields = fields[1:]
        for row, text in zip(fields[::2], fields[1::2], strict=True):
            if row not in self.rows and row != self.objective:
                raise _Wrong(f"there is no row {row!r} in the section ROWS.")
            if row in held:
                raise _Wrong(f"a second number of row {row!r} in the section {self.section}.")
            held[row] = _number(text)

    def _check_set(self, name: str) -> None:
        first = self.set_names.setdefault(self.section, name)
        if name != first:
            raise _Wrong(
                f"a second set {name!r} in the section {self.section}, beside {first!r}; keep the one that is meant."
            )

    def _bound(self, fields: list[str]) -> None:
        word = fields[0]
        if word in _WITH_NUMBER and len(fields) in (3, 4):
            name, number = fields[-2], _number(fields[-1])
            in_set = len(fields) == 4
        elif word in _WITHOUT_NUMBER and 2 <= len(fields) <= 4:
            bare = len(fields) == 3 and fields[1] in self.columns and fields[2] not in self.columns
            in_set = len(fields) > 2 and not bare
            name, number = fields[2 if in_set else 1], math.nan
        else:
            self._expected(
                f"{', '.join(_WITH_NUMBER)} with a name, a column and a number, or {', '.join(_WITHOUT_NUMBER)} with a "
                "name and a column",
                fields,
            )
        if in_set:
            self._check_set(fields[1])
        j = self._place(name)
        lower, upper = {
            "UP": (None, number),
            "UI": (None, number),
            "SC": (None, number),
            "SI": (None, number),
            "LO": (number, None),
            "LI": (number, None),
            "FX": (number, number),
            "FR": (-math.inf, math.inf),
            "MI": (-math.inf, None),
            "PL": (None, math.inf),
            "BV": BINARY_BOX,
        }[word]
        if word in _WHOLE:
            self.kinds[j] = Discreteness.INTEGER
        elif word == "SI" or (word == "SC" and self.kinds[j] == Discreteness.INTEGER):
            self.kinds[j] = Discreteness.SEMIINTEGER
        elif word == "SC":
            self.kinds[j] = Discreteness.SEMICONTINUOUS
        self.lower[j] = self.lower.get(j, 0.0) if lower is None else lower
        self.upper[j] = self.upper.get(j, math.inf) if upper is None else upper

    def _curved(self, fields: list[str]) -> None:
        if len(fields) != 3:
            self._expected("two columns and a number", fields)
        i, j = self._place(fields[0]), self._place(fields[1])
        if (i, j) in self.curvature or (not self.is_whole_matrix and (j, i) in self.curvature):
            raise _Wrong(f"a second entry of {fields[0]!r} and {fields[1]!r}; {self.section} has each once.")
        self.curvature[i, j] = _finite(fields[2])

    def _place(self, name: str) -> int:
        """The place of a column; HiGHS leaves those without entries out of COLUMNS."""
        if not self.columns:
            raise _Wrong(f"there are no columns, and so none called {name!r}; the section COLUMNS comes first.")
        if name not in self.columns:
            self.late.append(name)
            self.columns[name] = len(self.columns)
            self.kinds.append(Discreteness.CONTINUOUS)
        return self.columns[name]

    def _expected(self, what: str, fields: list[str]) -> NoReturn:
        raise _Wrong(f"in the section {self.section} a line is {what}; got {_shown(' '.join(fields))}.")

    # ------------------------------------------------------------------ the whole
    def _program(self) -> Program:
        if not self.columns:
            raise _Wrong("the file has no columns; the sections ROWS and COLUMNS say what a program is made of.")
        if self.late:
            warn_user(
                f"{self.path}: of {len(self.late)} variables ({self.late[0]!r} first) there is nothing in the section "
                "COLUMNS, so that they are in no row. If that is a slip, correct the name.",
                UserWarning,
            )
        n, m = len(self.columns), len(self.rows)
        columns, rows = list(self.columns), list(self.rows)
        q, lower, upper = np.zeros(n), np.zeros(n), np.full(n, np.inf)
        for array, values in ((q, self.costs), (lower, self.lower), (upper, self.upper)):
            array[list(values)] = list(values.values())
        kinds = np.array(self.kinds, np.uint8)
        between_markers = np.flatnonzero(kinds == Discreteness.INTEGER)
        unbounded = [j for j in between_markers.tolist() if j not in self.lower]
        upper[unbounded] = BINARY_BOX[1]
        sides = [
            _interval(letter, self.sides.get(name, 0.0), self.widths.get(name))
            for name, letter in zip(rows, self.letters, strict=True)
        ]
        row_lower, row_upper = np.array(sides, np.float64).reshape(m, 2).T
        A = sp.csr_array(sp.coo_array((self.entries, (self.entry_rows, self.entry_columns)), shape=(m, n)))
        return Program(
            self.name,
            columns,
            rows,
            self.maximizes,
            self._matrix(n),
            q,
            -self.sides.get(self.objective or "", 0.0) + 0.0,
            A,
            row_lower,
            row_upper,
            _unbounded(lower),
            _unbounded(upper),
            kinds,
        )

    def _matrix(self, n: int) -> sp.csc_array:
        place = np.array(list(self.curvature), np.int64).reshape(-1, 2)
        given = sp.csc_array(sp.coo_array((list(self.curvature.values()), (place[:, 0], place[:, 1])), shape=(n, n)))
        if not self.is_whole_matrix:
            return sp.csc_array(given + given.T - sp.diags_array(given.diagonal()))
        if abs(given - given.T).nnz:
            raise _Wrong("QMATRIX is not symmetric; it has both halves of the matrix of the objective.")
        return given


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        try:
            value = float(text.lower().replace("d", "e"))  # as Fortran writes it
        except ValueError:
            raise _Wrong(f"{_shown(text)} is no number.") from None
    if math.isnan(value):
        raise _Wrong(f"{_shown(text)} is no number.")
    return value


def _finite(text: str) -> float:
    value = _number(text)
    if math.isinf(value):
        raise _Wrong(f"a coefficient is finite, got {_shown(text)}.")
    return value


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:60]}...")


def _interval(letter: str, side: float, width: float | None) -> tuple[float, float]:
    """Both sides of a row."""
    side = _far(side)
    lower = side if letter in "GE" else -math.inf
    upper = side if letter in "LE" else math.inf
    if width is None or letter == "N":
        return lower, upper
    width = _far(width)
    if letter == "G" or (letter == "E" and width >= 0.0):
        return lower, lower + abs(width)
    return upper - abs(width), upper


def _far(number: float) -> float:
    return math.copysign(math.inf, number) if abs(number) >= INFINITE else number


def _unbounded(bounds: np.ndarray) -> np.ndarray:
    return np.where(np.abs(bounds) >= INFINITE, np.copysign(np.inf, bounds), bounds)
