"""Rows: a block of polynomial rows, in coordinate arrays.

Affine and quadratic terms have arrays of their own; the few terms of higher degree, products with parameters mostly,
are `Monomials`. This is the one array representation behind every vector function, every block of constraints, every
tangent and every map a bridge applies. Variables are named by their identifiers (int64), see `VariableIndex`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, final

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from ..arrays import FloatArray, IntArray, added_up, fewer, spread, sums
from .monomials import Monomials

__all__ = ["QUIET", "TERMS", "Rows"]

TERMS = (("row", "var", "coef"), ("qrow", "qvar1", "qvar2", "qcoef"))
"""The arrays of the affine and of the quadratic terms: row, variables, coefficient."""

_NO_INDEX: IntArray = np.zeros(0, np.int64)
_NO_FLOAT: FloatArray = np.zeros(0)
QUIET = np.errstate(over="ignore", invalid="ignore")
"""What overflows here is refused, in words, where a model gets it (`checks.check_rows`)."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """m rows ``constant[r] + sum coef * x[var] + sum qcoef * x[qvar1] * x[qvar2] + ...`` over the terms of row r.

    Terms may come in any order and repeat; repeated terms add. A quadratic coefficient is that of the
    written-out polynomial, so ``x[i] * x[j]`` stands once, whichever way round.

    Parameters
    ----------
    constant : array of shape (m,)
    row, var, coef : arrays of shape (number of affine terms,)
    qrow, qvar1, qvar2, qcoef : arrays of shape (number of quadratic terms,)
    higher : terms of degree three and more, or None
    """

    constant: FloatArray
    row: IntArray = field(default_factory=lambda: _NO_INDEX)
    var: IntArray = field(default_factory=lambda: _NO_INDEX)
    coef: FloatArray = field(default_factory=lambda: _NO_FLOAT)
    qrow: IntArray = field(default_factory=lambda: _NO_INDEX)
    qvar1: IntArray = field(default_factory=lambda: _NO_INDEX)
    qvar2: IntArray = field(default_factory=lambda: _NO_INDEX)
    qcoef: FloatArray = field(default_factory=lambda: _NO_FLOAT)
    higher: Monomials | None = None

    @staticmethod
    def of_terms(constant: FloatArray, terms: Monomials) -> Rows:
        """Constants and terms of any degree, sorted into their arrays."""
        terms = terms.packed()
        degrees = terms.degrees
        if degrees.min(initial=3) > 2:
            return Rows(constant, higher=terms if len(terms) else None)
        lowest, first, second = (np.flatnonzero(degrees == d) for d in range(3))
        rest = np.flatnonzero(degrees > 2)
        constant = constant + sums(terms.row[lowest], terms.coef[lowest], len(constant))
        one = terms.factors[first, 0] if len(first) else _NO_INDEX
        pair = terms.factors[second, :2].T if len(second) else (_NO_INDEX, _NO_INDEX)
        return Rows(
            constant,
            terms.row[first],
            one,
            terms.coef[first],
            terms.row[second],
            pair[0],
            pair[1],
            terms.coef[second],
            terms.take(rest) if len(rest) else None,
        )

    def terms(self) -> Monomials:
        """All terms but the constants."""
        parts = []
        if len(self.row) or self.degree < 2:
            parts.append(Monomials(self.row, self.var[:, None], self.coef))
        if len(self.qrow):
            parts.append(Monomials(self.qrow, np.stack([self.qvar1, self.qvar2]).T, self.qcoef))
        if self.higher is not None:
            parts.append(self.higher)
        return Monomials.stack(parts)

    def products(self) -> list[tuple[IntArray, tuple[IntArray, ...], FloatArray]]:
        """Row, factors and coefficient of the terms of degree two and more; -1 fills up shorter ones."""
        parts: list[tuple[IntArray, tuple[IntArray, ...], FloatArray]] = [
            (self.qrow, (self.qvar1, self.qvar2), self.qcoef)
        ]
        if self.higher is not None:
            parts.append((self.higher.row, tuple(self.higher.factors.T), self.higher.coef))
        return parts

    @staticmethod
    def of_variables(ids: IntArray) -> Rows:
        """One row for each variable."""
        m = len(ids)
        return Rows(np.zeros(m), np.arange(m), ids, np.ones(m))

    @staticmethod
    def stack(parts: Sequence[Rows]) -> Rows:
        """The rows of all parts, one below the other."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return Rows(_NO_FLOAT)
        offsets = np.cumsum([0, *(p.m for p in parts[:-1])])
        return _joined(np.concatenate([p.constant for p in parts]), parts, offsets)

    @property
    def m(self) -> int:
        """Number of rows."""
        return len(self.constant)

    @property
    def degree(self) -> int:
        """3 with terms of degree three or more, else 2 with quadratic terms, else 1 with affine terms, else 0."""
        if self.higher is not None:
            return 3
        return 2 if len(self.qrow) else 1 if len(self.row) else 0

    def is_finite(self) -> bool:
        """Whether every coefficient and constant is a finite number."""
        coefs = [self.constant, self.coef, self.qcoef, *([self.higher.coef] if self.higher is not None else [])]
        return all(bool(np.isfinite(c).all()) for c in coefs)

    def variables(self) -> IntArray:
        """The identifiers that occur, each once, sorted."""
        higher = [] if self.higher is None else [self.higher.factors.ravel()]
        found = np.unique(np.concatenate([self.var, self.qvar1, self.qvar2, *higher]))
        return found[found >= 0]  # without what fills up terms of higher degree

    # ------------------------------------------------------------------ algebra
    @QUIET
    def __add__(self, other: Rows) -> Rows:
        return _joined(self.constant + other.constant, (self, other), np.zeros(2, np.int64))

    def with_constants(self, constants: FloatArray) -> Rows:
        """The same terms with other constants."""
        return replace(self, constant=constants)

    def without_curvature(self) -> Rows:
        """The constants and affine terms alone."""
        return self if self.degree < 2 else Rows(self.constant, self.row, self.var, self.coef)

    def scaled(self, factors: FloatArray) -> Rows:
        """Each row times its own factor (shape (m,))."""
        higher = None if self.higher is None else self.higher.weighted(factors)
        return self._weighted(np.multiply, factors, higher)

    def divided(self, divisors: FloatArray) -> Rows:
        """Each row divided by its own number (shape (m,))."""
        higher = None if self.higher is None else self.higher.weighted(1.0 / divisors)
        return self._weighted(np.divide, divisors, higher)

    @QUIET
    def _weighted(self, operation: Any, numbers: FloatArray, higher: Monomials | None) -> Rows:
        """Constants and coefficients, each combined with the number of its row."""
        every = len(numbers) == 1  # one number for all
        constant = operation(self.constant, numbers)
        coef = operation(self.coef, numbers if every else numbers[self.row])
        if self.degree < 2:
            return Rows(constant, self.row, self.var, coef)
        qcoef = operation(self.qcoef, numbers if every else numbers[self.qrow])
        return replace(self, constant=constant, coef=coef, qcoef=qcoef, higher=higher)

    def only(self, keep: NDArray[np.bool_]) -> Rows:
        """All constants, and the terms of some of the rows (a mask of shape (m,))."""
        if keep.all():
            return self
        higher = self.higher and self.higher.take(keep[self.higher.row])
        return self._kept(keep[self.row], keep[self.qrow], higher)

    def without(self, ids: IntArray) -> Rows:
        """The rows without the terms in these variables."""
        affine, one, two = (~np.isin(var, ids) for var in (self.var, self.qvar1, self.qvar2))
        higher = self.higher and self.higher.take(~np.isin(self.higher.factors, ids).any(axis=1))
        return self._kept(affine, one & two, higher)

    def where(
        self, affine: NDArray[np.bool_], quadratic: NDArray[np.bool_], higher: NDArray[np.bool_] | None = None
    ) -> Rows:
        """All constants, and some of the terms (masks)."""
        return self._kept(affine, quadratic, self.higher and self.higher.take(higher))

    def _kept(self, affine: NDArray[np.bool_], quadratic: NDArray[np.bool_], higher: Monomials | None) -> Rows:
        row, var, coef = self.row[affine], self.var[affine], self.coef[affine]
        if self.degree < 2:
            return Rows(self.constant, row, var, coef)
        qrow, qvar1, qvar2 = (array[quadratic] for array in (self.qrow, self.qvar1, self.qvar2))
        return Rows(self.constant, row, var, coef, qrow, qvar1, qvar2, self.qcoef[quadratic], higher or None)

    def renamed(self, rename: Callable[[IntArray], IntArray]) -> Rows:
        """The same rows in other variables, one for one."""
        var = rename(self.var)
        if self.degree < 2:
            return Rows(self.constant, self.row, var, self.coef)
        higher = None if self.higher is None else self.higher.renamed(rename)
        return replace(self, var=var, qvar1=rename(self.qvar1), qvar2=rename(self.qvar2), higher=higher)

    def moved(self, rows: IntArray, m: int) -> Rows:
        """Row r of these becomes row ``rows[r]`` of m rows (others are zero; equal targets add)."""
        constant = sums(rows, self.constant, m)
        higher = None if self.higher is None else self.higher.moved(rows)
        return replace(self, constant=constant, row=rows[self.row], qrow=rows[self.qrow], higher=higher)

    def total(self) -> Rows:
        """The sum of the rows, one row, equal terms added up."""
        row, qrow = np.zeros(len(self.row), np.int64), np.zeros(len(self.qrow), np.int64)
        higher = self.higher and replace(self.higher, row=np.zeros(len(self.higher), np.int64))
        constant = sums(np.zeros(self.m, np.int64), self.constant, 1)
        return replace(self, constant=constant, row=row, qrow=qrow, higher=higher).merged()

    def take(self, rows: IntArray) -> Rows:
        """The rows at the given positions, in that order (repeats allowed)."""
        m, count = self.m, len(rows)
        if count == m and np.array_equal(rows, np.arange(m)):
            return self
        if self.has_one_each:
            return Rows(self.constant[rows], np.arange(count), self.var[rows], self.coef[rows])
        matrix = sp.csr_array((np.ones(count), rows, np.arange(count + 1)), shape=(count, m))
        return self.mapped(matrix)

    def pick(self, row: int, terms: IntArray, qterms: IntArray) -> Rows:
        """One row, when the positions of its terms are known."""
        zero, qzero = np.zeros(len(terms), np.int64), np.zeros(len(qterms), np.int64)
        q1, q2, qc = self.qvar1[qterms], self.qvar2[qterms], self.qcoef[qterms]
        return Rows(self.constant[row : row + 1], zero, self.var[terms], self.coef[terms], qzero, q1, q2, qc)

    @QUIET
    def mapped(self, A: sp.csr_array, copies: int = 1) -> Rows:
        """``kron(I, A)`` applied from the left, with `copies` copies of A on consecutive groups of rows.

        Parameters
        ----------
        A : csr_array of shape (p, q)
            With ``copies * q`` the number of rows.

        Returns
        -------
        Rows
            ``copies * p`` rows.
        """
        q = A.shape[1]
        constant = (A @ self.constant.reshape(copies, q).T).T.ravel()
        Ac = A.tocsc()
        row, (var,), coef = _expand(Ac, self.row, (self.var,), self.coef)
        if self.degree < 2:
            return Rows(constant, row, var, coef)
        qrow, (qvar1, qvar2), qcoef = _expand(Ac, self.qrow, (self.qvar1, self.qvar2), self.qcoef)
        higher = None
        if self.higher is not None:
            hrow, (term,), hcoef = _expand(Ac, self.higher.row, (np.arange(len(self.higher)),), self.higher.coef)
            higher = Monomials(hrow, self.higher.factors[term], hcoef) if len(hrow) else None
        return Rows(constant, row, var, coef, qrow, qvar1, qvar2, qcoef, higher)

    @property
    def has_one_each(self) -> bool:
        """Whether each row has one term, an affine one, and they are in order."""
        return self.degree == 1 and len(self.row) == self.m and bool((self.row == np.arange(self.m)).all())

    @QUIET
    def merged(self) -> Rows:
        """The same rows with equal terms added up, ``x y`` and ``y x`` too; as they are where no terms are equal.

        Sums that are zero stay terms, so that the degree does not depend on a number.
        """
        return self._collected(fewer, None if self.higher is None else self.higher.merged())

    def canonical(self) -> Rows:
        """Terms sorted by row and variable, repeats added up, zeros dropped, qvar1 <= qvar2."""
        if self.degree < 2 and len(self.coef) == 1 and self.coef[0]:  # as tangents are, one after the other
            return self
        return self._canonical()

    @QUIET
    def _canonical(self) -> Rows:
        return self._collected(_nonzero, None if self.higher is None else self.higher.canonical() or None)

    def _collected(self, collect: _Collect, higher: Monomials | None) -> Rows:
        """The same rows, the terms of either degree collected."""
        (row, var), coef = collect((self.row, self.var), self.coef)
        if self.degree < 2:
            return Rows(self.constant, row, var, coef)
        (qrow, qvar1, qvar2), qcoef = collect((self.qrow, self.qvar1, self.qvar2), self.qcoef)
        return Rows(self.constant, row, var, coef, qrow, qvar1, qvar2, qcoef, higher)

    # ------------------------------------------------------------------ reading
    def evaluate(self, value: Callable[[IntArray], FloatArray], *, constants: bool = True) -> FloatArray:
        """Values of the rows at ``x[id] = value(id)``; without the constants for a ray."""
        out = sums(self.row, self.coef * value(self.var), self.m)
        if len(self.qrow):
            out += sums(self.qrow, self.qcoef * value(self.qvar1) * value(self.qvar2), self.m)
        if self.higher is not None:
            out += sums(self.higher.row, self.higher.values(value), self.m)
        return out + self.constant if constants else out

    def matrix(self, column: Callable[[IntArray], IntArray], n: int) -> sp.csr_array:
        """The affine coefficients as a sparse matrix of shape (m, n)."""
        return sp.csr_array(sp.coo_array((self.coef, (self.row, column(self.var))), shape=(self.m, n)))

    def coefficients(self, rows: IntArray, ids: IntArray) -> FloatArray:
        """The affine coefficients at pairs (row, variable)."""
        return _lookup((self.row, self.var), self.coef, (rows, ids))

    def quadratic_coefficients(self, rows: IntArray, first: IntArray, second: IntArray) -> FloatArray:
        """The written-out quadratic coefficients at triples (row, variable, variable)."""
        mine = (self.qrow, np.minimum(self.qvar1, self.qvar2), np.maximum(self.qvar1, self.qvar2))
        return _lookup(mine, self.qcoef, (rows, np.minimum(first, second), np.maximum(first, second)))


_Collect = Callable[[Sequence[IntArray], FloatArray], tuple[Sequence[IntArray], FloatArray]]
"""From (row, variables) and the coefficients of terms to those of fewer terms."""


def _nonzero(keys: Sequence[IntArray], coef: FloatArray) -> tuple[Sequence[IntArray], FloatArray]:
    keys, coef = added_up(keys, coef)
    keep = coef != 0.0
    return (keys, coef) if keep.all() else ([key[keep] for key in keys], coef[keep])


def _joined(constant: FloatArray, parts: Sequence[Rows], offsets: IntArray) -> Rows:
    """Constants, and the terms of all parts, those of part k moved down by ``offsets[k]`` rows."""
    terms: dict[str, Any] = {}
    for key, *names in TERMS:
        counts = [len(getattr(p, key)) for p in parts]
        filled = [k for k, count in enumerate(counts) if count]
        if len(filled) == 1:  # nothing to be joined
            only, down = parts[filled[0]], offsets[filled[0]]
            terms |= {name: getattr(only, name) for name in (key, *names)}
            if down:
                terms[key] = terms[key] + down
        elif filled:
            terms |= {name: np.concatenate([getattr(p, name) for p in parts]) for name in (key, *names)}
            if offsets[-1]:
                terms[key] = terms[key] + np.repeat(offsets, counts)
    higher = [replace(p.higher, row=p.higher.row + o) for p, o in zip(parts, offsets, strict=True) if p.higher]
    return Rows(constant, **terms, higher=Monomials.stack(higher) if higher else None)


def _expand(
    A: sp.csc_array, row: IntArray, names: tuple[IntArray, ...], coef: FloatArray
) -> tuple[IntArray, tuple[IntArray, ...], FloatArray]:
    """Terms of ``kron(I, A) F`` from the terms of F: each term spreads over its column of A."""
    p, q = A.shape
    copy, local = np.divmod(row, q) if q else (row, row)
    at: Any
    at, place, number = spread(A, local)
    if len(at) == len(row) and (np.diff(at) == 1).all():  # the common case: flips, selections, identities
        at = slice(None)
    return copy[at] * p + place, tuple(v[at] for v in names), number * coef[at]


def _lookup(keys: tuple[IntArray, ...], values: FloatArray, wanted: tuple[Any, ...]) -> FloatArray:
    """Sums of the values whose keys equal the wanted ones; arrays broadcast."""
    queries = [np.asarray(w, np.int64) for w in wanted]
    shape = np.broadcast_shapes(*(w.shape for w in queries))
    if shape in ((), (1,)):  # one query: no need to sort
        same = np.logical_and.reduce([k == w for k, w in zip(keys, queries, strict=True)])
        return np.full(shape, values[same].sum())
    queries = [np.broadcast_to(w, shape).ravel() for w in queries]
    count = len(values)
    both = np.stack([np.concatenate([k, q]) for k, q in zip(keys, queries, strict=True)])
    _, code = np.unique(both, axis=1, return_inverse=True)
    code = code.ravel()
    found = sums(code[:count], values, int(code.max(initial=-1)) + 1)
    return found[code[count:]].reshape(shape)
