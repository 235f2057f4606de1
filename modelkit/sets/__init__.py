"""Sets: numbers without variables. Each knows its dimension, its data and how to be rebuilt from them."""

from .abstract_set import ScalarSet, Set, VectorSet
from .cone import NativeCone
from .determinants import LogDetConeSquare, LogDetConeTriangle, RootDetConeSquare, RootDetConeTriangle
from .discrete import SOS1, SOS2, Indicator
from .entropy import DualRelativeEntropyCone, RelativeEntropyCone
from .exponential import DualExponentialCone, ExponentialCone
from .geometric_mean import DualGeometricMeanCone, GeometricMeanCone
from .norms import NormCone, NormInfinityCone, NormNuclearCone, NormOneCone, NormSpectralCone
from .operator_graph import OperatorGraph
from .power import DualPowerCone, PowerCone
from .scalar import (
    EqualTo,
    GreaterThan,
    Integer,
    Interval,
    LessThan,
    Parameter,
    Semicontinuous,
    Semiinteger,
    ZeroOne,
)
from .second_order import RotatedSecondOrderCone, SecondOrderCone
from .semidefinite import (
    HermitianPositiveSemidefiniteConeTriangle,
    PositiveSemidefiniteConeSquare,
    PositiveSemidefiniteConeTriangle,
    ScaledPositiveSemidefiniteConeTriangle,
)
from .spectrum import Spectrum
from .vector import HyperRectangle, Nonnegatives, Nonpositives, Reals, Zeros

__all__ = [
    "DualExponentialCone",
    "DualGeometricMeanCone",
    "DualPowerCone",
    "DualRelativeEntropyCone",
    "EqualTo",
    "ExponentialCone",
    "GeometricMeanCone",
    "GreaterThan",
    "HermitianPositiveSemidefiniteConeTriangle",
    "HyperRectangle",
    "Indicator",
    "Integer",
    "Interval",
    "LessThan",
    "LogDetConeSquare",
    "LogDetConeTriangle",
    "NativeCone",
    "Nonnegatives",
    "Nonpositives",
    "NormCone",
    "NormInfinityCone",
    "NormNuclearCone",
    "NormOneCone",
    "NormSpectralCone",
    "OperatorGraph",
    "Parameter",
    "PositiveSemidefiniteConeSquare",
    "PositiveSemidefiniteConeTriangle",
    "PowerCone",
    "Reals",
    "RelativeEntropyCone",
    "RootDetConeSquare",
    "RootDetConeTriangle",
    "RotatedSecondOrderCone",
    "SOS1",
    "SOS2",
    "ScalarSet",
    "ScaledPositiveSemidefiniteConeTriangle",
    "SecondOrderCone",
    "Semicontinuous",
    "Semiinteger",
    "Set",
    "Spectrum",
    "VectorSet",
    "ZeroOne",
    "Zeros",
]
