"""Functions of the variables of a model, and their arithmetic."""

from .abstract_function import Comparison, Function
from .nonlinear import NONLINEAR, ScalarNonlinearFunction, VectorNonlinearFunction, ifelse, register_operator
from .numpy_functions import numpy_function
from .polynomial import ScalarPolynomialFunction, VectorPolynomialFunction
from .scalar import ScalarAffineFunction, ScalarFunction, ScalarQuadraticFunction, VariableIndex
from .shaped import ArrayFunction
from .symbolic import Symbolic
from .universal_functions import universal_function
from .vector import (
    VariableVector,
    VectorAffineFunction,
    VectorFunction,
    VectorOfVariables,
    VectorQuadraticFunction,
    vectorize,
)

Symbolic.numpy = staticmethod(numpy_function)
Symbolic.ufunc = staticmethod(universal_function)

__all__ = [
    "NONLINEAR",
    "ArrayFunction",
    "Comparison",
    "Function",
    "ScalarAffineFunction",
    "ScalarFunction",
    "ScalarNonlinearFunction",
    "ScalarPolynomialFunction",
    "ScalarQuadraticFunction",
    "VariableIndex",
    "VariableVector",
    "VectorAffineFunction",
    "VectorFunction",
    "VectorNonlinearFunction",
    "VectorOfVariables",
    "VectorPolynomialFunction",
    "VectorQuadraticFunction",
    "ifelse",
    "register_operator",
    "vectorize",
]
