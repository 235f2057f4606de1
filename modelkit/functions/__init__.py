"""Functions of the variables of a model, and their arithmetic."""

from .base import Comparison, Function
from .matrices import MatrixFunction
from .polynomial import ScalarPolynomialFunction, VectorPolynomialFunction
from .scalar import ScalarAffineFunction, ScalarFunction, ScalarQuadraticFunction, VariableIndex
from .vector import (
    VariableVector,
    VectorAffineFunction,
    VectorFunction,
    VectorOfVariables,
    VectorQuadraticFunction,
    vectorize,
)

__all__ = [
    "Comparison",
    "Function",
    "MatrixFunction",
    "ScalarAffineFunction",
    "ScalarFunction",
    "ScalarPolynomialFunction",
    "ScalarQuadraticFunction",
    "VariableIndex",
    "VariableVector",
    "VectorAffineFunction",
    "VectorFunction",
    "VectorOfVariables",
    "VectorPolynomialFunction",
    "VectorQuadraticFunction",
    "vectorize",
]
