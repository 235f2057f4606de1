"""How derivatives travel through products with parameters, whose values were inserted on the way down.

Below, a parameter is a variable x_p that its constraint holds at the value θ; where it multiplies, θ stands in the
coefficients. Let G be what the products add to the Lagrangian ``sign f0 - Σ W y f``. Its derivatives in p are what the
way down leaves out:

* a move dp of the parameter is a tangent ``df/dp dp`` of each function with products,
* the dual of its constraint is that below plus ``dG/dp``, and moves by that below plus the derivative of ``dG/dp``
  along (dx, dp, dy) and along the tangents of functions,
* a seed s of that dual is a seed ``s d²G/dpdx`` of x and ``s d²G/dpdy`` of y,
* the gradient in θ is that below plus the gradients of the coefficients ``df/dp``.

With symmetric second derivatives each of these is the transpose of another, as below.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import numpy as np

from ..modelkit import attributes as attr
from ..modelkit.arrays import FloatArray, IntArray
from ..modelkit.attributes import Way
from ..modelkit.functions import VectorOfVariables
from ..modelkit.indices import ConstraintIndex, ConstraintIndices
from ..modelkit.products import Pieces, Products, inner_product
from ..modelkit.rows import Rows

__all__ = ["ProductTravel"]


@final
class ProductTravel:
    """What a bridge layer adds to the ways of the parameters' constraints.

    Parameters
    ----------
    layer : the bridge layer, through which the rest travels
    """

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._tangents: list[Pieces] = []
        self.forget()

    def forget(self) -> None:
        """The model changed, or is about to be solved."""
        self._found: Products | None = None
        self._costs: FloatArray | None = None
        self._moved: FloatArray | None = None  # how dG/dp moved along the tangents that were pushed last

    def empty_inputs(self) -> None:
        """Tangents were taken back."""
        self._tangents.clear()

    @property
    def _products(self) -> Products:
        if self._found is None:
            self._found = Products(self._layer.store)
        return self._found

    def _places(self, index: ConstraintIndex | ConstraintIndices) -> IntArray:
        """The numbers of the parameters that some constraints make."""
        ids = np.array([index.value]) if isinstance(index, ConstraintIndex) else index.values
        return self._products.parameters.places(ids)

    # ------------------------------------------------------------------ down
    def record(self, index: Any, tangents: Rows) -> None:
        """Remember the products in tangents of the functions of some constraints, or of the objective (None)."""
        if tangents.degree < 2:
            return
        if isinstance(index, ConstraintIndex):
            index = ConstraintIndices(index.kind, np.array([index.value]))
        pieces = Pieces.of(index, tangents, self._products.parameters)
        if pieces is not None:
            self._tangents.append(pieces)

    def down(self, attribute: attr.Attribute, index: ConstraintIndex | ConstraintIndices, payload: Any) -> None:
        """Send what was set on parameters' constraints through the products as well."""
        if not self._products.pieces:
            return
        place = self._places(index)
        if attribute.way is Way.SET_TANGENT:
            # a constant of the function counts against the number of its set
            self._move(place, payload[:, 1] - payload[:, 0])
        elif attribute.way is Way.FUNCTION_TANGENT:
            self._displace(place, payload)
        elif attribute.way is Way.DUAL_SEED:
            self._seed(place, payload)

    def _move(self, place: IntArray, moves: FloatArray) -> None:
        """Send moves of parameters, (k,) or (k, K), as tangents of the functions with products."""
        layer, products = self._layer, self._products
        every = np.zeros((len(products.parameters.ids), *moves.shape[1:]))
        every[place] = moves
        for pieces in products.pieces:
            if not every[pieces.place].any():
                continue
            rows = pieces.tangents(every, products.parameters)
            if pieces.indices is None:
                layer.set(attr.ForwardObjectiveFunction(), rows)
            else:
                layer.set(attr.ForwardConstraintFunction(), pieces.indices, rows)

    def _displace(self, place: IntArray, tangents: Rows) -> None:
        """Send tangents t of the functions of parameters' constraints, ``p + t(x) = θ``.

        They move p by ``-t(x)``, and the gradient of the Lagrangian by ``-t'`` times the dual, of which the part
        ``dG/dp`` is not known below; it is sent as a tangent of the objective that is zero at the solution.
        """
        k = len(place)
        products = self._products
        values = tangents.evaluate(products.values(self._layer))
        self._move(place, -values.reshape(-1, k).T)
        sign = -1.0 if self._layer.store.sense is attr.ObjectiveSenseCode.MAX_SENSE else 1.0
        weights = np.tile(-sign * self.costs[place], tangents.m // k)
        centred = tangents.with_constants(tangents.constant - values).scaled(weights)
        directions = np.repeat(np.arange(tangents.m // k), k)
        self._layer.set(attr.ForwardObjectiveFunction(), centred.moved(directions, tangents.m // k))

    def _seed(self, place: IntArray, seeds: FloatArray) -> None:
        """Send seeds of the duals of parameters' constraints, (k,), as seeds of variables and of other duals."""
        layer, products = self._layer, self._products
        every = np.zeros(len(products.parameters.ids))
        every[place] = seeds
        value = products.values(layer)
        for pieces in products.pieces:
            if not every[pieces.place].any():
                continue
            rows = pieces.tangents(every, products.parameters)
            ids, slopes = rows.terms().gradient(products.multipliers(layer, pieces), value)
            if len(ids):
                layer.set(attr.ReverseVariablePrimal(), VectorOfVariables.of_ids(ids), slopes)
            if pieces.indices is not None:
                weights = inner_product(layer.store, pieces.indices)
                layer.set(attr.ReverseConstraintDual(), pieces.indices, -weights * rows.evaluate(value))

    # ------------------------------------------------------------------ up
    def up(
        self, attribute: attr.Attribute, index: ConstraintIndex | ConstraintIndices, values: FloatArray
    ) -> FloatArray:
        """Values of parameters' constraints, from those below."""
        kind = type(attribute)
        if kind is attr.ForwardConstraintDual:
            return values if self._moved is None else values + self._moved[self._places(index)]
        if not self._products.pieces:
            return values
        if kind is attr.ConstraintDual:
            return values + self.costs[self._places(index)]
        if kind is attr.ReverseConstraintSet:
            return values + np.outer(self._gradient()[self._places(index)], [-1.0, 1.0])
        if kind is attr.ReverseConstraintFunction:
            place = self._places(index)
            return values + np.stack([self.costs[place], -self._gradient()[place]], axis=1)
        return values

    def pushed(self) -> None:
        """The tangents were pushed to the solution below: derivatives of duals are known."""
        self._moved = self._dual_tangents() if self._tangents or self._products.pieces else None

    @property
    def costs(self) -> FloatArray:
        """``dG/dp``, (p,)."""
        if self._costs is None:
            self._costs = self._products.reduced_costs(self._layer)
        return self._costs

    def _dual_tangents(self) -> FloatArray:
        """How ``dG/dp`` moves, (p,)."""
        layer, products = self._layer, self._products
        total = np.zeros(len(products.parameters.ids))
        right = self._right(attr.ForwardVariablePrimal())
        for pieces in products.pieces:
            weights = products.multipliers(layer, pieces)
            moved = np.zeros(len(weights))
            if pieces.indices is not None:
                dual = layer.get(attr.ForwardConstraintDual(), pieces.indices)
                moved = -inner_product(layer.store, pieces.indices) * dual
            total += pieces.gradient(np.stack([weights, moved], axis=1), right, len(total))
        value = products.values(layer)
        for pieces in self._tangents:
            total += pieces.slopes(products.multipliers(layer, pieces), value, len(total))
        return total

    def _gradient(self) -> FloatArray:
        """Gradient in θ of what comes through the products, (p,)."""
        layer, products = self._layer, self._products
        total = np.zeros(len(products.parameters.ids))
        right = self._right(attr.ReverseVariableAdjoint())
        for pieces in products.pieces:
            if pieces.indices is None:
                seed, sign = layer.get(attr.ReverseObjectiveFunction())
                left = np.array([[-sign, sign * seed]])
            else:
                left = layer.get(attr.ReverseConstraintFunction(), pieces.indices)
            total += pieces.gradient(left, right, len(total))
        return total

    def _right(self, attribute: attr.Attribute) -> Callable[[IntArray], FloatArray]:
        """From identifiers to (tangent or adjoint, value)."""
        value = self._products.values(self._layer)

        def right(ids: IntArray) -> FloatArray:
            moved = np.asarray(self._layer.get(attribute, VectorOfVariables.of_ids(ids)))
            return np.stack([moved, value(ids)], axis=1)

        return right
