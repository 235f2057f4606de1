r"""The derivative of a solution as one linear operator: outputs by data, both modes, blocks of directions at once.

A product with it, or with its transpose, costs a solve with the factors of one symmetric system (`both_modes`). So the
whole matrix costs as many solves as there are data, or as there are outputs, whichever is less.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, final

import numpy as np
from scipy.sparse.linalg import LinearOperator

from ...modelkit.arrays import FloatArray, IntArray
from ...modelkit.errors import DifferentiationError, InvalidData
from ...modelkit.functions.monomials import Monomials
from ...modelkit.functions.rows import Rows
from ...modelkit.store.store import Store
from ..both_modes import pulled, pushed
from ..data import Data, data_of
from ..derivative import Derivative
from ..outputs import Outputs, outputs_of
from ..picked_rows import PickedRows
from .frames import frame
from .owners import label
from .sensitivity_table import sensitivity_table

__all__ = ["Jacobian", "jacobian_of"]

_MOST_NUMBERS = 2**24
"""Numbers of a block of directions."""


@final
class Jacobian(LinearOperator):  # type: ignore[misc]  # SciPy has no types
    """Derivatives of N outputs in K data, (N, K).

    A ``scipy.sparse.linalg.LinearOperator``: ``J @ V`` is forward mode, ``J.T @ U`` reverse mode, for vectors and for
    matrices of directions; nothing is computed before. See `Model.jacobian`.

    Attributes
    ----------
    outputs, data : names of the rows and of the columns
    """

    def __init__(self, derivative: Derivative, of: Outputs, wrt: Data) -> None:
        super().__init__(np.float64, (of.count, wrt.count))
        self._derivative, self._of, self._wrt = derivative, of, wrt
        store = derivative.store
        self.outputs, self.data = _in_order(of.count, _outputs(store, of)), _in_order(wrt.count, _data(store, wrt))
        self._size = len(derivative.point.x) + 3 * derivative.lowering.form.slots.size

    # ------------------------------------------------------------------ SciPy's words
    def _matvec(self, x: Any) -> FloatArray:
        return self._matmat(np.reshape(x, (-1, 1)))[:, 0]

    def _rmatvec(self, x: Any) -> FloatArray:
        return self._rmatmat(np.reshape(x, (-1, 1)))[:, 0]

    def _matmat(self, X: Any) -> FloatArray:
        return self._in_blocks(np.asarray(X, np.float64), self._push, self.shape[0])

    def _rmatmat(self, X: Any) -> FloatArray:
        return self._in_blocks(np.asarray(X, np.float64), self._pull, self.shape[1])

    def _in_blocks(self, X: FloatArray, way: Any, rows: int) -> FloatArray:
        step = max(1, _MOST_NUMBERS // max(1, self._size))
        if X.shape[1] <= step:
            found: FloatArray = way(X)
            return found
        out = np.empty((rows, X.shape[1]))
        for start in range(0, X.shape[1], step):
            out[:, start : start + step] = way(X[:, start : start + step])
        return out

    def toarray(self) -> FloatArray:
        """The matrix (N, K), by the mode that takes fewer solves."""
        rows, columns = self.shape
        if columns <= rows:
            return self._matmat(np.eye(columns))
        return self._rmatmat(np.eye(rows)).T

    def to_frame(self) -> Any:
        """The matrix as a pandas ``DataFrame``, outputs by data; ``plot`` has ``heatmap`` and ``tornado``, too."""
        matrix = self.toarray()
        made = frame({str(k): matrix[:, k] for k in range(matrix.shape[1])}, self.outputs)
        made.columns = self.data
        return sensitivity_table(made, None)

    def __repr__(self) -> str:
        rows, columns = self.shape
        return f"Jacobian({rows} output{'s' * (rows != 1)} by {columns} dat{'a' if columns != 1 else 'um'})"

    # ------------------------------------------------------------------ both modes
    def _push(self, V: FloatArray) -> FloatArray:
        return pushed(self._derivative, self._of, self._wrt.tangents(V), V.shape[1])

    def _pull(self, U: FloatArray) -> FloatArray:
        return pulled(self._derivative, self._of, self._wrt, U)


def jacobian_of(derivative: Derivative, of: Any, wrt: Any) -> Jacobian:
    """See `Model.jacobian`."""
    if not derivative.slope.is_linear:
        raise DifferentiationError(
            "A one-sided derivative is not linear in the direction, so there is no Jacobian at this solution. "
            "DifferentiationPolicy() is 'directional': model.directional_derivatives takes many directions, or set it "
            "to 'smoothed' or 'generalized'."
        )
    store, lowering = derivative.store, derivative.lowering
    outputs, data = outputs_of(store, lowering, of), data_of(store, lowering, wrt)
    if not outputs.count:
        raise InvalidData("There are no outputs: give variables, affine functions, constraints (their duals).")
    if not data.count:
        raise InvalidData(
            "There are no data: give parameters, constraints (right-hand sides), variables (costs), Coefficients or "
            "SetNumbers."
        )
    return Jacobian(derivative, outputs, data)


# ---------------------------------------------------------------------- names
_Names = Iterator[tuple[IntArray, Iterable[str]]]
"""Places, and the names there."""


def _in_order(count: int, named: _Names) -> list[str]:
    names = [""] * count
    for at, words in named:
        for place, name in zip(at.tolist(), words, strict=True):
            names[place] = name
    return names


def _outputs(store: Store, of: Outputs) -> _Names:
    yield of.at_rows, (store.text_of(of.rows.take(np.array([i]))) for i in range(of.rows.m))
    for one in of.duals:
        yield one.at, (f"dual of {name}" for name in _of_rows(store, one))
    yield of.at_value, ["objective"] * len(of.at_value)


def _data(store: Store, wrt: Data) -> _Names:
    yield wrt.at_parameters, (store.name_of(i) for i in wrt.parameters.tolist())
    yield (
        wrt.at_objective,
        (
            f"cost of {name}" if linear else f"coefficient of {name} in the objective"
            for name, linear in _products(store, wrt.factors[wrt.at_objective])
        ),
    )
    for one in wrt.sides:
        yield one.at, (f"right-hand side of {name}" for name in _of_rows(store, one))
    for one in wrt.functions:
        products = _products(store, wrt.factors[one.at])
        yield (
            one.at,
            (f"coefficient of {x} in {name}" for (x, _), name in zip(products, _of_rows(store, one), strict=True)),
        )
    for one in wrt.sets:
        fields = one.indices.kind[1].fields
        words = [fields[k] for k in wrt.fields[one.at].tolist()]
        yield one.at, (f"{word} of {name}" for word, name in zip(words, _of_rows(store, one), strict=True))


def _of_rows(store: Store, picked: PickedRows) -> Iterator[str]:
    indices = list(picked.indices)
    owner, row = picked.owners()
    return (label(store, indices[i], k) for i, k in zip(owner.tolist(), row.tolist(), strict=True))


def _products(store: Store, factors: IntArray) -> Iterator[tuple[str, bool]]:
    """Products of variables as text, and whether each is one variable."""
    for one in factors:
        term = Monomials(np.zeros(1, np.int64), one[None], np.ones(1))
        yield store.text_of(Rows.of_terms(np.zeros(1), term)), int((one >= 0).sum()) == 1
