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

from .monomials import Monomials, added_up

__all__ = ["FloatArray", "IntArray", "Rows", "segments"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_NO_INDEX: IntArray = np.zeros(0, np.int64)
_NO_FLOAT: FloatArray = np.zeros(0)


def segments(starts: IntArray, counts: IntArray) -> IntArray:
    """Positions of the concatenated ranges ``starts[i] : starts[i] + counts[i]``."""
    total = int(counts.sum())
    if total == 0:
        return _NO_INDEX
    ends = np.cumsum(counts)
    positions: IntArray = np.arange(total) + np.repeat(starts - (ends - counts), counts)
    return positions


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
        lowest, first, second = (np.flatnonzero(degrees == d) for d in range(3))
        rest = np.flatnonzero(degrees > 2)
        constant = constant + _sums(terms.row[lowest], terms.coef[lowest], len(constant))
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
        parts = [Monomials(self.row, self.var[:, None], self.coef)]
        if len(self.qrow):
            parts.append(Monomials(self.qrow, np.stack([self.qvar1, self.qvar2], axis=1), self.qcoef))
        if self.higher is not None:
            parts.append(self.higher)
        return Monomials.stack(parts)

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
        offsets = np.cumsum([0, *(len(p.constant) for p in parts[:-1])])
        join = np.concatenate
        return Rows(
            join([p.constant for p in parts]),
            join([p.row + o for p, o in zip(parts, offsets, strict=True)]),
            join([p.var for p in parts]),
            join([p.coef for p in parts]),
            join([p.qrow + o for p, o in zip(parts, offsets, strict=True)]),
            join([p.qvar1 for p in parts]),
            join([p.qvar2 for p in parts]),
            join([p.qcoef for p in parts]),
            _stacked([p.higher.moved(np.arange(p.m) + o) for p, o in zip(parts, offsets, strict=True) if p.higher]),
        )

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
        if self.higher is not None:
            found = np.unique(np.concatenate([self.var, self.qvar1, self.qvar2, self.higher.factors.ravel()]))
            return found[found >= 0]
        if len(self.qrow):
            return np.unique(np.concatenate([self.var, self.qvar1, self.qvar2]))
        return np.unique(self.var)

    # ------------------------------------------------------------------ algebra
    def __add__(self, other: Rows) -> Rows:
        join = np.concatenate
        return Rows(
            self.constant + other.constant,
            join([self.row, other.row]),
            join([self.var, other.var]),
            join([self.coef, other.coef]),
            join([self.qrow, other.qrow]),
            join([self.qvar1, other.qvar1]),
            join([self.qvar2, other.qvar2]),
            join([self.qcoef, other.qcoef]),
            _stacked([part.higher for part in (self, other) if part.higher is not None]),
        )

    def shifted(self, constants: FloatArray) -> Rows:
        """These rows plus constants."""
        return self.with_constants(self.constant + constants)

    def with_constants(self, constants: FloatArray) -> Rows:
        """The same terms with other constants."""
        return replace(self, constant=constants)

    def without_curvature(self) -> Rows:
        """The constants and affine terms alone."""
        return self if self.degree < 2 else Rows(self.constant, self.row, self.var, self.coef)

    def scaled(self, factors: FloatArray) -> Rows:
        """Each row times its own factor (shape (m,))."""
        return Rows(
            factors * self.constant,
            self.row,
            self.var,
            factors[self.row] * self.coef,
            self.qrow,
            self.qvar1,
            self.qvar2,
            factors[self.qrow] * self.qcoef,
            None if self.higher is None else self.higher.weighted(factors),
        )

    def divided(self, divisors: FloatArray) -> Rows:
        """Each row divided by its own number (shape (m,))."""
        return Rows(
            self.constant / divisors,
            self.row,
            self.var,
            self.coef / divisors[self.row],
            self.qrow,
            self.qvar1,
            self.qvar2,
            self.qcoef / divisors[self.qrow],
            None if self.higher is None else self.higher.weighted(1.0 / divisors),
        )

    def _scaled_support(self, factors: FloatArray) -> Rows:
        """Each row times its own factor, without the terms of rows whose factor is zero."""
        keep, qkeep = factors[self.row] != 0, factors[self.qrow] != 0
        return Rows(
            self.constant,
            self.row[keep],
            self.var[keep],
            self.coef[keep],
            self.qrow[qkeep],
            self.qvar1[qkeep],
            self.qvar2[qkeep],
            self.qcoef[qkeep],
        ).scaled(factors)

    def renamed(self, rename: Callable[[IntArray], IntArray]) -> Rows:
        """The same rows in other variables, one for one."""
        if self.degree < 2:
            return Rows(self.constant, self.row, rename(self.var), self.coef)
        return Rows(
            self.constant,
            self.row,
            rename(self.var),
            self.coef,
            self.qrow,
            rename(self.qvar1),
            rename(self.qvar2),
            self.qcoef,
            None if self.higher is None else self.higher.renamed(rename),
        )

    def moved(self, rows: IntArray, m: int) -> Rows:
        """Row r of these becomes row ``rows[r]`` of m rows (others are zero; equal targets add)."""
        return Rows(
            _sums(rows, self.constant, m),
            rows[self.row],
            self.var,
            self.coef,
            rows[self.qrow],
            self.qvar1,
            self.qvar2,
            self.qcoef,
            None if self.higher is None else self.higher.moved(rows),
        )

    def take(self, rows: IntArray) -> Rows:
        """The rows at the given positions, in that order (repeats allowed)."""
        m, count = self.m, len(rows)
        if count == m and np.array_equal(rows, np.arange(m)):
            return self
        matrix = sp.csr_array((np.ones(count), rows, np.arange(count + 1)), shape=(count, m))
        return self.mapped(matrix)

    def pick(self, row: int, terms: IntArray, qterms: IntArray) -> Rows:
        """One row, when the positions of its terms are known."""
        zero, qzero = np.zeros(len(terms), np.int64), np.zeros(len(qterms), np.int64)
        q1, q2, qc = self.qvar1[qterms], self.qvar2[qterms], self.qcoef[qterms]
        return Rows(self.constant[row : row + 1], zero, self.var[terms], self.coef[terms], qzero, q1, q2, qc)

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

    def times(self, other: Rows) -> Rows:
        """Row by row products."""
        if self.degree + other.degree > 2:
            return self._times_any(other)
        affine = self._scaled_support(other.constant) + other._scaled_support(self.constant)
        affine = affine.with_constants(self.constant * other.constant)
        order = np.argsort(other.row, kind="stable")
        counts = np.bincount(other.row, minlength=self.m)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)
        partner = order[segments(starts[self.row], counts[self.row])]
        term = np.repeat(np.arange(len(self.row)), counts[self.row])
        return affine + Rows(
            np.zeros(self.m),
            qrow=self.row[term],
            qvar1=self.var[term],
            qvar2=other.var[partner],
            qcoef=self.coef[term] * other.coef[partner],
        )

    def dot(self, other: Rows) -> Rows:
        """The sum of the row by row products, one row: equal terms added up, those that cancel left out."""
        first = np.zeros(self.m, np.int64)
        if max(self.degree, other.degree) > 1:
            return self.times(other).moved(first, 1).merged()
        # (F x + f)ᵀ(G x + g) has the quadratic part xᵀ(FᵀG)x: a product of matrices, not a term for each pair of terms
        ids = np.union1d(self.var, other.var)
        F, G = (rows.matrix(lambda i: np.searchsorted(ids, i), len(ids)) for rows in (self, other))
        pairs = sp.coo_array(F.T @ G)
        i, j = pairs.coords
        affine = self._scaled_support(other.constant) + other._scaled_support(self.constant)
        affine = affine.with_constants(self.constant * other.constant).moved(first, 1)
        quadratic = Rows(np.zeros(1), qrow=np.zeros(pairs.nnz, np.int64), qvar1=ids[i], qvar2=ids[j], qcoef=pairs.data)
        return (affine + quadratic).merged()

    def _times_any(self, other: Rows) -> Rows:
        """The same of any degrees."""
        mine, others = self.terms(), other.terms()
        # products keep their zeros, so that the degree does not depend on a number
        parts = [
            mine.take(other.constant[mine.row] != 0.0).weighted(other.constant),
            others.take(self.constant[others.row] != 0.0).weighted(self.constant),
            mine.times(others, self.m),
        ]
        return Rows.of_terms(self.constant * other.constant, Monomials.stack(parts))

    def substituted(self, T: sp.csr_array, t: FloatArray, columns: IntArray, ids: IntArray) -> Rows:
        """The rows after ``x = T z + t``, with x in the order of `columns` positions and z named by `ids`.

        Parameters
        ----------
        T : csr_array of shape (number of x, number of z)
        t : array of shape (number of x,)
        columns : array
            The row of T that belongs to each affine term, followed by those of qvar1 and of qvar2.
        ids : array of shape (number of z,)
        """
        a = len(self.row)
        c0, c1, c2 = np.split(columns, [a, a + len(self.qrow)])
        constant = self.constant.copy()
        np.add.at(constant, self.row, self.coef * t[c0])
        row, z, coef = _into(T, self.row, c0, self.coef)
        parts_row, parts_z, parts_coef = [row], [z], [coef]
        if not len(self.qrow):
            return Rows(constant, row, ids[z], coef)
        # (T1 z + t1)(T2 z + t2) = T1 z T2 z + t2 T1 z + t1 T2 z + t1 t2
        np.add.at(constant, self.qrow, self.qcoef * t[c1] * t[c2])
        for mine, others in ((c1, c2), (c2, c1)):
            keep = t[others] != 0
            row, z, coef = _into(T, self.qrow[keep], mine[keep], (self.qcoef * t[others])[keep])
            parts_row.append(row)
            parts_z.append(z)
            parts_coef.append(coef)
        counts = np.diff(T.indptr).astype(np.int64)
        first = segments(T.indptr[c1].astype(np.int64), counts[c1])
        term = np.repeat(np.arange(len(c1)), counts[c1])
        second = segments(T.indptr[c2[term]].astype(np.int64), counts[c2[term]])
        again = np.repeat(np.arange(len(first)), counts[c2[term]])
        term, first = term[again], first[again]
        return Rows(
            constant,
            np.concatenate(parts_row),
            ids[np.concatenate(parts_z)],
            np.concatenate(parts_coef),
            self.qrow[term],
            ids[T.indices[first]],
            ids[T.indices[second]],
            self.qcoef[term] * T.data[first] * T.data[second],
        )

    def merged(self) -> Rows:
        """The same rows with equal terms added up, ``x y`` and ``y x`` too; as they are where no terms are equal.

        Sums that are zero stay terms, so that the degree does not depend on a number.
        """
        (row, var), coef = _fewer((self.row, self.var), self.coef)
        if self.degree < 2:
            return Rows(self.constant, row, var, coef)
        (qrow, qvar1, qvar2), qcoef = _fewer((self.qrow, self.qvar1, self.qvar2), self.qcoef)
        higher = None if self.higher is None else self.higher.merged()
        return Rows(self.constant, row, var, coef, qrow, qvar1, qvar2, qcoef, higher)

    def canonical(self) -> Rows:
        """Terms sorted by row and variable, repeats added up, zeros dropped, qvar1 <= qvar2."""
        (row, var), coef = _nonzero(*added_up((self.row, self.var), self.coef))
        if self.degree < 2:
            return Rows(self.constant, row, var, coef)
        (qrow, qvar1, qvar2), qcoef = _nonzero(*added_up((self.qrow, self.qvar1, self.qvar2), self.qcoef))
        higher = None if self.higher is None else self.higher.canonical()
        return Rows(self.constant, row, var, coef, qrow, qvar1, qvar2, qcoef, higher or None)

    # ------------------------------------------------------------------ reading
    def evaluate(self, value: Callable[[IntArray], FloatArray], *, constants: bool = True) -> FloatArray:
        """Values of the rows at ``x[id] = value(id)``; without the constants for a ray."""
        out = _sums(self.row, self.coef * value(self.var), self.m)
        if len(self.qrow):
            out += _sums(self.qrow, self.qcoef * value(self.qvar1) * value(self.qvar2), self.m)
        if self.higher is not None:
            out += _sums(self.higher.row, self.higher.values(value), self.m)
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


def _stacked(parts: Sequence[Monomials]) -> Monomials | None:
    return Monomials.stack(parts) if parts else None


def _sums(at: IntArray, values: FloatArray, count: int) -> FloatArray:
    """Sums of the values at each of count places (`numpy.bincount` makes whole numbers of no values)."""
    return np.bincount(at, values, count).astype(np.float64, copy=False)


def _expand(
    A: sp.csc_array, row: IntArray, names: tuple[IntArray, ...], coef: FloatArray
) -> tuple[IntArray, tuple[IntArray, ...], FloatArray]:
    """Terms of ``kron(I, A) F`` from the terms of F: each term spreads over its column of A."""
    p, q = A.shape
    copy, local = np.divmod(row, q) if q else (row, row)
    counts = np.diff(A.indptr).astype(np.int64)[local]
    at = segments(A.indptr[local].astype(np.int64), counts)
    if len(counts) == len(at) and (counts == 1).all():  # the common case: flips, selections, identities
        return copy * p + A.indices[at], names, A.data[at] * coef
    term = np.repeat(np.arange(len(row)), counts)
    return copy[term] * p + A.indices[at], tuple(v[term] for v in names), A.data[at] * coef[term]


def _into(T: sp.csr_array, row: IntArray, column: IntArray, coef: FloatArray) -> tuple[IntArray, IntArray, FloatArray]:
    """Terms of ``F T``: each term spreads over its row of T."""
    counts = np.diff(T.indptr).astype(np.int64)[column]
    at = segments(T.indptr[column].astype(np.int64), counts)
    term = np.repeat(np.arange(len(row)), counts)
    return row[term], T.indices[at].astype(np.int64), coef[term] * T.data[at]


def _nonzero(keys: Sequence[IntArray], coef: FloatArray) -> tuple[list[IntArray], FloatArray]:
    keep = coef != 0.0
    return [key[keep] for key in keys], coef[keep]


def _fewer(keys: Sequence[IntArray], coef: FloatArray) -> tuple[Sequence[IntArray], FloatArray]:
    if len(coef) < 2:
        return keys, coef
    merged, total = added_up(keys, coef)
    return (merged, total) if len(total) < len(coef) else (keys, coef)


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
    sums = _sums(code[:count], values, int(code.max(initial=-1)) + 1)
    return sums[code[count:]].reshape(shape)
