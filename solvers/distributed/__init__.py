"""Problems that outgrow a machine: data and factorizations stay on the workers of a cluster or pool."""

from .consensus import ConsensusLeastSquares, ConsensusSolution
from .derivative import ConsensusGradient
from .engine import Traffic

__all__ = ["ConsensusGradient", "ConsensusLeastSquares", "ConsensusSolution", "Traffic"]
