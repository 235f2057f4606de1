"""Functions of the variables of a model, and their arithmetic."""

from .abstract_function import Comparison, Function
from .numpy_functions import numpy_function
from .polynomial import ScalarPolynomialFunction, VectorPolynomialFunction
from .scalar import ScalarAffineFunction, ScalarFunction, ScalarQuadraticFunction, VariableIndex
from .shaped import ArrayFunction
from .symbolic import Symbolic
from .vector import (
    VariableVector,
    VectorAffineFunction,
    VectorFunction,
    VectorOfVariables,
    VectorQuadraticFunction,
    vectorize,
)

Symbolic.numpy = staticmethod(numpy_function)

__all__ = [
    "ArrayFunction",
    "Comparison",
    "Function",
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
